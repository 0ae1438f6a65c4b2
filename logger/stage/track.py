"""Speed and distance from positions alone, for receivers that send no speed.

For GGA, GLL or GNS alone, or a phone's GPX. The distance between two points divided by their time is noise: 0.2 m of
rounding at 10 Hz is 7 km/h. So

  Speed is that of the longest stretch up to now that a parabola fits within the noise (parabola.py). When the car
  brakes the stretch shortens at once; at constant speed it grows to ten seconds.

  A car stands until it has left the circle in which its positions wander. The distance driven until then is added
  in one step, so that no start loses distance, and an hour's wander adds none.

  Distance is that of chords between positions (chords.py), and of the speed between their ends.

Both kinds of noise are measured in the track itself, because receivers differ by a factor of a hundred: the scatter
from point to point as the residual of a cubic, the wander while the car stands. A step that no car can drive is
rejected; if the next points agree with it (a satellite lost behind a rock), the track continues from there. Times are
drive time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from firmware_bridge.gps.jump_filter import FASTEST_CAR_MPS
from logger.stage import geo
from logger.stage.chords import Chords
from logger.stage.geo import Position
from logger.stage.parabola import SHORTEST_S, UNKNOWN, Point, newest_velocity

MAX_POINTS = 128
"""Points kept: 5 s at 25 Hz, the longest stretch (10 s) at 10 Hz."""
BREAK_US = 30_000_000
"""A longer gap begins a new track; smart recording of phones and watches leaves up to 20 s between points."""
READY_US = 1_000_000
"""A shorter track does not give a speed yet."""
HARD_MPS2 = 20.0
"""Twice full braking on asphalt: a step that needs more is an error of the receiver."""
FIRM_MPS2 = 12.0
"""The best tyres' limit: a speed that changes faster is noise, and is followed at this rate."""
STEP_M, STEP_SIGMAS = 5.0, 6.0
"""A deviation up to STEP_M plus STEP_SIGMAS times the scatter is always accepted."""
AGREED_STEPS = 3
"""This many impossible steps in a row are a new place; twice as many begin a new track."""
SCATTER_M, MIN_SCATTER_M = 0.5, 0.02
"""Scatter assumed until enough points measure it, and its minimum: 1e-5 minutes are 2 cm."""
SPACING_US = 240_000
"""Minimum interval of points that measure the scatter: errors of a fast receiver's points are correlated."""
SCATTERS, FEWEST_SCATTERS = 40, 4
"""The scatter is a low quantile of the latest SCATTERS measurements, once there are FEWEST_SCATTERS."""
QUIET_SHARE, RAYLEIGH_QUIET = 0.3, 0.8446
"""That quantile, and the length of a vector of two errors at it, in standard errors. Not the median: at 1 Hz a car that
brakes and accelerates all the time disturbs more than half of the measurements."""
WANDER_M, WANDER_US = 1.0, 1_000_000
"""Initial wander while standing, weighted as if measured for WANDER_US."""
MEMORY_US = 60_000_000
"""Time constant of the wander and of its centre, which drifts by metres per hour."""
LEFT_SIGMAS = 5.0
"""A car has left the circle at this multiple of the wander."""
NEAREST_M, FARTHEST_M = 0.6, 15.0
"""Minimum and maximum radius of that circle."""
SURE_SIGMAS = 3.0
"""A car has left only if its speed is also this multiple of its own error."""
STOPPED_US = 3_000_000
STOPPED_MPS, CREEPING_MPS, STOPPABLE_MPS = 0.7, 1.0, 2.0
"""A car has stopped if in STOPPED_US it came no further than at STOPPED_MPS, or with much wander at CREEPING_MPS.
Above STOPPABLE_MPS it is only turning round."""
AVERAGED_US = 500_000
"""Positions are compared as means over this time, so that the scatter cancels."""


class Motion(NamedTuple):
    """Speed at the newest position, metres since the previous position, and the speed's standard error."""

    mps: float
    way_m: float
    error_mps: float


class Track:
    """The track of one receiver, fed one position at a time."""

    def __init__(self) -> None:
        self._wander_m2 = WANDER_M**2
        self._wander_us = WANDER_US
        self._points: deque[Point] = deque(maxlen=MAX_POINTS)
        self._spaced: deque[Point] = deque(maxlen=4)
        self._scatters: deque[float] = deque(maxlen=SCATTERS)
        self._impossible = 0
        self._velocity, self._mps = UNKNOWN, 0.0
        self._here: Position = (0.0, 0.0)
        self._came_us = 0
        self._anchor_m: tuple[float, float] | None = None  # the centre of the wander, None while driving
        self._chords = Chords(Point(0, 0.0, 0.0))
        self._ahead_m = 0.0  # counted too much before the last stop

    @property
    def ready(self) -> bool:
        """Whether the track is long enough to give a speed."""
        return len(self._points) > 2 and self._points[-1].at_us - self._points[0].at_us >= READY_US

    def take(self, at_us: int, here: Position) -> Motion:
        """Take a position newer than the last; return the motion there."""
        if not self._points or at_us - self._points[-1].at_us > BREAK_US:
            return self._begin(at_us, here)
        last = self._points[-1]
        dt_us = at_us - last.at_us
        step = self._step(here, dt_us / 1e6, (at_us - self._came_us) / 1e6)
        self._came_us = at_us
        if step is None:
            return (
                self._begin(at_us, here)
                if self._impossible >= 2 * AGREED_STEPS
                else Motion(self._mps, 0.0, self._velocity.error_mps)
            )
        self._here = here
        self._points.append(Point(at_us, last.east_m + step[0], last.north_m + step[1]))
        self._measure_scatter()
        self._velocity = newest_velocity(reversed(self._points), self._scatter_m)
        if self._anchor_m is None:
            return self._drive(dt_us)
        return self._stand(dt_us, self._anchor_m)

    def _begin(self, at_us: int, here: Position) -> Motion:
        self._points.clear()
        self._points.append(Point(at_us, 0.0, 0.0))
        self._spaced.clear()
        self._here, self._came_us, self._impossible = here, at_us, 0
        self._velocity, self._mps = UNKNOWN, 0.0
        self._anchor_m, self._ahead_m = (0.0, 0.0), 0.0
        return Motion(0.0, 0.0, math.inf)

    def _step(self, here: Position, dt_s: float, interval_s: float) -> tuple[float, float] | None:
        """Return the metres east and north since the last position, None for a step that no car can drive.

        After AGREED_STEPS impossible steps the new place is accepted, and the car is assumed to have driven on
        at its last velocity.
        """
        east_m, north_m = geo.offset_m(self._here, here)
        on_east_m, on_north_m = self._velocity.east_mps * dt_s, self._velocity.north_mps * dt_s
        hard_m = HARD_MPS2 * interval_s**2 if len(self._points) > 2 else FASTEST_CAR_MPS * dt_s
        wander_m = STEP_M + STEP_SIGMAS * self._scatter_m
        if math.hypot(east_m - on_east_m, north_m - on_north_m) <= wander_m + hard_m:
            self._impossible = 0
            return east_m, north_m
        self._impossible += 1
        return (on_east_m, on_north_m) if self._impossible == AGREED_STEPS else None

    def _measure_scatter(self) -> None:
        """Measure the residual of the last four points from a cubic, scaled to the standard error of one point."""
        newest = self._points[-1]
        if self._spaced:
            spacing_us = newest.at_us - self._spaced[-1].at_us
            if spacing_us < SPACING_US:
                return
            if spacing_us > STOPPED_US:  # a cubic says nothing about a road of many seconds
                self._spaced.clear()
        self._spaced.append(newest)
        if len(self._spaced) < 4:
            return
        weights = [
            math.prod(1e6 / (a.at_us - b.at_us) for b in self._spaced if b is not a) for a in self._spaced
        ]
        east = sum(weight * point.east_m for weight, point in zip(weights, self._spaced, strict=True))
        north = sum(weight * point.north_m for weight, point in zip(weights, self._spaced, strict=True))
        self._scatters.append(math.hypot(east, north) / math.hypot(*weights))

    @property
    def _scatter_m(self) -> float:
        """The standard error of a position from point to point."""
        if len(self._scatters) < FEWEST_SCATTERS:
            return SCATTER_M
        quiet_m = sorted(self._scatters)[int(len(self._scatters) * QUIET_SHARE)]
        return max(MIN_SCATTER_M, quiet_m / RAYLEIGH_QUIET)

    def _stand(self, dt_us: int, anchor_m: tuple[float, float]) -> Motion:
        """Check whether a standing car has left; if not, update the wander."""
        mps, error_mps = self._velocity.mps, self._velocity.error_mps
        newest = self._points[-1]
        since = _mean(self._since(newest.at_us - AVERAGED_US))
        lag_s = (newest.at_us - since.at_us) / 1e6
        east_m = since.east_m + self._velocity.east_mps * lag_s - anchor_m[0]
        north_m = since.north_m + self._velocity.north_mps * lag_s - anchor_m[1]
        away_m = math.hypot(east_m, north_m)
        leave_m = min(FARTHEST_M, max(NEAREST_M, LEFT_SIGMAS * math.sqrt(self._wander_m2)))
        long_enough = newest.at_us - self._points[0].at_us >= SHORTEST_S * 1e6
        if (
            long_enough
            and away_m > leave_m
            and max(STOPPED_MPS, SURE_SIGMAS * error_mps) < mps < FASTEST_CAR_MPS
        ):
            self._anchor_m = None
            self._mps = min(mps, math.sqrt(2 * FIRM_MPS2 * away_m)) if self.ready else mps
            self._chords = Chords(Point(since.at_us, *anchor_m), self._ahead_m)
            return Motion(self._mps, self._count(away_m - self._ahead_m), error_mps)
        dt_us = min(dt_us, STOPPED_US)
        self._wander_us = min(MEMORY_US, self._wander_us + dt_us)
        self._wander_m2 += (away_m**2 / 2 - self._wander_m2) * dt_us / self._wander_us
        share = dt_us / MEMORY_US
        self._anchor_m = anchor_m[0] + share * east_m, anchor_m[1] + share * north_m
        return Motion(0.0, 0.0, error_mps)

    def _drive(self, dt_us: int) -> Motion:
        """Return the motion of a driving car: distance by speed, corrected by chords. Check for a stop."""
        newest, before_mps = self._points[-1], self._mps
        change_mps = FIRM_MPS2 * dt_us / 1e6
        self._mps = min(before_mps + change_mps, max(before_mps - change_mps, self._velocity.mps))
        way_m = (before_mps + self._mps) / 2 * dt_us / 1e6
        if self._velocity.mps < STOPPABLE_MPS and self._has_stopped():
            middle = _mean(self._since(newest.at_us - STOPPED_US))
            self._anchor_m, self._mps = (middle.east_m, middle.north_m), 0.0
            owed_m = self._chords.stop(middle)
            self._ahead_m = max(0.0, -owed_m)
            return Motion(0.0, self._count(owed_m), self._velocity.error_mps)
        here = _mean(self._since(newest.at_us - AVERAGED_US))
        since_m = self._mps * (newest.at_us - here.at_us) / 1e6
        way_m += self._chords.owed_m(here, since_m - way_m, self._scatter_m)
        return Motion(self._mps, self._count(way_m), self._velocity.error_mps)

    def _count(self, way_m: float) -> float:
        """Count metres and return them: the distance never decreases."""
        way_m = max(0.0, way_m)
        self._chords.driven_m += way_m
        return way_m

    def _has_stopped(self) -> bool:
        newest_us = self._points[-1].at_us
        old_us = next((p.at_us for p in reversed(self._points) if newest_us - p.at_us >= STOPPED_US), None)
        if old_us is None:
            return False
        now = _mean(self._since(newest_us - AVERAGED_US))
        then = _mean(p for p in self._since(old_us - AVERAGED_US) if p.at_us <= old_us)
        dt_s = (now.at_us - then.at_us) / 1e6
        near_m = max(STOPPED_MPS * dt_s, min(CREEPING_MPS * dt_s, 2 * math.sqrt(self._wander_m2)))
        return math.hypot(now.east_m - then.east_m, now.north_m - then.north_m) < near_m

    def _since(self, from_us: int) -> Iterable[Point]:
        """Yield the points since `from_us`, newest first."""
        for point in reversed(self._points):
            if point.at_us < from_us:
                return
            yield point


def _mean(points: Iterable[Point]) -> Point:
    at_us, east_m, north_m = zip(*points, strict=True)
    count = len(at_us)
    return Point(sum(at_us) // count, sum(east_m) / count, sum(north_m) / count)
