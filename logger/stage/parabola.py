"""Least-squares parabola through the newest points of a track: speed at its end, with standard error.

Independent of any receiver. The points' moments are summed from the newest backwards, so that each stretch that ends
at the newest point is fitted from a few sums, by orthogonal polynomials. These separate the mean velocity from the bend
(the quadratic term). The bend adds to the speed only as far as it exceeds the noise, and only along the road; across
the road it is a curve, whose arc is a little longer than the chord.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

LONGEST_S = 10.0
"""The longest stretch: a speed rarely stays constant for longer."""
SHORTEST_S = 0.5
"""The shortest, where the rate allows: no car changes its acceleration faster."""
ENOUGH_S = 1.5
SURE_MPS = 0.4
"""A stretch that no longer fits is still lengthened until its error is below SURE_MPS or it lasts ENOUGH_S."""
EXACT_MPS = 0.2
"""A stretch with this error is not lengthened further: a longer one shows a change later."""
GROWTH = 1.25
"""Each stretch tried is longer than the last by this factor; one pass tries about a dozen."""
SPREAD_SIGMAS = 1.0
"""A stretch fits if its sum of squares is at most that of the noise plus one sigma. That cuts one stretch in six short
for no reason, which costs some noise, but a change of speed is followed sooner."""
BEND_SIGMAS_2 = 3.0
"""Only the share of a squared bend beyond this multiple of its variance counts."""
UNPROVEN = 0.5
"""The share of a bend that counts when there are only three points, too few to confirm it."""
CURVE_SHARE = 0.05
"""The largest excess of an arc between two fixes over its chord, as a share."""

ROUNDED = 1e-9
"""A smaller share of the sum of fourth powers is rounding error."""


class Point(NamedTuple):
    """A position in metres east and north of the start of its track."""

    at_us: int
    east_m: float
    north_m: float


class Velocity(NamedTuple):
    """Velocity at the newest point: its components, the speed along the road, and the speed's standard error."""

    east_mps: float
    north_mps: float
    mps: float
    error_mps: float


UNKNOWN = Velocity(0.0, 0.0, 0.0, math.inf)


def newest_velocity(newest_first: Iterable[Point], noise_m: float) -> Velocity:
    """Return the velocity from the longest stretch that a parabola fits. `noise_m`: a position's standard error.

    Returns `UNKNOWN` for a single point.
    """
    velocity, sums, sure, due = UNKNOWN, _Sums(), False, 2
    newest: Point | None = None
    for point in newest_first:
        newest = newest or point
        age_s = (newest.at_us - point.at_us) / 1e6
        if age_s > LONGEST_S and sums.count > 2:
            break
        sums.add(-age_s, point.east_m - newest.east_m, point.north_m - newest.north_m)
        if sums.count < due:
            continue
        due = max(sums.count + 1, int(sums.count * GROWTH))
        fit = sums.fit()
        if sure and age_s > SHORTEST_S and not fit.fits(noise_m):
            break
        velocity = fit.velocity(noise_m)
        error_mps = fit.error_mps(noise_m, 1.0)
        if age_s >= SHORTEST_S and error_mps <= EXACT_MPS:
            break
        sure = age_s >= ENOUGH_S or error_mps <= SURE_MPS
    return velocity


class _Fit(NamedTuple):
    """Mean velocity and bend of a stretch. `slope_s` times the bend is the speed added at the end; a position's
    variance divided by a weight is that coefficient's variance."""

    points: int
    velocity_mps: tuple[float, float]
    bend: tuple[float, float]
    slope_s: float
    velocity_weight: float
    bend_weight: float
    squares_m2: float

    def fits(self, noise_m: float) -> bool:
        """Return whether the residuals are no larger than noise."""
        freedom = 2 * (self.points - 3)
        if freedom <= 0:
            return True
        return self.squares_m2 <= noise_m**2 * freedom * (1 + SPREAD_SIGMAS * math.sqrt(2 / freedom))

    def error_mps(self, noise_m: float, share: float) -> float:
        """Return the standard error of the speed at the end, with a share of the bend included."""
        by_bend = (share * self.slope_s) ** 2 / self.bend_weight if self.bend_weight else 0.0
        return noise_m * math.sqrt(1 / self.velocity_weight + by_bend)

    def velocity(self, noise_m: float) -> Velocity:
        """Return the velocity at the end."""
        (east, north), (bend_east, bend_north) = self.velocity_mps, self.bend
        mean_mps = math.hypot(east, north)
        error_mps = self.error_mps(noise_m, 0.0)
        if mean_mps <= error_mps:
            return Velocity(east, north, 0.0, error_mps)
        mps = math.sqrt(mean_mps**2 - error_mps**2)  # noise across the road lengthens the vector
        share = 0.0
        if self.bend_weight:
            along = (east * bend_east + north * bend_north) / mean_mps
            by_noise = noise_m**2 / self.bend_weight
            across2 = max(0.0, bend_east**2 + bend_north**2 - along**2 - by_noise)
            mps += min(2 * across2 * self.velocity_weight / self.points / mps, CURVE_SHARE * mps)
            if along:
                share = max(0.0, 1 - BEND_SIGMAS_2 * by_noise / along**2)
                share *= UNPROVEN if self.points == 3 else 1.0
            mps += share * self.slope_s * along
        added_s = share * self.slope_s
        return Velocity(
            east + added_s * bend_east,
            north + added_s * bend_north,
            max(0.0, mps),
            self.error_mps(noise_m, share),
        )


class _Sums:
    """Moments of points (seconds, metres east, metres north), relative to the newest."""

    def __init__(self) -> None:
        self.count = 0
        self._t = [0.0] * 5
        self._east = [0.0] * 3
        self._north = [0.0] * 3
        self._squares = 0.0

    def add(self, t: float, east: float, north: float) -> None:
        """Add a point."""
        t2 = t * t
        s, e, n = self._t, self._east, self._north
        self.count += 1
        s[1] += t
        s[2] += t2
        s[3] += t2 * t
        s[4] += t2 * t2
        e[0] += east
        e[1] += east * t
        e[2] += east * t2
        n[0] += north
        n[1] += north * t
        n[2] += north * t2
        self._squares += east * east + north * north

    def fit(self) -> _Fit:
        """Fit the orthogonal polynomials u and u^2 - skew u - width, where u is time relative to its mean."""
        count, (_, s1, s2, s3, s4) = self.count, self._t
        mean = s1 / count
        c2 = s2 - s1 * mean
        c3 = s3 - 3 * mean * s2 + 3 * mean**2 * s1 - count * mean**3
        c4 = s4 - 4 * mean * s3 + 6 * mean**2 * s2 - 4 * mean**3 * s1 + count * mean**4
        skew, width = c3 / c2, c2 / count
        weight = c4 - c3 * skew - c2 * width
        if count < 3 or weight < ROUNDED * c4:
            weight = 0.0
        squares = self._squares
        slopes, bends = [], []
        for m0, m1, m2 in (self._east, self._north):
            by_u = m1 - mean * m0
            by_bend = m2 - 2 * mean * m1 + mean**2 * m0 - skew * by_u - width * m0
            slope, bend = by_u / c2, by_bend / weight if weight else 0.0
            squares -= m0**2 / count + by_u * slope + by_bend * bend
            slopes.append(slope)
            bends.append(bend)
        return _Fit(
            count,
            (slopes[0], slopes[1]),
            (bends[0], bends[1]),
            -2 * mean - skew,
            c2,
            weight,
            max(0.0, squares),
        )
