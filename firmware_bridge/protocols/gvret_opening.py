"""How to open a GVRET adapter: into binary mode, ask what it is set to, set it up, ask whether it was done.

    set up   F1 05 | bus 0 u32 | bus 1 u32 | 00     bits 0-19 bit rate, 29 listen only, 30 enabled, 31 the bits count
    ask      F1 06                                  answered by F1 06 | mode u8 | bit rate u32 | the same of bus 1
                                                    mode: bit 0 enabled, bit 4 listening only

Listening only is set and confirmed while the bus is off; then the bus is switched on, and that is confirmed as well.
An adapter that does not answer is not set up at all. Two things are beyond the recorder: ESP32RET opens its bus when it
gets power, as its own settings say, and a firmware from before bit 31 takes the flags for a bit rate and opens normal,
until it is found not to confirm and is switched off.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator
from typing import NamedTuple

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import ALLOW_NORMAL, OPEN_NORMAL, BusSettings, Opened, Opening, Step

# ESP32RET's UART runs at 1 Mbaud; the others are native USB, where any rate does.
BAUDS = (1_000_000, 115_200, 2_000_000, 921_600, 500_000, 460_800)
# There is no way back out of the binary mode, and none is needed.
CLOSING = b""
MAX_BITRATE = 1_000_000
SHORT_S = 0.05
# An ESP32 may still be starting, or be reached by Wi-Fi.
ANSWER_S = 0.45

SETS_FLAGS, ENABLED, LISTEN_ONLY = 0x8000_0000, 0x4000_0000, 0x2000_0000
BINARY = b"\xe7\xe7"
ASK_ALL = b"\xf1\x0c\xf1\x06\xf1\x07\xf1\x09"
ASK_PARAMETERS = b"\xf1\x06"
_PARAMETERS = re.compile(rb"\xf1\x06([\x00\x01\x10\x11]....[\x00\x01\x10\x11]....)", re.DOTALL)


class Parameters(NamedTuple):
    """What an adapter says of its two buses: modes and bit rates."""

    mode: int
    bitrate: int
    mode_1: int
    bitrate_1: int

    @property
    def is_enabled(self) -> bool:
        return bool(self.mode & 0x01)

    @property
    def is_listening_only(self) -> bool:
        return bool(self.mode & 0x10)


def opening(settings: BusSettings) -> Opening:
    """The dialogue for an adapter.

    The bit rate sets bus 0 as asked and bus 1 to the same rate, always only listening, since nobody said what it is
    connected to. None leaves both rates, and without `listen_only` both modes, as the adapter has them. Raises
    NotOpenedError.
    """
    rate = settings.bitrate
    if rate is not None and not 0 < rate <= MAX_BITRATE:
        raise NotOpenedError(
            "unusable", f"GVRET has no bit rate {rate}", hint=f"it has any from 1 to {MAX_BITRATE}"
        )
    yield Step(BINARY, SHORT_S)
    present = _parameters((yield Step(ASK_ALL, ANSWER_S, _has_parameters)))
    if settings.listen_only is True and present is None:
        what = "the adapter does not answer, so its bus is not set up: check its power and `baud`"
        return Opened(doubt=f"{what}, or {ALLOW_NORMAL}")
    if settings.listen_only and present is not None:
        if rate is None and not (present.is_enabled and present.bitrate):
            return Opened(doubt="the adapter's bus is switched off: set `bitrate`")
        rates = rate or present.bitrate, rate or present.bitrate_1
        if (yield from _is_listening(*rates, enabled=False)) and (yield from _is_listening(*rates)):
            return Opened()
        if settings.listen_only is True:
            yield Step(set_up(0, 0), SHORT_S)
            what = "the adapter does not confirm that it listens only, so it is not opened"
            raise NotOpenedError("normal_only", what, hint=ALLOW_NORMAL)
        rate = rate or present.bitrate
    if rate is not None:
        yield Step(set_up(rate, rate), SHORT_S)
    return Opened(warning=OPEN_NORMAL if settings.listen_only else "")


def set_up(bitrate: int, bitrate_1: int, *, listen_only: bool = False, enabled: bool = True) -> bytes:
    """The command that sets both buses. A bit rate of 0 switches that bus off; bus 1 only ever listens."""
    flags = SETS_FLAGS | (ENABLED if enabled else 0)
    bus_0 = flags | bitrate | (LISTEN_ONLY if listen_only else 0) if bitrate else 0
    bus_1 = flags | bitrate_1 | LISTEN_ONLY if bitrate_1 else 0
    return struct.pack("<2sIIx", b"\xf1\x05", bus_0, bus_1)


def _is_listening(bitrate: int, bitrate_1: int, *, enabled: bool = True) -> Generator[Step, bytes, bool]:
    """Set both buses to listen only; whether the adapter says that its bus 0 does."""
    yield Step(set_up(bitrate, bitrate_1, listen_only=True, enabled=enabled), SHORT_S)
    found = _parameters((yield Step(ASK_PARAMETERS, ANSWER_S, _has_parameters)))
    return found is not None and found.is_listening_only


def _parameters(answer: bytes) -> Parameters | None:
    """The last answer to F1 06 among frames and other answers; None if there is none that can be one."""
    for match in reversed(list(_PARAMETERS.finditer(answer))):
        found = Parameters(*struct.unpack("<BIBI", match[1]))
        if found.bitrate <= MAX_BITRATE and found.bitrate_1 <= MAX_BITRATE:
            return found
    return None


def _has_parameters(answer: bytes) -> bool:
    return _parameters(answer) is not None
