"""The wire protocols, by name.

What the rest of the recorder needs to know of a protocol: how to decode it, how to ask its adapter to send a
frame, how to open and close its adapter, and which baud rates are usual. Each protocol's module is imported
when it is first asked for, so that a recorder starts with only the protocols it runs.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import Batch, CanFrame

PROTOCOL_NAMES: tuple[str, ...] = ("slcan", "gvret", "realdash", "canserial", "nmea")

# 4800 is the standard's, 9600 what most modules start with, 38400 and 115200 what 10 Hz needs.
NMEA_BAUDS = (9600, 38400, 115200, 4800, 57600, 230400, 19200)


class Decoder(Interface):
    """Bytes of one port in, records out. `good` counts frames or sentences, `bad` the rejected stretches."""

    @property
    def good(self) -> int: ...

    @property
    def bad(self) -> int: ...

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode what arrived at `t_us`. Damage is counted and returned as rejected, never raised."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to say to an adapter that is being opened.

    Send `send` and wait at most `wait_s` seconds for any answer; some dialects never answer, so go on without
    one. A step with an `unless` is left out when the answer to the step before it began with that.
    """

    send: bytes
    wait_s: float
    unless: bytes = b""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Everything that depends on which protocol a port speaks."""

    name: str
    decoder: Callable[[int], Decoder]
    """Makes a decoder; the argument is the log's number for the adapter's first bus."""
    encode: Callable[[CanFrame], bytes] | None
    """What to send to the adapter for it to transmit a frame, whose `bus` is the adapter's own channel."""
    report: Callable[[CanFrame], bytes] | None
    """What the adapter itself sends when it hears a frame: for simulated adapters."""
    opening: Callable[[int | None, bool], tuple[Step, ...]]
    """The steps for a bit rate (bit/s; None leaves the adapter's own) and for listening only."""
    closing: bytes
    bauds: tuple[int, ...]
    """What `baud = "auto"` tries, most usual first."""


def protocol(name: str) -> Protocol:
    """The protocol of that name; ConfigurationError names the nearest one when there is none."""
    if name not in PROTOCOL_NAMES:
        near = difflib.get_close_matches(name, PROTOCOL_NAMES, n=1)
        mend = f'did you mean "{near[0]}"?' if near else f"it is one of {', '.join(PROTOCOL_NAMES)}"
        raise ConfigurationError(f'there is no protocol "{name}"', mend=mend)
    module = importlib.import_module(f"{__name__}.{name}")
    if name == "nmea":
        return Protocol(name, module.Decoder, None, None, no_opening, b"", NMEA_BAUDS)
    return Protocol(
        name, module.Decoder, module.encode, module.report, module.opening, module.CLOSING, module.BAUDS
    )


def no_opening(_bitrate: int | None, _listen_only: bool) -> tuple[Step, ...]:
    """For devices that talk by themselves and take no commands."""
    return ()
