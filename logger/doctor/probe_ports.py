"""Probe the ports: open each as the recorder would, listen for some seconds, and record what arrives.

Only for ports that no recorder has open. Nothing here transmits on a bus: adapters are opened listen-only, even if the
configuration says otherwise, and the search for another protocol on a port sends no bytes at all.
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
from firmware_bridge.record_columns import Batch
from firmware_bridge.records import Fix, Notice
from logger.doctor.port_observation import PortObservation
from logger.doctor.probe_protocols import find_bitrate, identify
from logger.recorder.setup import PortPlan

SEARCH_S = 42.0
"""Time limit of the search for the baud rate: NMEA's nine rates for 1.5 s each, then for 2.5 s."""
OPENING_S = 5.0
"""Time limit for opening a port: an adapter that does not answer is asked twice."""
RECOUNT_S = 0.6
"""How long to count frames at a baud rate that has been found."""
CLOSE_S = 5.0
"""Closing a port takes a third of a second, a network port a little longer."""
MAX_BYTES = 16 * 1024 * 1024
"""Received bytes to keep: 15 s of the fastest USB adapter."""
_SLCAN_QUERIES = (b"V\r", b"F\r")
"""Version and status: a working adapter answers them even on a silent bus."""
_ANSWERS = ("adapter_answer", "adapter_status", "adapter_refused")
_OPEN = ("open", "silent", "wrong_baud", "no_protocol")
"""States of a port that could be opened."""
_LISTENING = ("open", "silent")
"""States of a port from which frames may come at any time."""


class Listener:
    """Listens to one port in a thread of its own."""

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

    def listen(self, seconds: float, stop: threading.Event) -> PortObservation:
        """Observe the port for `seconds`; if its data is not as configured, search for protocol and rates.

        `stop` ends it early.
        """
        observed = self._listen(seconds, stop)
        if observed.state == "denied":
            return replace(observed, group=_group_of(self.plan.url))
        if stop.is_set() or observed.state not in _OPEN:
            return observed
        is_strange = observed.is_unknown or (observed.bad > 0 and not holds(observed.good, observed.bad))
        if is_strange or observed.state in ("wrong_baud", "no_protocol"):
            return replace(observed, speaks=identify(self.plan.url, stop))
        if self.plan.protocol.name == "slcan" and not observed.frames:
            search = find_bitrate(self.plan, _baud_of(observed, self.plan), stop)
            observed = replace(observed, bitrate=search.bitrate, tried_bitrates=search.tried)
        takes_commands = next(self._opening(), None) is not None
        if observed.is_mute and takes_commands and self.plan.baud != "auto" and has_rate(self.plan.url):
            observed = self._try_other_rates(observed, stop)
        return observed

    def _listen(self, seconds: float, stop: threading.Event) -> PortObservation:
        """Open the port as the recorder would, and listen for `seconds` after it is open."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._reader.run, args=(done,), name=f"port {self.plan.name}", daemon=True
        )
        thread.start()
        try:
            timeout_s = (
                SEARCH_S if self.plan.baud == "auto" and has_rate(self.plan.url) else max(seconds, OPENING_S)
            )
            until_s = time.monotonic() + timeout_s
            while not (self._opened.wait(0.05) or self._has_failed() or stop.is_set()):
                if time.monotonic() >= until_s:
                    break
            if self._opened.is_set():
                if self.plan.protocol.name == "slcan":
                    for query in _SLCAN_QUERIES:
                        self._reader.write(query)
                stop.wait(seconds)
        finally:
            done.set()
            thread.join(CLOSE_S)
        return self._observation(seconds)

    def _clock_us(self) -> int:
        return int((time.monotonic() - self._began_s) * 1e6)

    def _take(self, item: Chunk | LinkChange) -> None:
        if isinstance(item, LinkChange):
            self._items.append(item)
            if item.state in _LISTENING:
                self._opened.set()
        elif self._bytes < MAX_BYTES:
            self._items.append(item)
            self._bytes += len(item.data)

    def _has_failed(self) -> bool:
        changes = [item for item in self._items if isinstance(item, LinkChange)]
        return bool(changes) and changes[-1].state not in ("opening", "open")

    def _observation(self, seconds: float) -> PortObservation:
        protocol, builder = self.plan.protocol, FixBuilder()
        tally = Tally(protocol.decoder(0), is_mixed=protocol.is_mixed)
        frames: Counter[tuple[int, int]] = Counter()
        fixes: list[Fix] = []
        notices: list[Notice] = []
        state, detail = "opening", self.plan.url
        for item in list(self._items):
            if isinstance(item, LinkChange):
                state, detail = item.state, item.detail
                continue
            batch = tally.feed(item.data, item.t_us)
            frames.update((frame.can_id, len(frame.data)) for frame in batch.frames)
            notices += batch.notices
            fixes += _fixes(builder, batch)
        fixes += builder.finish()
        offset_s = _utc_offset_s(fixes, self._began_s)
        counts = tally.counts
        return PortObservation(
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
            fixes=tuple(fixes),
            utc_offset_s=offset_s,
            notices=tuple(notices),
            has_answered=any(notice.kind in _ANSWERS for notice in notices),
        )

    def _try_other_rates(self, observed: PortObservation, stop: threading.Event) -> PortObservation:
        """Search for the baud rate of a silent adapter: at a wrong rate it does not receive the open command."""
        other = Listener(replace(self.plan, baud="auto"), {}, self._began_s)._listen(RECOUNT_S, stop)
        if not holds(other.good, other.bad):
            return observed
        return replace(observed, speaks=(other.protocol, _baud_of(other, self.plan)))


def listen_all(plans: Sequence[PortPlan], seconds: float, stop: threading.Event) -> list[PortObservation]:
    """Listen to all ports in parallel. On KeyboardInterrupt closes every port before raising it."""
    began_s = time.monotonic()
    answers: queue.SimpleQueue[PortObservation | None] = queue.SimpleQueue()

    def body(plan: PortPlan) -> None:
        neighbours = {other.protocol.name: other.name for other in plans if other is not plan}
        observed = None
        try:
            observed = Listener(plan, neighbours, began_s).listen(seconds, stop)
        finally:
            answers.put(observed)

    for plan in plans:
        threading.Thread(target=body, args=(plan,), daemon=True).start()
    observed: dict[str, PortObservation] = {}
    left = len(plans)
    # Not Thread.join: after an interrupt it treats a running thread as ended (CPython 3.11).
    try:
        while left:
            if (port := answers.get()) is not None:
                observed[port.name] = port
            left -= 1
    finally:
        stop.set()
        with suppress(queue.Empty):
            while left:
                answers.get(timeout=CLOSE_S)
                left -= 1
    return [observed[plan.name] for plan in plans if plan.name in observed]


def _fixes(builder: FixBuilder, batch: Batch) -> list[Fix]:
    return [fix for sentence in batch.sentences for fix in builder.feed(sentence)]


def _utc_offset_s(fixes: Sequence[Fix], began_s: float) -> float | None:
    """System clock minus GPS time, in s; None without GPS time."""
    now_utc_us, now_us = time.time_ns() // 1000, int((time.monotonic() - began_s) * 1e6)
    offset = UtcOffset()
    for fix in fixes:
        offset.feed(fix)
    return None if offset.us is None else (now_utc_us - now_us - offset.us) / 1e6


def _baud_of(observed: PortObservation, plan: PortPlan) -> int:
    """The baud rate at which the port was open: the detected one, else the configured one."""
    match = re.match(r"(\d+) baud", observed.detail)
    return int(match[1]) if match else plan.protocol.bauds[0] if plan.baud == "auto" else plan.baud


def _group_of(url: str) -> str:
    """The group that owns a device; empty if not known."""
    with suppress(OSError, KeyError):
        return grp.getgrgid(Path(url).stat().st_gid).gr_name
    return ""
