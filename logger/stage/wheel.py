"""Distance from a wheel or OBD speed, calibrated against GPS for as long as both are there.

A speedometer reads a few per cent high, a worn or soft tyre some more: the raw speed alone would be wrong by
kilometres in a stage. So the distance between fixes is laid beside what the wheel makes of the same stretch,
a block of road at a time, and the ratio over the last kilometres is the scale. Knows nothing of positions.
"""

from __future__ import annotations

from typing import NamedTuple

READING_GAP_US = 1_600_000
"""Readings further apart than this do not join up: the slowest OBD adapters answer about once a second."""
BLOCK_M = 500.0
"""Road a block: long against the second between two OBD answers, short against a change of surface."""
MEMORY_M = 5000.0
"""Road that the scale remembers: what a tyre pressure set at a control takes to show."""
COVERED = 0.9
"""A block counts if the wheel was heard over this part of its time."""
SLOW_MPS = 4.0
"""Below this OBD's whole km/h are too coarse to calibrate on."""
MIN_SCALE, MAX_SCALE = 0.7, 1.4
"""Outside this a wheel is spinning, locked, or not a wheel."""


class WheelState(NamedTuple):
    """The calibration: metres by GPS and by the wheel over the same remembered road."""

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
        """True metres a raw metre; 1 until the first block of road is known both ways."""
        return self._total.gps_m / self._total.raw_m if self._total.raw_m > 0 else 1.0

    @property
    def metres(self) -> float:
        """Calibrated distance since the last mark."""
        return self.raw_m * self.scale

    def reading(self, at_us: int, raw_mps: float) -> bool:
        """Take a speed. False if it is older than the last one."""
        last_us, last_mps = self.at_us, self.raw_mps
        if last_us is not None and at_us <= last_us:
            return False
        if last_us is not None and at_us - last_us <= READING_GAP_US:
            self.raw_m += (last_mps + raw_mps) / 2 * (at_us - last_us) / 1e6
            self.covered_us += at_us - last_us
        self.at_us, self.raw_mps = at_us, raw_mps
        return True

    def calibrate(self, gps_m: float, dt_us: int) -> None:
        """GPS says the road since the last mark was `gps_m` long and took `dt_us`; begins another stretch."""
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
        """Begin another stretch without learning from the last: GPS had not seen it."""
        self._forget_block()
        self._restart()

    def state(self) -> WheelState:
        """What `resume` needs."""
        return self._total

    def resume(self, state: WheelState) -> None:
        """Go on with a calibration from before."""
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
