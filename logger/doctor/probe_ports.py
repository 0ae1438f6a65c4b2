"""Gathering at the ports: opens one as the recorder would, listens for some seconds, and says what came.

Only for ports that no recorder has open. Nothing here ever transmits on a bus: adapters are opened to listen only,
whatever the configuration says, and where a port does not speak what it should, the search for what it does
speak sends nothing at all.
"""

from __future__ import annotations

import grp
import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from firmware_bridge.devices.evidence import Tally, holds
from firmware_bridge.devices.link import Chunk
from firmware_bridge.devices.open_link import has_rate
from firmware_bridge.devices.ports import LinkChange, PortReader
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.gps.utc import UtcOffset
from firmware_bridge.records import Batch, Fix, Notice
from logger.doctor.port_observation import Heard
from logger.doctor.probe_protocols import find_bitrate, identify
from logger.recorder.setup import PortPlan

SEARCH_S = 42.0
"""How long a port may look for its rate: NMEA's nine for one and a half seconds each, then for two and a half."""
OPENING_S = 5.0
"""How long a port may take to be open: an adapter that answers nothing is asked twice."""
GLIMPSE_S = 0.6
"""Listening at a rate that has been found: to count what came."""
CLOSE_S = 5.0
"""A port takes a third of a second to be closed, a network port a little longer."""
KEPT_BYTES = 16 * 1024 * 1024
"""Of what was heard: a quarter of a minute of the fastest USB adapter."""
_ASK_SLCAN = (b"V\r", b"F\r")
"""Version and status: what an adapter answers that is alive on a bus that is not."""
_ANSWERS = ("adapter_answer", "adapter_status", "adapter_refused")
_OPEN = ("open", "silent", "wrong_baud", "no_protocol")
"""States of a port that could be opened."""
_LISTENING = ("open", "silent")
"""States of a port from which frames may come at any time."""


class Listener:
    """One port, listened to in a thread of its own."""

    def __init__(self, plan: PortPlan, neighbours: Mapping[str, str], began_s: float) -> None:
        self.plan = plan
        self._began_s = began_s
        self._items: list[Chunk | LinkChange] = []
        self._bytes = 0
        self._opened = threading.Event()
        self._opening = partial(plan.protocol.opening, replace(plan.bus, listen_only=True))
        self._reader = PortReader(
            plan.name,
            plan.url,
            plan.baud,
            plan.protocol,
            clock_us=self._clock_us,
            sink=self._take,
            opening=self._opening,
            init=plan.init,
            neighbours=neighbours,
        )

    def listen(self, seconds: float, stop: threading.Event) -> Heard:
        """What the port says in `seconds`; if it is not what it should be, what else can be found. `stop` ends it."""
        heard = self._listen(seconds, stop)
        if heard.state == "denied":
            return replace(heard, group=_group_of(self.plan.url))
        if stop.is_set() or heard.state not in _OPEN:
            return heard
        is_strange = heard.is_unknown or (heard.bad > 0 and not holds(heard.good, heard.bad))
        if is_strange or heard.state in ("wrong_baud", "no_protocol"):
            return replace(heard, speaks=identify(self.plan.url, stop))
        if self.plan.protocol.name == "slcan" and not heard.frames:
            found = find_bitrate(self.plan, _baud_of(heard, self.plan), stop)
            heard = replace(heard, bitrate=found.bitrate, tried_bitrates=found.tried)
        takes_commands = next(self._opening(), None) is not None
        if heard.is_mute and takes_commands and self.plan.baud != "auto" and has_rate(self.plan.url):
            heard = self._at_other_rates(heard, stop)
        return heard

    def _listen(self, seconds: float, stop: threading.Event) -> Heard:
        """Open the port as the recorder would, and listen for `seconds` from when it spoke."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._reader.run, args=(done,), name=f"port {self.plan.name}", daemon=True
        )
        thread.start()
        try:
            patience_s = (
                SEARCH_S if self.plan.baud == "auto" and has_rate(self.plan.url) else max(seconds, OPENING_S)
            )
            until_s = time.monotonic() + patience_s
            while not (self._opened.wait(0.05) or self._has_failed() or stop.is_set()):
                if time.monotonic() >= until_s:
                    break
            if self._opened.is_set():
                if self.plan.protocol.name == "slcan":
                    for question in _ASK_SLCAN:
                        self._reader.write(question)
                stop.wait(seconds)
        finally:
            done.set()
            thread.join(CLOSE_S)
        return self._heard(seconds)

    def _clock_us(self) -> int:
        return int((time.monotonic() - self._began_s) * 1e6)

    def _take(self, item: Chunk | LinkChange) -> None:
        if isinstance(item, LinkChange):
            self._items.append(item)
            if item.state in _LISTENING:
                self._opened.set()
        elif self._bytes < KEPT_BYTES:
            self._items.append(item)
            self._bytes += len(item.data)

    def _has_failed(self) -> bool:
        changes = [item for item in self._items if isinstance(item, LinkChange)]
        return bool(changes) and changes[-1].state not in ("opening", "open")

    def _heard(self, seconds: float) -> Heard:
        protocol, fixes = self.plan.protocol, FixBuilder()
        tally = Tally(protocol.decoder(0), is_mixed=protocol.is_mixed)
        frames: Counter[tuple[int, int]] = Counter()
        made: list[Fix] = []
        notices: list[Notice] = []
        state, detail = "opening", self.plan.url
        for item in list(self._items):
            if isinstance(item, LinkChange):
                state, detail = item.state, item.detail
                continue
            batch = tally.feed(item.data, item.t_us)
            frames.update((frame.can_id, len(frame.data)) for frame in batch.frames)
            notices += batch.notices
            made += _fixes(fixes, batch)
        made += fixes.finish()
        offset_s = _utc_offset_s(made, self._began_s)
        counts = tally.counts
        return Heard(
            self.plan.name,
            self.plan.url,
            protocol.name,
            state,
            detail,
            seconds=seconds,
            is_polled=self.plan.poller is not None,
            may_acknowledge=self.plan.bus.listen_only is not True,
            good=counts.good,
            bad=counts.damaged,
            bytes=self._bytes,
            foreign_bytes=counts.foreign_bytes,
            frames=frames,
            fixes=tuple(made),
            utc_offset_s=offset_s,
            notices=tuple(notices),
            has_answered=any(notice.kind in _ANSWERS for notice in notices),
        )

    def _at_other_rates(self, heard: Heard, stop: threading.Event) -> Heard:
        """An adapter that is spoken to at a wrong rate never hears that it is to be opened, and is silent."""
        found = Listener(replace(self.plan, baud="auto"), {}, self._began_s)._listen(GLIMPSE_S, stop)
        if not holds(found.good, found.bad):
            return heard
        return replace(heard, speaks=(found.protocol, _baud_of(found, self.plan)))


def listen_all(plans: Sequence[PortPlan], seconds: float, stop: threading.Event) -> list[Heard]:
    """All ports at once. Raises KeyboardInterrupt when the user has had enough, with every port closed."""
    began_s = time.monotonic()
    answers: queue.SimpleQueue[Heard | None] = queue.SimpleQueue()

    def body(plan: PortPlan) -> None:
        neighbours = {other.protocol.name: other.name for other in plans if other is not plan}
        heard = None
        try:
            heard = Listener(plan, neighbours, began_s).listen(seconds, stop)
        finally:
            answers.put(heard)

    for plan in plans:
        threading.Thread(target=body, args=(plan,), daemon=True).start()
    heard: dict[str, Heard] = {}
    left = len(plans)
    # Not Thread.join: interrupted, it takes a thread that runs for one that has ended (CPython 3.11).
    try:
        while left:
            if (port := answers.get()) is not None:
                heard[port.name] = port
            left -= 1
    finally:
        stop.set()
        with suppress(queue.Empty):
            while left:
                answers.get(timeout=CLOSE_S)
                left -= 1
    return [heard[plan.name] for plan in plans if plan.name in heard]


def _fixes(builder: FixBuilder, batch: Batch) -> list[Fix]:
    return [fix for sentence in batch.sentences for fix in builder.feed(sentence)]


def _utc_offset_s(fixes: Sequence[Fix], began_s: float) -> float | None:
    """How far the system's clock is ahead of GPS."""
    now_utc_us, now_us = time.time_ns() // 1000, int((time.monotonic() - began_s) * 1e6)
    offset = UtcOffset()
    for fix in fixes:
        offset.feed(fix)
    return None if offset.us is None else (now_utc_us - now_us - offset.us) / 1e6


def _baud_of(heard: Heard, plan: PortPlan) -> int:
    """The rate at which the port was open: that which was found, if one was looked for."""
    found = re.match(r"(\d+) baud", heard.detail)
    return int(found[1]) if found else plan.protocol.bauds[0] if plan.baud == "auto" else plan.baud


def _group_of(url: str) -> str:
    """The group that may use a device."""
    with suppress(OSError, KeyError):
        return grp.getgrgid(Path(url).stat().st_gid).gr_name
    return ""
