"""Thread that plays one device of the virtual car on a pty, in real time and with faults.

The bytes come from functions of time passed to it. The faults are those of the field: unplugged and replugged, silent,
damaged on the wire, read at a wrong baud rate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from firmware_bridge.virtual.ptyport import PtyPort

MAX_BEHIND_S = 2.0
"""Output older than this is skipped after the machine slept: a real device's buffer would not hold it either."""
BUSY_TICK_S = 0.002
"""Interval of writes while more bytes are waiting than the 4 KiB that a pty holds."""
STOP_S = 5.0
"""A tick takes milliseconds; a thread that needs longer than this to end is stuck."""


class LiveDevice:
    """One device: writes output when due, answers input, applies the faults that are set.

    `produce(t0_s, t1_s)` returns the bytes of an interval of `clock`'s time, `answer(data, now_s)` takes the
    host's bytes; `restart` resets the device as a power cycle does. `baud` None: any rate works.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        tick_s: float,
        baud: int | None,
        clock: Callable[[], float],
        produce: Callable[[float, float], bytes],
        answer: Callable[[bytes, float], bytes] | None = None,
        restart: Callable[[], None] | None = None,
    ) -> None:
        self.port = PtyPort(path)
        self.is_silent = False
        self.damage_share = 0.0
        self._tick_s, self._baud = tick_s, baud
        self._clock, self._produce, self._answer, self._restart = clock, produce, answer, restart
        self._rng = np.random.default_rng(1)
        self._lock = threading.Lock()  # the thread plays the port; tests plug and unplug it from theirs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"virtual-{name}", daemon=True)

    def start(self) -> None:
        self.port.plug()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(STOP_S)
        self.port.unplug()

    def set_plugged(self, is_plugged: bool) -> None:
        with self._lock:
            if is_plugged:
                if self._restart is not None and not self.port.is_plugged:
                    self._restart()
                self.port.plug()
            else:
                self.port.unplug()

    def apply(self, fault: Callable[[float], None]) -> None:
        """Call a fault of the device itself, with the time, between two ticks of its thread."""
        with self._lock:
            fault(self._clock())

    def _run(self) -> None:
        done_s = self._clock()
        while not self._stop.wait(BUSY_TICK_S if self.port.is_waiting else self._tick_s):
            with self._lock:
                now_s = self._clock()
                self._hear(now_s)
                out = self._produce(max(done_s, now_s - MAX_BEHIND_S), now_s)
                done_s = now_s
                self._say(out)

    def _hear(self, now_s: float) -> None:
        heard = self.port.read()
        if heard and self._answer is not None and self._is_understood():
            self._say(self._answer(heard, now_s))

    def _say(self, data: bytes) -> None:
        if self.is_silent or not data:
            self.port.write(b"")
            return
        octets = np.frombuffer(data, np.uint8)
        if not self._is_understood():
            # At a wrong rate the bits of a byte are sampled elsewhere: the high one set, the others noise.
            octets = octets ^ self._rng.integers(0x80, 0x100, len(octets), np.uint8)
        elif self.damage_share > 0:
            is_hit = self._rng.random(len(octets)) < self.damage_share
            octets = np.where(is_hit, self._rng.integers(0, 256, len(octets), np.uint8), octets)
        self.port.write(octets.tobytes())

    def _is_understood(self) -> bool:
        return self._baud is None or self.port.host_baud() == self._baud
