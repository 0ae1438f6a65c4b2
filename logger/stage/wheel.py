"""Distance from a wheel or OBD speed, calibrated against GPS while both are available.

A speedometer reads a few per cent high, with a worn or soft tyre even more: the raw speed alone would be wrong by
kilometres in a stage. So the distance by GPS is compared with the wheel's over the same road, one block at a time,
and the ratio over the last kilometres is the scale. Positions play no part.
"""

from __future__ import annotations

from typing import NamedTuple

READING_GAP_US = 1_600_000
"""Distance is not integrated across a longer gap; the slowest OBD adapters answer about once per second."""
BLOCK_M = 500.0
"""Length of a block: long compared with the second between two OBD answers, short compared with a change of surface."""
MEMORY_M = 5000.0
"""Distance over which the scale is averaged: a new tyre pressure shows within it."""
COVERED = 0.9
"""A block counts if wheel readings cover this share of its time."""
SLOW_MPS = 4.0
"""Below this speed, OBD's whole km/h are too coarse for calibration."""
MIN_SCALE, MAX_SCALE = 0.7, 1.4
"""Outside this range the wheel is spinning or locked, or the channel is not a wheel speed."""


class WheelState(NamedTuple):
    """The calibration: metres by GPS and by the wheel over the same road."""

    gps_m: float
    raw_m: float


class Wheel:
    """One source of speed. `metres` and `covered_us` count from the last `mark`."""

    def __init__(self) -> None:
        self.at_us: int | None = None
        self.raw_mps = 0.0
        self.raw_m = 0.0
        self.covered_us = 0
        self._total = WheelState(0.0, 0.0)
        self._forget_block()

    @property
    def scale(self) -> float:
        """True metres per raw metre; 1 until the first block is complete."""
        return self._total.gps_m / self._total.raw_m if self._total.raw_m > 0 else 1.0

    @property
    def metres(self) -> float:
        """Calibrated distance since the last mark."""
        return self.raw_m * self.scale

    def reading(self, at_us: int, raw_mps: float) -> bool:
        """Take a speed. Return False if it is not newer than the last one."""
        last_us, last_mps = self.at_us, self.raw_mps
        if last_us is not None and at_us <= last_us:
            return False
        if last_us is not None and at_us - last_us <= READING_GAP_US:
            self.raw_m += (last_mps + raw_mps) / 2 * (at_us - last_us) / 1e6
            self.covered_us += at_us - last_us
        self.at_us, self.raw_mps = at_us, raw_mps
        return True

    def calibrate(self, gps_m: float, dt_us: int) -> None:
        """Add the stretch since the last mark, `gps_m` long by GPS and `dt_us` in time; begin another stretch."""
        if gps_m * 1e6 < SLOW_MPS * dt_us:
            self._forget_block()
        else:
            self._block_gps_m += gps_m
            self._block_raw_m += self.raw_m
            self._block_us += dt_us
            self._block_covered_us += self.covered_us
            if self._block_gps_m >= BLOCK_M:
                self._learn()
                self._forget_block()
        self._restart()

    def mark(self) -> None:
        """Begin another stretch without calibrating on the last, in which GPS was lost."""
        self._forget_block()
        self._restart()

    def state(self) -> WheelState:
        """Return the state for `resume`."""
        return self._total

    def resume(self, state: WheelState) -> None:
        """Restore the calibration of an earlier session, if its scale is plausible."""
        if MIN_SCALE * state.raw_m < state.gps_m < MAX_SCALE * state.raw_m:
            self._total = state

    def _learn(self) -> None:
        gps_m, raw_m = self._block_gps_m, self._block_raw_m
        if (
            MIN_SCALE * raw_m < gps_m < MAX_SCALE * raw_m
            and self._block_covered_us >= COVERED * self._block_us
        ):
            keep = 1 - BLOCK_M / MEMORY_M if self._total.gps_m >= MEMORY_M else 1.0
            self._total = WheelState(self._total.gps_m * keep + gps_m, self._total.raw_m * keep + raw_m)

    def _restart(self) -> None:
        self.raw_m = 0.0
        self.covered_us = 0

    def _forget_block(self) -> None:
        self._block_gps_m = self._block_raw_m = 0.0
        self._block_us = self._block_covered_us = 0
