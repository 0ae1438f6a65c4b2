"""Distance by chords between averaged positions, which corrects the distance by speed.

A speed computed from positions follows each change of speed late: the metres that it adds up are wrong by a few after
each braking, and as often in the same direction as a car brakes harder than it accelerates. The positions themselves
have no such error. So chords far longer than the positions' noise measure the road, and the speed only fills in between
their ends. Chords are lengthened to arcs by the angle between them.
"""

from __future__ import annotations

import math

from logger.stage.parabola import CURVE_SHARE, Point

SHORTEST_US = 1_000_000
"""Shortest time of a chord: the positions of a fast receiver are averaged over half of this."""
SHORTEST_M, NOISES = 2.0, 20.0
"""Shortest length of a chord, and the same as a multiple of the noise: noise lengthens such a chord by 1/400."""
LONGEST_US = 5_000_000
"""A chord ends after this time at any length: the speeds at the ends of a long gap say little about it."""
_ARC_TERM = 24.0
"""An arc that turns by an angle is longer than its chord by the share angle^2 / 24."""


class Chords:
    """The chords of one drive, from a standstill to the next. `driven_m` is the distance counted so far."""

    def __init__(self, start: Point, driven_m: float = 0.0) -> None:
        self.driven_m = driven_m
        self._end = start
        self._metres = 0.0
        self._direction: float | None = None

    def owed_m(self, here: Point, since_m: float, noise_m: float) -> float:
        """Return how much too little is counted up to `here`, `since_m` before the end of `driven_m`; negative if too
        much. 0 until the next chord is long enough."""
        length_m = math.hypot(here.east_m - self._end.east_m, here.north_m - self._end.north_m)
        lasts_us, shortest_m = here.at_us - self._end.at_us, max(SHORTEST_M, NOISES * noise_m)
        if lasts_us < SHORTEST_US or (length_m < shortest_m and lasts_us < LONGEST_US):
            return 0.0
        direction = math.atan2(here.east_m - self._end.east_m, here.north_m - self._end.north_m)
        turned = 0.0 if self._direction is None else math.remainder(direction - self._direction, math.tau)
        self._direction = direction
        return self._add(here, length_m * (1 + min(CURVE_SHARE, turned**2 / _ARC_TERM)), since_m)

    def stop(self, here: Point) -> float:
        """Return the same for the place of a stop, after a last chord of any length."""
        return self._add(
            here, math.hypot(here.east_m - self._end.east_m, here.north_m - self._end.north_m), 0.0
        )

    def _add(self, here: Point, length_m: float, since_m: float) -> float:
        self._end = here
        self._metres += length_m
        return self._metres - (self.driven_m - since_m)
