"""Clip and simplify many lines or rings at once: their points end to end in one array.

A file may hold a hundred thousand shapes of two points, or one of a million; both take a few passes over one array.
Metres east and north.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Metres = NDArray[np.float64]
"""Rows of metres east and north."""
Numbers = NDArray[np.intp]


class Box(NamedTuple):
    """A rectangle in metres."""

    east0: float
    north0: float
    east1: float
    north1: float

    def holds(self, east: float, north: float) -> bool:
        """Whether a point lies in it."""
        return self.east0 <= east <= self.east1 and self.north0 <= north <= self.north1


class Paths(NamedTuple):
    """Lines or rings: the points of all, end to end, and the number of points of each (at least 1)."""

    points: Metres
    sizes: Numbers

    @property
    def begins(self) -> Numbers:
        """Where each begins in `points`."""
        return np.cumsum(self.sizes) - self.sizes

    def extents(self) -> Metres:
        """The larger side of each one's bounding box, in metres."""
        if not len(self.sizes):
            return np.empty(0)
        low = np.minimum.reduceat(self.points, self.begins)
        sides: Metres = np.maximum.reduceat(self.points, self.begins) - low
        return np.asarray(sides.max(axis=1))

    def chosen(self, which: NDArray[np.bool_]) -> Paths:
        """Those that are marked."""
        return Paths(self.points[np.repeat(which, self.sizes)], self.sizes[which])


def _kept(
    points: Metres, keep: NDArray[np.bool_], owner: Numbers, count: int
) -> tuple[Paths, NDArray[np.bool_]]:
    """The points to keep as paths of their `owner`, and which owners have any."""
    sizes = np.bincount(owner[keep], minlength=count)
    return Paths(points[keep], sizes[sizes > 0]), sizes > 0


def joined(paths: Paths, turn_m: float) -> Paths:
    """The paths without the jump where one crosses the edge of the plane, `turn_m` metres around the world."""
    jump = np.diff(paths.points[:, 0], prepend=paths.points[:1, 0])
    jump[paths.begins] = 0.0
    turns = -np.cumsum(np.round(jump / turn_m))
    turns -= np.repeat(turns[paths.begins], paths.sizes)
    return Paths(paths.points + np.outer(turns, [turn_m, 0.0]), paths.sizes)


def clipped_lines(paths: Paths, box: Box) -> Paths:
    """The parts of lines within a box; a line that leaves it and comes back becomes two (Liang and Barsky)."""
    if not len(paths.points):
        return paths
    a, b = paths.points[:-1], paths.points[1:]
    way = b - a
    enter, leave = np.zeros(len(way)), np.ones(len(way))
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis, low, high in ((0, box.east0, box.east1), (1, box.north0, box.north1)):
            first, second = (low - a[:, axis]) / way[:, axis], (high - a[:, axis]) / way[:, axis]
            level = way[:, axis] == 0
            outside = level & ((a[:, axis] < low) | (a[:, axis] > high))
            enter = np.maximum(enter, np.where(level, 0.0, np.minimum(first, second)))
            leave = np.minimum(leave, np.where(level, 1.0, np.maximum(first, second)))
            leave[outside] = -1.0
    seen = enter < leave
    seen[paths.begins[1:] - 1] = False  # from the end of one line to the begin of the next
    number = np.flatnonzero(seen)
    enter, leave, a, way = enter[seen, None], leave[seen, None], a[seen], way[seen]
    ends = np.stack((a + enter * way, a + leave * way), axis=1).reshape(-1, 2)
    follows = (np.diff(number, prepend=-2) == 1) & (enter[:, 0] == 0)
    keep = np.column_stack((~follows, np.ones(len(number), dtype=bool))).ravel()
    owner = np.repeat(np.cumsum(~follows) - 1, 2)
    return _kept(ends, keep, owner, int(owner[-1]) + 1 if len(owner) else 0)[0]


def clipped_rings(paths: Paths, box: Box) -> tuple[Paths, NDArray[np.bool_]]:
    """The parts of rings within a box, along whose sides they are closed, and which rings have any (Sutherland and
    Hodgman)."""
    count = len(paths.sizes)
    remaining = np.arange(count)
    sides = ((0, box.east0, 1.0), (0, box.east1, -1.0), (1, box.north0, 1.0), (1, box.north1, -1.0))
    for axis, limit, sign in sides:
        if not len(paths.points):
            break
        a = paths.points
        b = np.roll(a, -1, axis=0)
        b[paths.begins + paths.sizes - 1] = a[paths.begins]
        depth_a, depth_b = sign * (a[:, axis] - limit), sign * (b[:, axis] - limit)
        crosses = (depth_a < 0) != (depth_b < 0)
        share = np.where(crosses, depth_a / np.where(crosses, depth_a - depth_b, 1.0), 0.0)
        both = np.stack((a + share[:, None] * (b - a), b), axis=1).reshape(-1, 2)
        keep = np.column_stack((crosses, depth_b >= 0)).ravel()
        owner = np.repeat(np.repeat(np.arange(len(paths.sizes)), paths.sizes), 2)
        paths, some = _kept(both, keep, owner, len(paths.sizes))
        remaining = remaining[some]
    has_any = np.zeros(count, dtype=bool)
    has_any[remaining] = True
    return paths, has_any


def simplified(paths: Paths, grid_m: float) -> Paths:
    """The paths without points in the same square of a grid as the point before; the ends stay."""
    keep = _corners(paths, grid_m)
    owner = np.repeat(np.arange(len(paths.sizes)), paths.sizes)
    return _kept(paths.points, keep, owner, len(paths.sizes))[0]


def simplified_size(paths: Paths, grid_m: float) -> int:
    """The number of points that `simplified` leaves."""
    return int(np.count_nonzero(_corners(paths, grid_m)))


def _corners(paths: Paths, grid_m: float) -> NDArray[np.bool_]:
    square = np.floor(paths.points / grid_m)
    keep = np.ones(len(square), dtype=bool)
    keep[1:] = (square[1:] != square[:-1]).any(axis=1)
    keep[paths.begins] = True
    keep[paths.begins + paths.sizes - 1] = True
    return keep
