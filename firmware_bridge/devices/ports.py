"""Supervisor of one port: open it, read and time-stamp its bytes, and reopen it until stopped.

Knows the serial line and how to open and recognise a protocol, but does not interpret frames. Creates no thread: the
daemon runs each port in its own, and ports do not affect each other. A session is one-shot (link.py). It ends with a
PortError, which is reported, and after a back-off the next one begins under the same name, wherever udev's symbolic
link then points.

    opening ─ missing | down | denied | busy | unusable   cannot be opened; retried until stopped
       ├─ normal_only                                 the adapter cannot listen only, so it is not opened
       └─ open ─ lost                                 hung up, unplugged
            ├─ silent                                 open, no bytes, or an adapter that does not answer
            ├─ wrong_baud                             bytes, but hardly a good frame
            └─ no_protocol                            bytes of another protocol: a wrong cable

A chunk is stamped right after the read, so never before its last byte arrived. read_pace.py says when the next follows.
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
from firmware_bridge.devices.read_pace import GATHER_S, StampedPace
from firmware_bridge.devices.restart import restart_watch
from firmware_bridge.errors import PortError
from firmware_bridge.protocols import Opened, Opening, Protocol, Step, no_opening, sequence

FIRST_PAUSE_S = 0.1
"""Pause before the first reopening: after a glitch a hub is back at once."""
LONGEST_PAUSE_S = 2.0
"""The pause doubles up to this."""
PRESENCE_POLL_S = 0.1
"""Interval of checks whether a missing device has appeared."""
REAL_SESSION_US = 5_000_000
"""A session of this length resets the pause to FIRST_PAUSE_S."""
WAIT_S = 0.1
"""Longest wait for bytes before the stop event and the link's health are checked."""
HEALTH_US = 500_000
"""Interval of checks of a link's health."""
OPEN_AGAIN_US = 30_000_000
"""Interval at which a silent device is sent its opening again: one that restarted, as in a brown-out when the engine
is cranked, has lost its bit rate and would stay silent."""
ASK_AGAIN_US = 2_000_000
"""Interval at which an adapter that has not answered yet is sent its opening again: boards that restart when their
port is opened take one to three seconds."""
NO_BAUD = 0
"""The rate of a port without one: a CAN interface."""
RESTART_US = 5_000_000
"""An opening sent sooner than this after another is not reported: a bus that falls asleep would fill the log."""
INIT_WAIT_S = 0.1
"""Pause between the `init` lines, which a receiver does not answer."""
REPEAT_US = 60_000_000
"""Interval at which an unchanged fault is reported again."""


class LinkChange(NamedTuple):
    """`port` changed to `state`, one of those in the drawing above; `detail` is one line with how to fix it.

    `warning` is how the open port differs from the configuration; `detail` includes it.
    """

    port: str
    t_us: int
    state: str
    detail: str
    warning: str = ""


class PortReader:
    """`run` is the body of a port's thread; `write` may be called from other threads.

    `baud` is bit/s, or "auto" to try the protocol's rates until its own decoder finds valid frames.
    `opening` makes the protocol's dialogue for each open, `init` are the user's own lines sent after it. `neighbours`
    are the other ports' names by protocol. `clock_us` is the session's monotonic clock. `sink` receives chunks and
    state changes; it must not block.
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
        """Counts the rounds of the thread's loop; a watchdog checks that it grows."""
        self._protocol = protocol
        self._opening = opening
        self._init = tuple(Step(line.rstrip("\r\n").encode() + b"\r\n", INIT_WAIT_S) for line in init)
        self._opened = Opened()
        self._expected = Expected(name, protocol.name, neighbours or {})
        self._clock_us, self._sink = clock_us, sink
        self._has_rate = has_rate(url)
        self._search = baud == "auto" and self._has_rate
        self._bauds = protocol.bauds or (NO_BAUD,) if baud == "auto" else (baud,)
        self._outbox = Outbox()
        self._is_stamped = False
        self._stamped_pace = StampedPace()
        self._writable = False
        self._reported = ("", "")
        self._reported_us = 0

    @property
    def dropped_bytes(self) -> int:
        """Bytes of `write` that were never sent: no session, or the device did not accept them."""
        return self._outbox.dropped_bytes

    def write(self, data: bytes) -> bool:
        """Queue all of `data` for sending, or drop and count it. Never blocks."""
        return self._outbox.put(data) if self._writable else self._outbox.drop(data)

    def note_stamps(self, *, is_stamped: bool) -> None:
        """Take whether the device stamps its frames: their bytes may then be read less often. Any thread."""
        self._is_stamped = is_stamped

    def run(self, stop: threading.Event) -> None:
        """Record the port until `stop`; then returns within 0.3 s, except while a network port connects or closes
        (pyserial's 5 s and 0.3 s)."""
        self._report("opening", self.url)
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            self.rounds += 1
            began_us = self._clock_us()
            was_there = is_there(self.url)
            try:
                with open_link(self.url, self._bauds[0], self._outbox) as link:
                    self._session(link, stop)
            except PortError as error:
                self._report(error.state, str(error))
            finally:
                self._writable = False
            if self._clock_us() - began_us >= REAL_SESSION_US:
                pause_s = FIRST_PAUSE_S
            appeared = self._pause(stop, pause_s, was_there=was_there)
            pause_s = FIRST_PAUSE_S if appeared else min(2 * pause_s, LONGEST_PAUSE_S)

    def _pause(self, stop: threading.Event, seconds: float, *, was_there: bool) -> bool:
        """Wait before the next attempt; returns True early if a missing device appears. `was_there`: it was not missing
        before the last attempt either; one that came right after that attempt would be overlooked."""
        was_there &= is_there(self.url)
        for _ in range(round(seconds / PRESENCE_POLL_S)):
            if stop.wait(PRESENCE_POLL_S):
                return False
            if not was_there and is_there(self.url):
                return True
        return False

    def _session(self, link: Link, stop: threading.Event) -> None:
        """Run an open port until `stop`, or until PortError."""
        try:
            if self._search:
                self._find_rate(link, stop)
            else:
                self._open(link, stop, self._deliver)
            if not stop.is_set():
                self._listen(link, stop)
        finally:
            link.send_closing(self._protocol.closing)

    def _find_rate(self, link: Link, stop: threading.Event) -> None:
        """Find the baud rate, set `link` to it and deliver the bytes read at it, without the noise of other rates.

        PortError if no rate works. The rate found is the first to be tried next time.
        """

        def reads_at(baud: int) -> Iterator[Chunk]:
            link.set_rate(baud)
            opening: list[Chunk] = []
            # Bytes are kept from the opening on: an adapter that was left open may send frames already.
            self._open(link, stop, opening.append)
            return chain(opening, self._reads(link, stop))

        search = RateSearch(self._protocol, self._expected, self._clock_us, reads_at, self._report)
        result = search.find(self._bauds, stop, lambda: self._opened.doubt)
        if result is not None:
            self._bauds = (result.baud, *(other for other in self._bauds if other != result.baud))
            for chunk in result.chunks:
                self._deliver(chunk)

    def _listen(self, link: Link, stop: threading.Event) -> None:
        """Deliver chunks until `stop`, and report the link's health."""
        checked_us = self._clock_us()
        opened_us = checked_us if self._opened.doubt else -OPEN_AGAIN_US
        baud = self._bauds[0] if self._has_rate else None
        health = LinkHealth(self._expected, baud, checked_us, link.setting, self._protocol.decoder)
        self._writable = True  # before the port is reported as open
        if not self._opened.doubt:  # else the bytes of the next ASK_AGAIN_US decide
            self._report_link(health.finding(checked_us))
        watch = restart_watch(self._protocol, has_init=bool(self._init), began_us=checked_us)
        finding = health.finding(checked_us)
        for chunk in self._reads(link, stop):
            if chunk.data:
                if self._opened.doubt:
                    self._opened = self._opened._replace(doubt="")
                self._sink(chunk)
                health.arrived(chunk.data, chunk.t_us)
                watch.arrived(chunk.data, chunk.t_us)
                self._attend(chunk.data, link, stop)
            elif chunk.is_timed:
                self._sink(chunk)  # frames of the next chunk have not waited since before it (devicetime.py)
            if finding.state != "no_protocol" and (reason := watch.due(chunk.t_us)):
                if finding.state == "open" and chunk.t_us - opened_us >= RESTART_US:
                    self._report("open", f"{reason}: it may have restarted, so its opening is sent again")
                self._open(link, stop, self._deliver)
                opened_us = self._clock_us()
                watch.opened(opened_us)
            if chunk.t_us - checked_us >= HEALTH_US:
                checked_us = chunk.t_us
                finding = health.finding(checked_us)
                if complaint := link.complaint(is_silent=finding.state == "silent"):
                    finding = Finding("silent", complaint)
                if self._search and finding.state in ("wrong_baud", "no_protocol"):
                    what = f"hardly a frame holds at {self._bauds[0]} baud any more"
                    raise PortError("wrong_baud", what, hint="the rate is searched again")
                wait_us = ASK_AGAIN_US if self._opened.doubt else OPEN_AGAIN_US
                is_quiet = bool(self._opened.doubt) or finding.state == "silent"
                is_due = is_quiet and checked_us - opened_us >= wait_us
                if is_due or not self._opened.doubt:
                    self._report_link(finding)
                if is_due:
                    self._open(link, stop, self._deliver)
                    opened_us = self._clock_us()
                    watch.opened(opened_us)

    def _open(self, link: Link, stop: threading.Event, take: Callable[[Chunk], None]) -> None:
        """Run the protocol's dialogue, then send the user's own lines; `take` gets the bytes read meanwhile.

        Stores the result in `_opened`. Raises NotOpenedError.
        """

        def read(wait_s: float) -> bytes:
            chunk = self._read(link, wait_s)
            take(chunk)
            return chunk.data

        was_writable, self._writable = self._writable, False  # no requests between the commands
        self._is_stamped = False  # another device may have taken its place: noted again with its first frames
        opened = converse(self._opening(), self._outbox.put, read, stop)
        self._opened = opened._replace(warning=opened.warning or link.warning)
        converse(sequence(*self._init), self._outbox.put, read, stop)
        self._writable = was_writable

    def _attend(self, data: bytes, link: Link, stop: threading.Event) -> None:
        """Let the opening's attendant handle received bytes: it may reopen the adapter or send a command."""
        if self._opened.attend is None:
            return
        command = self._opened.attend(data)
        if command is None:
            self._open(link, stop, self._deliver)
        elif command:
            self._outbox.put(command)

    def _reads(self, link: Link, stop: threading.Event) -> Iterator[Chunk]:
        """Yield chunks until `stop`. A chunk without data means that a wait is over."""
        while not stop.is_set():
            yield self._read(link, WAIT_S)

    def _deliver(self, chunk: Chunk) -> None:
        if chunk.data:
            self._sink(chunk)

    def _read(self, link: Link, wait_s: float) -> Chunk:
        self.rounds += 1
        data = link.read(wait_s)
        t_us = self._clock_us()
        is_timed = self._is_stamped and self._writable  # the answers of a dialogue are read at once
        if data and not link.is_behind:
            link.pause(self._stamped_pace.pause_s(t_us) if is_timed else GATHER_S)
        return Chunk(self.name, t_us, data, is_timed)

    def _report_link(self, finding: Finding) -> None:
        """Report the health of an open link together with the result of its opening."""
        warning = self._opened.warning
        if self._opened.doubt:
            self._report("silent", self._opened.doubt)
        elif finding.state in ("open", "silent") and warning:  # a wrong bit rate is a reason for silence
            self._report(finding.state, "; ".join(filter(None, (finding.detail, warning))), warning)
        else:
            self._report(*finding)

    def _report(self, state: str, detail: str, warning: str = "") -> None:
        """Report a change; an unchanged fault only every REPEAT_US."""
        t_us = self._clock_us()
        if (state, detail) == self._reported and (state == "open" or t_us - self._reported_us < REPEAT_US):
            return
        self._reported, self._reported_us = (state, detail), t_us
        self._sink(LinkChange(self.name, t_us, state, detail, warning))
