"""Offer GPS time to chrony through its SOCK reference clock.

The recorder never sets the system clock. It sends one datagram per second to a socket that chronyd creates, in the
native layout that chronyd's refclock_sock.c reads:

    [tv_sec: long] [tv_usec: long] [offset: double] [pulse: int] [leap: int] [pad: int] [magic: int "SOCK"]

At system time tv, true time was tv + offset seconds. A receiver reports an epoch some 50 to 300 ms after it, with a
nearly constant delay: `offset` in chrony's own configuration corrects it. Nothing here blocks or raises, and recording
does not depend on chronyd.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from firmware_bridge.gps.utc import trusted_utc_us
from firmware_bridge.records import Fix

log = logging.getLogger(__name__)

_SAMPLE = struct.Struct("@lldiiii")
"""A time_t of 32-bit Debian 13 has 64 bits, and a long 32: its chronyd 4.6 accepts samples of either size."""
_MAGIC = 0x534F434B
_INTERVAL_US = 950_000
"""One sample per second: chrony uses a few per poll, and a 10 Hz receiver adds no information."""
_AGREEING_FIXES = 5
"""Consecutive fixes that must agree on the time before any is passed on: a receiver's time may jump after a cold
start."""
_AGREE_US = 1_000_000
_MAX_AGE_US = 2_000_000
"""Maximum age of a fix: one that waited longer for the decoder no longer gives the present time."""
_REAL_QUALITIES = frozenset({1, 2, 3, 4, 5})
"""GGA quality values of satellite fixes; 6 to 8 are estimated, manual and simulated."""
_SATELLITES_3D = 4


class TimeFilter:
    """Select the fixes whose time may set a clock. Pure."""

    def __init__(self) -> None:
        self._offsets: deque[int] = deque(maxlen=_AGREEING_FIXES)
        self._passed_us: int | None = None

    def accepts(self, fix: Fix) -> bool:
        """Whether to pass on the time of this fix."""
        utc_us = trusted_utc_us(fix)
        if utc_us is None or not _is_3d(fix):
            return False
        self._offsets.append(utc_us - fix.t_us)
        agree = max(self._offsets) - min(self._offsets) <= _AGREE_US
        if not agree or len(self._offsets) < _AGREEING_FIXES:
            return False
        if self._passed_us is not None and fix.t_us - self._passed_us < _INTERVAL_US:
            return False
        self._passed_us = fix.t_us
        return True


def _is_3d(fix: Fix) -> bool:
    """Whether the fix uses at least four satellites."""
    return (
        fix.alt_m is not None
        and fix.quality in _REAL_QUALITIES
        and (fix.satellites is None or fix.satellites >= _SATELLITES_3D)
    )


def sample(utc_us: int, system_us: int) -> bytes:
    """The datagram for true time `utc_us` at system time `system_us`, both in microseconds since 1970."""
    seconds, micros = divmod(system_us, 1_000_000)
    return _SAMPLE.pack(seconds, micros, (utc_us - system_us) / 1e6, 0, 0, 0, _MAGIC)


class ChronySource:
    """Sends the time of fixes to chrony. `zero_us` is the session's t_us = 0 on the monotonic clock."""

    def __init__(self, path: Path, zero_us: int) -> None:
        self._path = str(path)
        self._zero_us = zero_us
        self._filter = TimeFilter()
        self._is_connected: bool | None = None

    def take(self, fixes: Iterable[Fix]) -> None:
        """Send the time of suitable fixes. Never blocks, never raises."""
        for fix in fixes:
            if self._filter.accepts(fix) and fix.utc_us is not None:
                age_us = time.monotonic_ns() // 1000 - self._zero_us - fix.t_us
                if age_us <= _MAX_AGE_US:
                    self._send(sample(fix.utc_us, time.time_ns() // 1000 - age_us))

    def _send(self, datagram: bytes) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(datagram, self._path)
        except OSError as error:
            is_connected, why = False, error.strerror or str(error)
        else:
            is_connected, why = True, ""
        if is_connected != self._is_connected:
            log.info(
                "%s: %s", self._path, "GPS time is offered to chrony" if is_connected else f"no chrony: {why}"
            )
        self._is_connected = is_connected
