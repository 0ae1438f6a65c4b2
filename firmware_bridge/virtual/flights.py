"""Jumps of a drive: where a car is too fast for a crest, its wheels leave the ground and it flies a parabola.

Speed and distance follow the plan in the air too. Only the height differs from the ground's, and the wheels are free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from firmware_bridge.virtual.drive import Drive, Floats

GRAVITY_MPS2 = 9.81
RELIEF_REACH_M = 10.0
"""Slope and curvature of the ground are over this distance before and after: three wheelbases, a crest's width."""
LEAST_CURVATURE = GRAVITY_MPS2 / 60.0**2
"""No car jumps at a flatter crest (per m): it would have to be faster than 60 m/s."""
LONGEST_S, STEP_S = 1.6, 0.05
"""Longest flight, and the steps in which its end is looked for."""
LEAST_M = 0.05
"""A lower flight is the suspension's travel."""


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


def flights(drive: Drive, from_m: float, to_m: float) -> Flights:
    """Return the jumps of a drive from one distance to another. A jump begins at a point of the path."""
    path = drive.path
    slope, curvature = path.relief(path.distance_m)
    crest = np.flatnonzero(
        (-curvature > LEAST_CURVATURE) & (path.distance_m > from_m) & (path.distance_m < to_m)
    )
    t_s = drive.times_at(path.distance_m[crest])
    _, speed = drive.motion(t_s)
    falls = -curvature[crest] * speed**2 > GRAVITY_MPS2
    leaves = np.flatnonzero(falls)
    # At each crest the first point counts.
    leaves = leaves[np.diff(crest[leaves], prepend=-2) > 1]
    begin, alt = t_s[leaves], path.alt_m[crest[leaves]]
    # The slope that the wheels leave is the one behind them, half a reach back.
    climb = (slope - curvature * RELIEF_REACH_M / 2)[crest[leaves]] * speed[leaves]
    since = np.arange(STEP_S, LONGEST_S, STEP_S)
    flown = alt[:, None] + climb[:, None] * since - GRAVITY_MPS2 / 2 * since**2
    over = flown - path.altitude_m(drive.motion(begin[:, None] + since)[0])
    highest = over.max(axis=1)
    landed = (over <= 0) & (np.arange(len(since)) > over.argmax(axis=1)[:, None])
    end = begin + since[landed.argmax(axis=1)]
    flies = landed.any(axis=1) & (highest > LEAST_M)
    flies[1:] &= begin[1:] > begin[:-1] + LONGEST_S
    return Flights(*(column[flies] for column in (begin, end, alt, climb)))
