"""Jumps of a drive: where a car is too fast for a crest, its wheels leave the ground and it flies a parabola.

Speed and distance follow the plan in the air too. Only the height differs from the ground's, and the wheels are free.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRAVITY_MPS2 = 9.81


class Flights(NamedTuple):
    """Jumps in order of time, none overlapping: from `begin_s` to `end_s`, from `alt_m` with `climb_mps` upwards."""

    begin_s: Floats
    end_s: Floats
    alt_m: Floats
    climb_mps: Floats

    def altitude_m(self, t_s: Floats, ground_m: Floats) -> Floats:
        """Return the car's altitude at each instant, given the ground's: continuous, and never below the ground."""
        if not self.begin_s.size:
            return ground_m
        last, since = self._last(t_s)
        flown = self.alt_m[last] + self.climb_mps[last] * since - GRAVITY_MPS2 / 2 * since * since
        return np.where(since > 0, np.maximum(ground_m, flown), ground_m)

    def phase(self, t_s: Floats) -> Floats:
        """Return how much of a flight is over at each instant, 0 to 1; 0 on the ground."""
        if not self.begin_s.size:
            return np.zeros(t_s.shape)
        last, since = self._last(t_s)
        share = since / (self.end_s[last] - self.begin_s[last])
        return np.where((share > 0) & (share < 1), share, 0.0)

    def _last(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Return the number of the last jump that began, and the time since then; negative before the first."""
        last = np.maximum(np.searchsorted(self.begin_s, t_s, side="right") - 1, 0)
        return last, t_s - self.begin_s[last]
