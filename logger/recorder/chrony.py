"""GPS time offered to chrony, which may set the system's clock by it: the recorder itself never does.

Through chrony's SOCK reference clock: a datagram a second to a socket that chronyd made. One datagram, as chronyd's
refclock_sock.c reads it on this machine:

    [tv_sec: long] [tv_usec: long] [offset: double] [pulse: int] [leap: int] [pad: int] [magic: int "SOCK"]

at system time tv, true time was tv + offset seconds. A receiver names an epoch some 50 to 300 ms after it, always by
about as much: chrony is told that by `offset` in its own configuration. Nothing here waits or raises, and whether
chronyd is there makes no difference to the recording.
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
_MAGIC = 0x534F434B
_EVERY_US = 950_000
"""A sample a second: chrony looks at a few a poll, and a receiver of 10 Hz tells nothing more."""
_AGREEING = 5
"""Fixes in a row that must tell the same time before any is passed on: a cold receiver changes its mind."""
_AGREE_US = 1_000_000
_OLDEST_US = 2_000_000
"""A fix that waited longer for the decoder says nothing of now."""
_REAL_QUALITIES = frozenset({1, 2, 3, 4, 5})
"""GGA: from satellites; 6 to 8 are estimated, typed in, or simulated."""
_SATELLITES_3D = 4


class Believing:
    """Which fixes tell a time that a clock may be set by. Pure."""

    def __init__(self) -> None:
        self._offsets: deque[int] = deque(maxlen=_AGREEING)
        self._passed_us: int | None = None

    def take(self, fix: Fix) -> bool:
        """Whether this fix's time is to be passed on."""
        utc_us = trusted_utc_us(fix)
        if utc_us is None or not _is_3d(fix):
            return False
        self._offsets.append(utc_us - fix.t_us)
        agree = max(self._offsets) - min(self._offsets) <= _AGREE_US
        if not agree or len(self._offsets) < _AGREEING:
            return False
        if self._passed_us is not None and fix.t_us - self._passed_us < _EVERY_US:
            return False
        self._passed_us = fix.t_us
        return True


def _is_3d(fix: Fix) -> bool:
    """From four satellites at least."""
    return (
        fix.alt_m is not None
        and fix.quality in _REAL_QUALITIES
        and (fix.satellites is None or fix.satellites >= _SATELLITES_3D)
    )


def sample(utc_us: int, system_us: int) -> bytes:
    """The datagram: it was `utc_us` when the system's clock said `system_us`, both in microseconds since 1970."""
    seconds, micros = divmod(system_us, 1_000_000)
    return _SAMPLE.pack(seconds, micros, (utc_us - system_us) / 1e6, 0, 0, 0, _MAGIC)


class ChronySource:
    """Passes the time of fixes on. `zero_us` is where the session's t_us = 0 lies on the monotonic clock."""

    def __init__(self, path: Path, zero_us: int) -> None:
        self._path = str(path)
        self._zero_us = zero_us
        self._believing = Believing()
        self._heard: bool | None = None

    def take(self, fixes: Iterable[Fix]) -> None:
        """Fixes as they came; never waits, never raises."""
        for fix in fixes:
            if self._believing.take(fix) and fix.utc_us is not None:
                age_us = time.monotonic_ns() // 1000 - self._zero_us - fix.t_us
                if age_us <= _OLDEST_US:
                    self._send(sample(fix.utc_us, time.time_ns() // 1000 - age_us))

    def _send(self, datagram: bytes) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(datagram, self._path)
        except OSError as error:
            heard, why = False, error.strerror or str(error)
        else:
            heard, why = True, ""
        if heard != self._heard:
            log.info("%s: %s", self._path, "GPS time is offered to chrony" if heard else f"no chrony: {why}")
        self._heard = heard
