"""Report at 20 Hz how many bytes the guest's kernel has received from the adapter, and when ("pulse").

Bytes that the host has sent may wait in the host while the emulated processor is slow; no recorder can record those.
Only what the guest's kernel had received counts as lost. `python3 pulse.py` runs in the guest; `Pulse` runs in the
host, at the far end of the guest's second serial port. `python3 pulse.py ADAPTER CHANNEL` names other devices; the
channel may be the console, whose other lines are ignored.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

PROGRAM = Path(__file__)
PERIOD_S = 0.05
_ADAPTER, _TO_THE_HOST = Path("/dev/ttyUSB0"), Path("/dev/ttyS1")
_TIOCGICOUNT = 0x545D
_COUNTS = struct.Struct("20i")
"""Linux's struct serial_icounter_struct; the fifth field counts bytes received since the adapter was plugged in."""
_RECEIVED = 4
_PATIENCE_S = 10.0


class Beat(NamedTuple):
    """One report. `guest_s` is by the guest's monotonic clock, `heard_at` by the host's."""

    heard_at: float
    guest_s: float
    received: int


class Pulse:
    """Collects the guest's reports between `listen` and `stop`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.beats: list[Beat] = []

    def listen(self) -> None:
        """Connect to the guest and start collecting."""
        self._thread = threading.Thread(target=self._collect, args=(connected(self._path),))
        self._thread.start()

    def stop(self) -> None:
        """Read the remaining reports after the machine has lost its power."""
        self._thread.join()

    def last_before(self, size: int) -> float | None:
        """The last time, by the host's clock, at which the guest had received fewer than `size` bytes.

        None without a report.
        """
        before = [beat for beat in self.beats if beat.received < size]
        return before[-1].guest_s + self._clock_offset_s() if before else None

    def longest_pause_s(self, until: float) -> float:
        """The guest's longest pause after its first byte."""
        offset_s = self._clock_offset_s() if self.beats else 0.0
        made_at = [beat.guest_s + offset_s for beat in self.beats if beat.received]
        return max((later - earlier for earlier, later in pairwise([*made_at, until])), default=0.0)

    def _clock_offset_s(self) -> float:
        """Difference between the host's and the guest's clock, from the report with the shortest delay."""
        return min(beat.heard_at - beat.guest_s for beat in self.beats)

    def _collect(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                heard_at = time.monotonic()
                with contextlib.suppress(ValueError):  # a boot message of the kernel, or an incomplete line
                    guest_us, received = map(int, line.split())
                    self.beats.append(Beat(heard_at, guest_us / 1e6, received))


def connected(path: Path) -> socket.socket:
    """Connect to a socket of QEMU, which exists soon after its start. OSError if it does not."""
    connection = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.connect(str(path))
        except OSError:
            if time.monotonic() > deadline:
                connection.close()
                raise
            time.sleep(0.05)
        else:
            return connection


def beat(adapter: Path = _ADAPTER, channel: Path = _TO_THE_HOST) -> None:
    """Report until the power is cut, except while the adapter is not there."""
    while not adapter.exists():
        time.sleep(PERIOD_S)
    with channel.open("wb", buffering=0) as host:
        while True:
            with contextlib.suppress(OSError):  # pulled out
                _report(adapter, host)
            time.sleep(PERIOD_S)


def _report(adapter: Path, host: IO[bytes]) -> None:
    """Report until the adapter is pulled out, which is an OSError."""
    port = os.open(adapter, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        while True:
            counts = _COUNTS.unpack(fcntl.ioctl(port, _TIOCGICOUNT, bytes(_COUNTS.size)))
            host.write(b"%d %d\n" % (time.monotonic_ns() // 1000, counts[_RECEIVED]))
            time.sleep(PERIOD_S)
    finally:
        os.close(port)


if __name__ == "__main__":
    beat(*map(Path, sys.argv[1:]))
