"""A parabola through the newest points of a track, by least squares: the speed at its end and how sure that is.

Knows no receiver. The idea: the points' moments are summed from the newest backwards, so that every stretch which ends
at the newest point is fitted from a few sums, by orthogonal polynomials. These keep the mean velocity and the bend
apart: the bend adds to the speed only as far as it stands out of the noise, and only along the road; across, it is a
curve, whose arc is a little longer than the chord.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

LONGEST_S = 10.0
"""The longest stretch: steady driving hardly lasts longer."""
SHORTEST_S = 0.5
"""The shortest, where the rate allows: no car changes its acceleration faster."""
ENOUGH_S = 1.5
SURE_MPS = 0.4
"""A stretch is lengthened beyond what fits until it gives the speed so well, or is so long."""
EXACT_MPS = 0.2
"""It is not lengthened beyond what gives the speed so exactly: the longer, the later it shows a change."""
GROWTH = 1.25
"""Each stretch tried is longer than the last by this: one pass tries a dozen."""
SPREAD, SPREAD_SIGMAS = 1.5, 4.0
"""A stretch fits if its squares are those of the noise: times 1.5, as the noise is known to 20 %, and four sigmas."""
BEND_SIGMAS_2 = 3.0
"""A bend counts by the share of its square that exceeds so many times what noise makes of it."""
UNPROVEN = 0.5
"""The share of a bend that counts of three points: nothing shows that the change goes on."""
CURVE_SHARE = 0.05
"""No arc between two fixes is longer than its chord by more."""

ROUNDED = 1e-9
"""Of sums of fourth powers, less than this share is left by rounding."""


class Point(NamedTuple):
    """A position in metres east and north of where its track began."""

    at_us: int
    east_m: float
    north_m: float


class Velocity(NamedTuple):
    """Of the newest point: the velocity's parts, the speed along the road, and its standard error."""

    east_mps: float
    north_mps: float
    mps: float
    error_mps: float


UNKNOWN = Velocity(0.0, 0.0, 0.0, math.inf)


def newest_velocity(newest_first: Iterable[Point], noise_m: float) -> Velocity:
    """The velocity by the longest stretch that a parabola fits. `noise_m` is a position's standard error.

    `UNKNOWN` for a single point.
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
    """Mean velocity and bend of a stretch. `slope_s` is how much speed the bend adds at the end; the weights turn
    a position's variance into the coefficients'."""

    points: int
    velocity_mps: tuple[float, float]
    bend: tuple[float, float]
    slope_s: float
    velocity_weight: float
    bend_weight: float
    squares_m2: float

    def fits(self, noise_m: float) -> bool:
        """Whether what is left over is noise."""
        freedom = 2 * (self.points - 3)
        if freedom <= 0:
            return True
        return self.squares_m2 <= noise_m**2 * freedom * (SPREAD + SPREAD_SIGMAS * math.sqrt(2 / freedom))

    def error_mps(self, noise_m: float, share: float) -> float:
        """The standard error of the speed at the end, with a share of the bend in it."""
        by_bend = (share * self.slope_s) ** 2 / self.bend_weight if self.bend_weight else 0.0
        return noise_m * math.sqrt(1 / self.velocity_weight + by_bend)

    def velocity(self, noise_m: float) -> Velocity:
        """The velocity at the end."""
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
    """Moments of points (seconds, metres east, metres north), all counted from the newest."""

    def __init__(self) -> None:
        self.count = 0
        self._t = [0.0] * 5
        self._east = [0.0] * 3
        self._north = [0.0] * 3
        self._squares = 0.0

    def add(self, t: float, east: float, north: float) -> None:
        """Take another point."""
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
        """By the polynomials u and u^2 - skew u - width, with u counted from the mean time, which are orthogonal."""
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
