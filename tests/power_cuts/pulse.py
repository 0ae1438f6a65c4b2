"""The guest's pulse: twenty times a second, how many bytes its kernel has received from the adapter, and when.

What the host has sent may lie in the host for as long as an emulated processor on a busy machine is slow to fetch it;
nobody's recorder can write that down. Lost is what the guest's kernel had. `python3 pulse.py` is the guest's side;
`Pulse` is the host's, at the far end of the guest's second serial port.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PERIOD_S = 0.05
_ADAPTER, _TO_THE_HOST = Path("/dev/ttyUSB0"), Path("/dev/ttyS1")
_TIOCGICOUNT = 0x545D
_COUNTS = struct.Struct("20i")
"""Linux's struct serial_icounter_struct; the fifth is what was received since the adapter was plugged in."""
_RECEIVED = 4
_PATIENCE_S = 10.0


class Beat(NamedTuple):
    """One beat. `guest_s` by the guest's monotonic clock, `heard_at` by the host's."""

    heard_at: float
    guest_s: float
    received: int


class Pulse:
    """Listens from `listen` to `stop`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = threading.Thread(target=self._hear)
        self.beats: list[Beat] = []

    def listen(self) -> None:
        """The machine may have been switched on just now."""
        self._connection = connected(self._path)
        self._thread.start()

    def stop(self) -> None:
        """When the machine has no power any more: what it had said is heard to the end."""
        self._thread.join()
        self._connection.close()

    def had_not(self, size: int) -> float | None:
        """The last moment, by the host's clock, at which the guest had not yet received so many bytes.

        None without a beat.
        """
        before = [beat for beat in self.beats if beat.received < size]
        return before[-1].guest_s + self._tie_s() if before else None

    def longest_pause_s(self, until: float) -> float:
        """How long the guest stood still at the worst, since it had the first byte."""
        tie_s = self._tie_s() if self.beats else 0.0
        made_at = [beat.guest_s + tie_s for beat in self.beats if beat.received]
        return max((later - earlier for earlier, later in pairwise([*made_at, until])), default=0.0)

    def _tie_s(self) -> float:
        """The host's clock less the guest's, by the beat that took the shortest way."""
        return min(beat.heard_at - beat.guest_s for beat in self.beats)

    def _hear(self) -> None:
        with contextlib.suppress(OSError), self._connection.makefile("rb") as lines:
            for line in lines:
                heard_at = time.monotonic()
                with contextlib.suppress(ValueError):  # the kernel's first words, or a line cut short
                    guest_us, received = map(int, line.split())
                    self.beats.append(Beat(heard_at, guest_us / 1e6, received))


def connected(path: Path) -> socket.socket:
    """A connection to a socket of QEMU's, which is there soon after its start. OSError when it is not."""
    connection = socket.socket(socket.AF_UNIX)
    patience = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.connect(str(path))
        except OSError:
            if time.monotonic() > patience:
                connection.close()
                raise
            time.sleep(0.05)
        else:
            return connection


def beat() -> None:
    """Beat until the power goes."""
    while not _ADAPTER.exists():
        time.sleep(PERIOD_S)
    adapter = os.open(_ADAPTER, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    with _TO_THE_HOST.open("wb", buffering=0) as host:
        while True:
            counts = _COUNTS.unpack(fcntl.ioctl(adapter, _TIOCGICOUNT, bytes(_COUNTS.size)))
            host.write(b"%d %d\n" % (time.monotonic_ns() // 1000, counts[_RECEIVED]))
            time.sleep(PERIOD_S)


if __name__ == "__main__":
    beat()
