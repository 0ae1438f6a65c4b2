"""The supervisor of one port: opens it, reads, stamps, queues; reopens it for ever.

Knows the serial line and what opens and proves a protocol, not what its frames mean; creates no thread: the
daemon gives it one, and nothing that happens to one port touches another. Sessions are one-shot (link.py).
Each ends in a PortError, which is reported in words, and after a back-off the next one begins, under the same
name: where udev's symbolic link points by then.

    opening ─ missing | down | denied | busy | unusable   cannot be opened; tried again for ever
       ├─ normal_only                                 the adapter cannot listen only, so it is not opened
       └─ open ─ lost                                 hung up, unplugged
            ├─ silent                                 open, no bytes, or an adapter that does not answer
            ├─ wrong_baud                             bytes, but hardly a good frame
            └─ no_protocol                            bytes of something else: a wrong cable

A chunk is stamped right after it was read, so never before its last byte arrived; its first byte may have
come up to `link.GATHER_S` earlier.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from firmware_bridge.devices.conversation import converse
from firmware_bridge.devices.link import Chunk, Link
from firmware_bridge.devices.link_health import Expected, Finding, LinkHealth
from firmware_bridge.devices.open_link import has_rate, is_there, open_link
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.rate_search import RateSearch
from firmware_bridge.devices.restart import restart_watch
from firmware_bridge.errors import PortError
from firmware_bridge.protocols import Opened, Opening, Protocol, Step, no_opening, sequence

FIRST_PAUSE_S = 0.1
"""Pause before the first reopening: a hub that stumbles is back at once."""
LONGEST_PAUSE_S = 2.0
"""The pause doubles up to this."""
LOOK_S = 0.1
"""How often a device that was not there is looked for meanwhile."""
GOOD_WHILE_US = 5_000_000
"""A session that lasted this long was a real one: the pauses begin anew."""
WAIT_S = 0.1
"""Longest wait for bytes before the stop event and the link's health are looked at."""
HEALTH_US = 500_000
"""How often a link's health is looked at."""
OPEN_AGAIN_US = 30_000_000
"""How often a silent device is sent its opening again: one that restarted, as in a brown-out when the engine
is cranked, has forgotten its bit rate and would stay silent for ever."""
ASK_AGAIN_US = 2_000_000
"""How often an adapter that has not answered yet is sent its opening again: boards that restart when their port is
opened take one to three seconds."""
NO_BAUD = 0
"""The rate of a port that has none: a CAN interface."""
RESTART_US = 5_000_000
"""Openings sent sooner than this after another are not reported: a bus that falls asleep would fill the log."""
INIT_WAIT_S = 0.1
"""Pause between the user's lines for a receiver that answers nothing."""
REPEAT_US = 60_000_000
"""The same trouble is said once, and then once a minute."""


class LinkChange(NamedTuple):
    """`port` went over to `state`, a word of the drawing above; `detail` is one line with the mend.

    `warning` is what is not as the configuration asks although the port is open; it is part of `detail`, too.
    """

    port: str
    t_us: int
    state: str
    detail: str
    warning: str = ""


class PortReader:
    """`run` is the body of a port's thread; `write` may be called from others.

    `baud` is bit/s, or "auto" to try the protocol's rates until its own decoder says that frames hold.
    `opening` makes the protocol's dialogue of each open, `init` are the user's own lines after it. `neighbours`
    are the other ports' names by protocol. `clock_us` is the session's monotonic clock. `sink` takes what is
    read; it must not block.
    """

    def __init__(
        self,
        name: str,
        url: str,
        baud: int | Literal["auto"],
        protocol: Protocol,
        *,
        clock_us: Callable[[], int],
        sink: Callable[[Chunk | LinkChange], None],
        opening: Callable[[], Opening] = no_opening,
        init: Sequence[str] = (),
        neighbours: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.url = name, url
        self.rounds = 0
        """Grows as long as the thread goes round; a watchdog looks at it."""
        self._protocol = protocol
        lines = (line.rstrip("\r\n").encode() + b"\r\n" for line in init)
        self._opening, self._init = opening, tuple(Step(line, INIT_WAIT_S) for line in lines)
        self._opened = Opened()
        self._expected = Expected(name, protocol.name, neighbours or {})
        self._clock_us, self._sink = clock_us, sink
        self._has_rate = has_rate(url)
        self._search = baud == "auto" and self._has_rate
        self._bauds = protocol.bauds or (NO_BAUD,) if baud == "auto" else (baud,)
        self._outbox = Outbox()
        self._writable = False
        self._reported = ("", "")
        self._reported_us = 0

    @property
    def dropped_bytes(self) -> int:
        """Bytes of `write` that were never sent: no session, or the device does not take them."""
        return self._outbox.dropped_bytes

    def write(self, data: bytes) -> bool:
        """Queue all of `data` for sending, or drop and count it. Never blocks."""
        return self._outbox.put(data) if self._writable else self._outbox.drop(data)

    def run(self, stop: threading.Event) -> None:
        """Record the port until `stop`; returns within 0.3 s of it, a network port's connecting and
        closing aside (pyserial's own 5 s and 0.3 s)."""
        self._report("opening", self.url)
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            self.rounds += 1
            began_us = self._clock_us()
            try:
                with open_link(self.url, self._bauds[0], self._outbox) as link:
                    self._session(link, stop)
            except PortError as trouble:
                self._report(trouble.state, str(trouble))
            finally:
                self._writable = False
            if self._clock_us() - began_us >= GOOD_WHILE_US:
                pause_s = FIRST_PAUSE_S
            appeared = self._pause(stop, pause_s)
            pause_s = FIRST_PAUSE_S if appeared else min(2 * pause_s, LONGEST_PAUSE_S)

    def _pause(self, stop: threading.Event, seconds: float) -> bool:
        """Wait before the port is tried again; True, and no longer, when a device that was not there has come."""
        was_there = is_there(self.url)
        for _ in range(round(seconds / LOOK_S)):
            if stop.wait(LOOK_S):
                return False
            if not was_there and is_there(self.url):
                return True
        return False

    def _session(self, link: Link, stop: threading.Event) -> None:
        """From just opened until `stop`, or PortError."""
        try:
            if self._search:
                self._find_rate(link, stop)
            else:
                self._open(link, stop, self._deliver)
            if not stop.is_set():
                self._listen(link, stop)
        finally:
            link.say_goodbye(self._protocol.closing)

    def _find_rate(self, link: Link, stop: threading.Event) -> None:
        """Leaves `link` at the rate that holds and delivers what was read at it, not the noise of the others.

        PortError when all were tried in vain. The rate that holds is the first to be tried the next time.
        """

        def reads_at(baud: int) -> Iterator[Chunk]:
            link.set_rate(baud)
            opening: list[Chunk] = []
            self._open(link, stop, opening.append)  # all of it, even where an adapter left open talks already
            return chain(opening, self._reads(link, stop))

        search = RateSearch(self._protocol, self._expected, self._clock_us, reads_at, self._report)
        found = search.find(self._bauds, stop, lambda: self._opened.doubt)
        if found is not None:
            self._bauds = (found.baud, *(other for other in self._bauds if other != found.baud))
            for chunk in found.chunks:
                self._deliver(chunk)

    def _listen(self, link: Link, stop: threading.Event) -> None:
        """Deliver chunks until `stop`, and say how the link fares."""
        look_us = self._clock_us()
        opened_us = look_us if self._opened.doubt else -OPEN_AGAIN_US
        baud = self._bauds[0] if self._has_rate else None
        health = LinkHealth(self._expected, baud, look_us, link.setting, self._protocol.decoder)
        self._writable = True  # before others hear that the port is open
        if not self._opened.doubt:  # else what comes within ASK_AGAIN_US decides
            self._report_link(health.finding(look_us))
        watch = restart_watch(self._protocol, has_init=bool(self._init), began_us=look_us)
        finding = health.finding(look_us)
        for chunk in self._reads(link, stop):
            if chunk.data:
                self._opened = self._opened._replace(doubt="")
                self._sink(chunk)
                health.arrived(chunk.data, chunk.t_us)
                watch.arrived(chunk.data, chunk.t_us)
                self._attend(chunk.data, link, stop)
            if finding.state != "no_protocol" and (reason := watch.due(chunk.t_us)):
                if finding.state == "open" and chunk.t_us - opened_us >= RESTART_US:
                    self._report("open", f"{reason}: it may have restarted, so its opening is sent again")
                self._open(link, stop, self._deliver)
                opened_us = self._clock_us()
                watch.opened(opened_us)
            if chunk.t_us - look_us >= HEALTH_US:
                look_us = chunk.t_us
                finding = health.finding(look_us)
                if complaint := link.complaint(is_silent=finding.state == "silent"):
                    finding = Finding("silent", complaint)
                if self._search and finding.state in ("wrong_baud", "no_protocol"):
                    what = f"hardly a frame holds at {self._bauds[0]} baud any more"
                    raise PortError("wrong_baud", what, hint="the rate is looked for again")
                wait_us = ASK_AGAIN_US if self._opened.doubt else OPEN_AGAIN_US
                is_quiet = bool(self._opened.doubt) or finding.state == "silent"
                is_due = is_quiet and look_us - opened_us >= wait_us
                if is_due or not self._opened.doubt:
                    self._report_link(finding)
                if is_due:
                    self._open(link, stop, self._deliver)
                    opened_us = self._clock_us()
                    watch.opened(opened_us)

    def _open(self, link: Link, stop: threading.Event, take: Callable[[Chunk], None]) -> None:
        """Hold the protocol's dialogue, then send the user's own lines; `take` gets what is read meanwhile.

        Leaves in `_opened` how it ended. Raises NotOpenedError.
        """

        def read(wait_s: float) -> bytes:
            chunk = self._read(link, wait_s)
            take(chunk)
            return chunk.data

        was_writable, self._writable = self._writable, False  # nobody's requests between the commands
        opened = converse(self._opening(), self._outbox.put, read, stop)
        self._opened = opened._replace(warning=opened.warning or link.warning)
        converse(sequence(*self._init), self._outbox.put, read, stop)
        self._writable = was_writable

    def _attend(self, data: bytes, link: Link, stop: threading.Event) -> None:
        """Do what an adapter wants whose opening left somebody to watch it."""
        if self._opened.attend is None:
            return
        wanted = self._opened.attend(data)
        if wanted is None:
            self._open(link, stop, self._deliver)
        elif wanted:
            self._outbox.put(wanted)

    def _reads(self, link: Link, stop: threading.Event) -> Iterator[Chunk]:
        """What arrives until `stop`. A chunk without data says that a wait is over."""
        while not stop.is_set():
            yield self._read(link, WAIT_S)

    def _deliver(self, chunk: Chunk) -> None:
        if chunk.data:
            self._sink(chunk)

    def _read(self, link: Link, wait_s: float) -> Chunk:
        self.rounds += 1
        data = link.read(wait_s)
        return Chunk(self.name, self._clock_us(), data)

    def _report_link(self, finding: Finding) -> None:
        """Report the health of an open link together with how its opening ended."""
        warning = self._opened.warning
        if self._opened.doubt:
            self._report("silent", self._opened.doubt)
        elif finding.state in ("open", "silent") and warning:  # a wrong bit rate is a reason for silence
            self._report(finding.state, "; ".join(filter(None, (finding.detail, warning))), warning)
        else:
            self._report(*finding)

    def _report(self, state: str, detail: str, warning: str = "") -> None:
        """Say what is new; the same trouble again only after a while."""
        t_us = self._clock_us()
        if (state, detail) == self._reported and (state == "open" or t_us - self._reported_us < REPEAT_US):
            return
        self._reported, self._reported_us = (state, detail), t_us
        self._sink(LinkChange(self.name, t_us, state, detail, warning))
