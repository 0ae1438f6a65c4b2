"""Detect the protocol and rate of a port, and the bit rate of a bus, by listening.

Nothing is sent to a port; an adapter is opened listen-only at each bit rate, which disturbs no bus.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from firmware_bridge.devices.baud_trial import RateTrial
from firmware_bridge.devices.conversation import converse
from firmware_bridge.devices.evidence import holds
from firmware_bridge.devices.link import Link
from firmware_bridge.devices.open_link import has_rate, open_link
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.errors import NotOpenedError, PortError
from firmware_bridge.protocols import NMEA_BAUDS, PROTOCOL_NAMES, protocol
from logger.recorder.setup import PortPlan

TRIAL_S = 1.2
"""Listening time per baud rate: a 1 Hz receiver sends once in it."""
BITRATE_TRIAL_S = 0.6
"""Listening time per bit rate of a bus: the slowest messages of an engine come ten times in it."""
COMMON_BITRATES = (500_000, 250_000, 1_000_000, 125_000, 800_000, 100_000, 50_000)
"""Bit rates of cars and trucks, the most common first."""


class Bitrate(NamedTuple):
    """The bit rate at which frames came, None if there were none at any of those `tried`."""

    bitrate: int | None
    tried: tuple[int, ...]


def identify(url: str, stop: threading.Event) -> tuple[str, int] | None:
    """The protocol and baud rate of a port, by listening only; None if no protocol fits at any rate."""
    rates = [*NMEA_BAUDS, *(baud for name in PROTOCOL_NAMES for baud in protocol(name).bauds)]
    outbox = Outbox()
    with suppress(PortError), open_link(url, rates[0], outbox) as link:
        for rate in dict.fromkeys(rates if has_rate(url) else rates[:1]):
            link.set_rate(rate)
            candidates = [protocol(name) for name in PROTOCOL_NAMES]
            trials = {each.name: RateTrial(each.decoder(0), 0, is_mixed=each.is_mixed) for each in candidates}
            for data in reads(link, TRIAL_S, stop):
                for name, trial in trials.items():
                    trial.feed(data, 0)
                    if trial.holds:
                        return name, rate
            if stop.is_set():
                break
    return None


def find_bitrate(plan: PortPlan, baud: int, stop: threading.Event) -> Bitrate:
    """Listen to a silent bus at the other common bit rates, through an SLCAN adapter."""
    tried: list[int] = []
    outbox = Outbox()
    with suppress(PortError), open_link(plan.url, baud, outbox) as link:
        try:
            for rate in COMMON_BITRATES:
                if stop.is_set():
                    break
                if rate == plan.bus.bitrate:
                    continue
                decoder = plan.protocol.decoder(0)
                listening = replace(plan.bus, bitrate=rate, listen_only=True)
                try:
                    converse(plan.protocol.opening(listening), outbox.put, link.read, stop)
                except NotOpenedError as refusal:
                    if refusal.state == "normal_only":
                        break
                    continue  # the adapter does not support this bit rate
                tried.append(rate)
                for data in reads(link, BITRATE_TRIAL_S, stop):
                    decoder.feed(data, 0)
                if holds(decoder.good, decoder.bad):
                    return Bitrate(rate, tuple(tried))
        finally:
            link.send_closing(plan.protocol.closing)
    return Bitrate(None, tuple(tried))


def reads(link: Link, seconds: float, stop: threading.Event) -> Iterator[bytes]:
    """Everything read from a link for some seconds, in pieces; an empty one when nothing came for a moment."""
    until_s = time.monotonic() + seconds
    while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
        yield link.read(min(left_s, 0.1))
