"""Gathering at the ports: opens one as the recorder would, listens for some seconds, and says what came.

Only for ports that no recorder has open. Nothing here ever transmits on a bus: adapters are opened to listen only,
whatever the configuration says, and where a port does not speak what it should, the search for what it does
speak sends nothing at all.
"""

from __future__ import annotations

import grp
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from firmware_bridge.baud import RateTrial, holds
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.fixes import FixBuilder
from firmware_bridge.link import Link, has_rate, open_link
from firmware_bridge.outbox import Outbox
from firmware_bridge.ports import Chunk, LinkChange, PortReader
from firmware_bridge.protocols import NMEA_BAUDS, PROTOCOL_NAMES, protocol
from firmware_bridge.protocols.slcan_opening import BITRATE_CODES
from firmware_bridge.records import Batch, Fix, Notice
from firmware_bridge.trouble import PortError
from logger.doctor.facts import Heard
from logger.recording.setup import PortPlan

SEARCH_S = 20.0
"""How long a port may look for its rate: NMEA's seven, each for one and a half seconds and some doubt."""
TRIAL_S = 1.2
"""Listening at one rate: a receiver at 1 Hz speaks once."""
BITRATE_S = 0.6
"""Listening at one bit rate of a bus: the slowest messages of an engine come ten times in it."""
CLOSE_S = 5.0
"""A port takes a third of a second to be closed, a network port a little longer."""
KEPT_BYTES = 16 * 1024 * 1024
"""Of what was heard: a quarter of a minute of the fastest USB adapter."""
COMMON_BITRATES = (500_000, 250_000, 1_000_000, 125_000, 800_000, 100_000, 50_000)
"""Of cars and trucks, the most usual first."""
_ASK_SLCAN = (b"V\r", b"F\r")
"""Version and status: what an adapter answers that is alive on a bus that is not."""
_ANSWERS = ("adapter_answer", "adapter_status", "adapter_refused")
_OPEN = ("open", "silent", "wrong_baud", "no_protocol")
"""States of a port that could be opened."""


class Listener:
    """One port, listened to in a thread of its own."""

    def __init__(self, plan: PortPlan, neighbours: Mapping[str, str], began_s: float) -> None:
        self.plan = plan
        self._began_s = began_s
        self._items: list[Chunk | LinkChange] = []
        self._bytes = 0
        self._opened = threading.Event()
        self._reader = PortReader(
            plan.name,
            plan.url,
            plan.baud,
            plan.protocol,
            clock_us=self._clock_us,
            sink=self._take,
            opening=plan.protocol.opening(plan.bitrate, True),
            init=plan.init,
            neighbours=neighbours,
        )

    def listen(self, seconds: float, stop: threading.Event) -> Heard:
        """Open the port, listen for `seconds` from when it spoke, and judge nothing. Ends early on `stop`."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._reader.run, args=(done,), name=f"port {self.plan.name}", daemon=True
        )
        thread.start()
        try:
            patience_s = SEARCH_S if self.plan.baud == "auto" and has_rate(self.plan.url) else seconds
            until_s = time.monotonic() + patience_s
            while not self._opened.wait(0.05) and not stop.is_set() and time.monotonic() < until_s:
                if self._has_failed():
                    break
            if self._opened.is_set():
                if self.plan.protocol.name == "slcan":
                    for question in _ASK_SLCAN:
                        self._reader.write(question)
                stop.wait(seconds)
        finally:
            done.set()
            thread.join(CLOSE_S)
        heard = self._heard(seconds)
        if heard.state == "denied":
            return replace(heard, group=_group_of(self.plan.url))
        if stop.is_set() or heard.state not in _OPEN:
            return heard
        is_strange = heard.bad > 0 and not holds(heard.good, heard.bad)
        if is_strange or heard.state in ("wrong_baud", "no_protocol"):
            return replace(heard, speaks=identify(self.plan.url, stop))
        if self.plan.protocol.name == "slcan" and not heard.frames:
            return self._at_other_bitrates(heard, stop)
        return heard

    def _clock_us(self) -> int:
        return int((time.monotonic() - self._began_s) * 1e6)

    def _take(self, item: Chunk | LinkChange) -> None:
        if isinstance(item, LinkChange):
            self._items.append(item)
            if item.state == "open":
                self._opened.set()
        elif self._bytes < KEPT_BYTES:
            self._items.append(item)
            self._bytes += len(item.data)

    def _has_failed(self) -> bool:
        changes = [item for item in self._items if isinstance(item, LinkChange)]
        return bool(changes) and changes[-1].state not in ("opening", "open")

    def _heard(self, seconds: float) -> Heard:
        decoder, fixes = self.plan.protocol.decoder(0), FixBuilder()
        counts: Counter[tuple[int, int]] = Counter()
        made: list[Fix] = []
        notices: list[Notice] = []
        state, detail = "opening", self.plan.url
        for item in list(self._items):
            if isinstance(item, LinkChange):
                state, detail = item.state, item.detail
                continue
            batch = decoder.feed(item.data, item.t_us)
            counts.update((frame.can_id, len(frame.data)) for frame in batch.frames)
            notices += batch.notices
            made += _fixes(fixes, batch)
        made += fixes.finish()
        offset_s = _utc_offset_s(made, self._began_s)
        return Heard(
            self.plan.name,
            self.plan.url,
            self.plan.protocol.name,
            state,
            detail,
            seconds=seconds,
            good=decoder.good,
            bad=decoder.bad,
            bytes=self._bytes,
            frames=counts,
            fixes=tuple(made),
            utc_offset_s=offset_s,
            notices=tuple(notices),
            has_answered=any(notice.kind in _ANSWERS for notice in notices),
        )

    def _at_other_bitrates(self, heard: Heard, stop: threading.Event) -> Heard:
        """A silent bus may only be set to a wrong bit rate: listens at the others, which a listener may do."""
        tried: list[int] = []
        rates = [rate for rate in COMMON_BITRATES if rate != self.plan.bitrate and rate in BITRATE_CODES]
        outbox = Outbox()
        baud = _baud_of(heard, self.plan)
        with suppress(PortError, ConfigurationError), open_link(self.plan.url, baud, outbox) as link:
            try:
                for rate in rates:
                    if stop.is_set():
                        break
                    tried.append(rate)
                    decoder = self.plan.protocol.decoder(0)
                    frames = 0
                    for step in self.plan.protocol.opening(rate, True):
                        outbox.put(step.send)
                        frames += len(decoder.feed(link.read(step.wait_s), 0).frames)
                    for data in _reads(link, BITRATE_S, stop):
                        frames += len(decoder.feed(data, 0).frames)
                    if frames and holds(decoder.good, decoder.bad):
                        return replace(heard, bitrate=rate, tried_bitrates=tuple(tried))
            finally:
                link.say_goodbye(self.plan.protocol.closing)
        return replace(heard, tried_bitrates=tuple(tried))


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


def identify(url: str, stop: threading.Event) -> tuple[str, int] | None:
    """What a port really speaks, and at which rate, by listening alone; None if no protocol fits at any rate."""
    rates = [*NMEA_BAUDS, *(baud for name in PROTOCOL_NAMES for baud in protocol(name).bauds)]
    outbox = Outbox()
    with suppress(PortError), open_link(url, rates[0], outbox) as link:
        for rate in dict.fromkeys(rates if has_rate(url) else rates[:1]):
            link.set_rate(rate)
            trials = {name: RateTrial(protocol(name).decoder(0), 0) for name in PROTOCOL_NAMES}
            for data in _reads(link, TRIAL_S, stop):
                for name, trial in trials.items():
                    trial.feed(data, 0)
                    if trial.holds:
                        return name, rate
            if stop.is_set():
                break
    return None


def _reads(link: Link, seconds: float, stop: threading.Event) -> Iterator[bytes]:
    until_s = time.monotonic() + seconds
    while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
        yield link.read(min(left_s, 0.1))


def _fixes(builder: FixBuilder, batch: Batch) -> list[Fix]:
    return [fix for sentence in batch.sentences for fix in builder.feed(sentence)]


def _utc_offset_s(fixes: Sequence[Fix], began_s: float) -> float | None:
    """How far the system's clock is ahead of GPS, by the newest fix."""
    now_utc_us, now_us = time.time_ns() // 1000, int((time.monotonic() - began_s) * 1e6)
    for fix in reversed(fixes):
        if fix.utc_us is not None and fix.date_ok and fix.quality:
            return (now_utc_us - (now_us - fix.t_us) - fix.utc_us) / 1e6
    return None


def _baud_of(heard: Heard, plan: PortPlan) -> int:
    """The rate at which the port was open: that which was found, if one was looked for."""
    found = heard.detail.removesuffix(" baud")
    return int(found) if found.isdigit() else plan.protocol.bauds[0] if plan.baud == "auto" else plan.baud


def _group_of(url: str) -> str:
    """The group that may use a device."""
    with suppress(OSError, KeyError):
        return grp.getgrgid(Path(url).stat().st_gid).gr_name
    return ""
