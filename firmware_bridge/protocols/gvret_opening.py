"""Open a GVRET adapter: binary mode, query settings, set up, confirm.

    set up   F1 05 | bus 0 u32 | bus 1 u32 | 00     bits 0-19 bit rate, 29 listen only, 30 enabled, 31 use bits 29, 30
    ask      F1 06                                  answered by F1 06 | mode u8 | bit rate u32 | the same of bus 1
                                                    mode: bit 0 enabled, bit 4 listening only

Listen-only mode is set and confirmed while the bus is off; then the bus is switched on, and that is confirmed too. An
adapter that does not answer is not set up at all. The recorder cannot prevent two cases: ESP32RET opens its bus at
power-up with its stored settings, and a firmware without bit 31 takes the flags for a bit rate and opens in normal
mode, until it fails to confirm and is switched off.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator
from typing import NamedTuple

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import ALLOW_NORMAL, OPEN_NORMAL, BusSettings, Opened, Opening, Step

# ESP32RET's UART runs at 1 Mbaud; the others are native USB and accept any rate.
BAUDS = (1_000_000, 115_200, 2_000_000, 921_600, 500_000, 460_800)
# The binary mode cannot be left, and need not be.
CLOSING = b""
MAX_BITRATE = 1_000_000
SHORT_S = 0.05
# An ESP32 may still be starting, or be connected over Wi-Fi.
ANSWER_S = 0.45
LATE_ANSWER_S = 1.0
"""Wait for an adapter that did not answer in time: one behind a slow radio link."""

SETS_FLAGS, ENABLED, LISTEN_ONLY = 0x8000_0000, 0x4000_0000, 0x2000_0000
BINARY = b"\xe7\xe7"
ASK_ALL = b"\xf1\x0c\xf1\x06\xf1\x07\xf1\x09"
ASK_PARAMETERS = b"\xf1\x06"
_PARAMETERS = re.compile(rb"\xf1\x06([\x00\x01\x10\x11]....[\x00\x01\x10\x11]....)", re.DOTALL)


class Parameters(NamedTuple):
    """An adapter's report of its two buses: modes and bit rates (bit/s)."""

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
    """The opening dialogue.

    A bit rate sets bus 0 as configured, and bus 1 to the same rate but always listen-only, because what it is
    connected to is not known. None keeps both rates and, without `listen_only`, both modes. Raises NotOpenedError.
    """
    rate = settings.bitrate
    if rate is not None and not 0 < rate <= MAX_BITRATE:
        raise NotOpenedError(
            "unusable", f"GVRET has no bit rate {rate}", hint=f"it has any from 1 to {MAX_BITRATE}"
        )
    yield Step(BINARY, SHORT_S)
    current = _parameters((yield Step(ASK_ALL, ANSWER_S, _has_parameters)))
    wait_s = ANSWER_S
    if settings.listen_only and current is None:
        current = _parameters((yield Step(ASK_PARAMETERS, LATE_ANSWER_S, _has_parameters)))
        if current is not None:
            yield Step(b"", LATE_ANSWER_S, lambda _answer: False)  # until both queries are answered
            wait_s = LATE_ANSWER_S
    if settings.listen_only is True and current is None:
        what = "the adapter does not answer, so its bus is not set up: check its power and `baud`"
        return Opened(doubt=f"{what}, or {ALLOW_NORMAL}")
    if settings.listen_only and current is not None:
        if rate is None and not (current.is_enabled and current.bitrate):
            return Opened(doubt="the adapter's bus is switched off: set `bitrate`")
        rates = rate or current.bitrate, rate or current.bitrate_1
        if (yield from _is_listening(*rates, wait_s, enabled=False)) and (
            yield from _is_listening(*rates, wait_s)
        ):
            return Opened()
        if settings.listen_only is True:
            yield Step(set_up(0, 0), SHORT_S)
            what = "the adapter does not confirm that it listens only, so it is not opened"
            raise NotOpenedError("normal_only", what, hint=ALLOW_NORMAL)
        rate = rate or current.bitrate
    if rate is not None:
        yield Step(set_up(rate, rate), SHORT_S)
    return Opened(warning=OPEN_NORMAL if settings.listen_only else "")


def set_up(bitrate: int, bitrate_1: int, *, listen_only: bool = False, enabled: bool = True) -> bytes:
    """The command that sets up both buses. A bit rate of 0 switches that bus off; bus 1 is always listen-only."""
    flags = SETS_FLAGS | (ENABLED if enabled else 0)
    bus_0 = flags | bitrate | (LISTEN_ONLY if listen_only else 0) if bitrate else 0
    bus_1 = flags | bitrate_1 | LISTEN_ONLY if bitrate_1 else 0
    return struct.pack("<2sIIx", b"\xf1\x05", bus_0, bus_1)


def _is_listening(
    bitrate: int, bitrate_1: int, wait_s: float, *, enabled: bool = True
) -> Generator[Step, bytes, bool]:
    """Set both buses to listen only. Returns whether the adapter confirms that for bus 0."""
    yield Step(set_up(bitrate, bitrate_1, listen_only=True, enabled=enabled), SHORT_S)
    reported = _parameters((yield Step(ASK_PARAMETERS, wait_s, _has_parameters)))
    return reported is not None and reported.is_listening_only


def _parameters(answer: bytes) -> Parameters | None:
    """The last valid answer to F1 06 among frames and other answers; None without one."""
    for match in reversed(list(_PARAMETERS.finditer(answer))):
        parameters = Parameters(*struct.unpack("<BIBI", match[1]))
        if parameters.bitrate <= MAX_BITRATE and parameters.bitrate_1 <= MAX_BITRATE:
            return parameters
    return None


def _has_parameters(answer: bytes) -> bool:
    return _parameters(answer) is not None
