"""Find the passes of a line by a point, in time independent of the density of the line's points.

Rule 1: along the line, the first point within OFF_LINE_M begins a pass. Points that follow within SAME_PASS_M along the
line belong to it, and the pass lies at the nearest of them. This is defined segment by segment.
Rule 2: a tree of balls over runs of segments skips whatever cannot change the result: a run that is too far away, and
a run within the current pass that comes no nearer. The result is the same as without the tree.

Coordinates are earth-centred metres, so that poles and the antimeridian are no special cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from firmware_bridge.errors import ConfigurationError

OFF_LINE_M: Final = 500.0
"""A waypoint further away is not on the line. Organisers' tracks pass within metres, sketched ones cut corners."""
SAME_PASS_M: Final = 300.0
"""Places closer together along the line than this are one pass of it: a hairpin offers the nearer one."""
MAX_PLACES: Final = 8
"""Passes considered for one waypoint, the nearest ones: no route passes a place more often."""
MAX_STEPS: Final = 2_000_000
"""Bound on segments and balls checked for all waypoints of a line, some 3 s of a laptop. Three thousand waypoints of a
drive at 10 Hz take a quarter of it; a line coiled within a kilometre would take a thousand times as many."""
_RUN: Final = 8
"""Segments below one ball of the lowest level."""
_ROUNDING_M: Final = 0.001
"""Margin on every bound: a million times the rounding error of a float of the earth's radius."""

Vector = tuple[float, float, float]


class Place(NamedTuple):
    """A point of the line: metres along it, and the waypoint's distance from it."""

    along_m: float
    off_m: float


class _Ball(NamedTuple):
    """A ball that contains a run of segments, and how far along the line the run ends."""

    centre: Vector
    radius_m: float
    end_m: float


class LinePasses:
    """The line through `points`; a line of one point has no passes. `where` is the file's name for messages."""

    def __init__(self, points: Sequence[Vector], where: str) -> None:
        self._points, self._where = points, where
        self._along_m = [0.0, *accumulate(math.dist(a, b) for a, b in pairwise(points))]
        self._levels: list[list[_Ball]] = []
        self._known: dict[Vector, list[Place]] = {}
        self._steps = 0

    @property
    def length_m(self) -> float:
        """Metres from the first point to the last."""
        return self._along_m[-1]

    def near(self, point: Vector) -> list[Place]:
        """Return the nearest passes of the line by `point`, at most MAX_PLACES, in order along the line.

        Raises ConfigurationError if the line winds so much that this takes too long.
        """
        if point not in self._known:
            nearest = sorted(self._passes(point), key=lambda place: place.off_m)[:MAX_PLACES]
            self._known[point] = sorted(nearest)
        return self._known[point]

    def _passes(self, point: Vector) -> list[Place]:
        if len(self._points) < 2:
            return []
        if not self._levels:
            self._levels = _levels(self._points, self._along_m)
        passes: list[Place] = []
        nearest = -1  # the segment on which the last of the passes lies
        waiting = [(len(self._levels) - 1, 0)]
        while waiting:
            level, index = waiting.pop()
            ball = self._levels[level][index]
            self._steps += 1
            least_m = _least_m(ball, point)
            if least_m > OFF_LINE_M:
                continue
            is_within = bool(passes) and ball.end_m + _ROUNDING_M <= passes[-1].along_m + SAME_PASS_M
            if is_within and least_m > passes[-1].off_m:
                continue
            if level:
                waiting += self._below(level, index, point if is_within else None)
                continue
            for segment in range(_RUN * index, min(_RUN * (index + 1), len(self._points) - 1)):
                place = self._foot(point, segment)
                if place.off_m > OFF_LINE_M:
                    continue
                if not passes or not (is_within or place.along_m - passes[-1].along_m <= SAME_PASS_M):
                    passes.append(place)
                elif (place.off_m, segment) < (passes[-1].off_m, nearest):
                    passes[-1] = place
                else:
                    continue
                nearest = segment
            self._steps += _RUN
        if self._steps > MAX_STEPS:
            raise ConfigurationError(
                "the track passes its waypoints too often to place them along it",
                where=self._where,
                hint="export the route of one day, not several drives of it",
            )
        return passes

    def _below(self, level: int, index: int, point: Vector | None) -> list[tuple[int, int]]:
        """Return the halves of a run, the one to visit next last: the nearer to `point`, or the first without one."""
        balls = self._levels[level - 1]
        halves = [number for number in (2 * index + 1, 2 * index) if number < len(balls)]
        if point is not None:
            halves.sort(key=lambda number: -_least_m(balls[number], point))
        return [(level - 1, number) for number in halves]

    def _foot(self, point: Vector, segment: int) -> Place:
        """Return the point of a segment nearest to `point`."""
        a, b = self._points[segment], self._points[segment + 1]
        x, y, z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        length_2 = x * x + y * y + z * z
        if not length_2:  # two points so close together that only their degrees differ
            return Place(self._along_m[segment], math.dist(point, a))
        share = (x * (point[0] - a[0]) + y * (point[1] - a[1]) + z * (point[2] - a[2])) / length_2
        share = min(1.0, max(0.0, share))
        foot = (a[0] + share * x, a[1] + share * y, a[2] + share * z)
        return Place(self._along_m[segment] + share * math.sqrt(length_2), math.dist(point, foot))


def _least_m(ball: _Ball, point: Vector) -> float:
    """Return a lower bound on the distance to any point of the ball; its radius includes rounding errors."""
    return math.dist(ball.centre, point) - ball.radius_m


def _levels(points: Sequence[Vector], along_m: Sequence[float]) -> list[list[_Ball]]:
    """Return the levels of balls: single runs, pairs of them, and so on up to the whole line."""
    runs = []
    for first in range(0, len(points) - 1, _RUN):
        run = points[first : first + _RUN + 1]
        middle = run[len(run) // 2]
        radius_m = max(math.dist(middle, point) for point in run) + _ROUNDING_M
        runs.append(_Ball(middle, radius_m, along_m[min(first + _RUN, len(points) - 1)]))
    levels = [runs]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([_around(*below[at : at + 2]) for at in range(0, len(below), 2)])
    return levels


def _around(first: _Ball, second: _Ball | None = None) -> _Ball:
    """Return the ball that contains two balls."""
    if second is None:
        return first
    (ax, ay, az), (bx, by, bz) = first.centre, second.centre
    middle = ((ax + bx) / 2, (ay + by) / 2, (az + bz) / 2)
    radius_m = math.dist(first.centre, middle) + max(first.radius_m, second.radius_m) + _ROUNDING_M
    return _Ball(middle, radius_m, second.end_m)
