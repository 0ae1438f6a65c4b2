"""Measure where waypoints lie along the line of a route, in metres from its start.

A route file without distances has a line of positions beside its waypoints: the track. Each waypoint is placed on
the line at the point nearest to it. A line that comes past a waypoint twice offers several places; the ones chosen
follow the order of the waypoints with the least distance off the line in all.

Positions are earth-centred metres inside, so nothing here knows poles or the antimeridian. Segments are found through
a grid of cells, which keeps a thousand waypoints beside a line of half a million points within seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from logger.stage import geo

OFF_LINE_M: Final = 500.0
"""A waypoint further off the line is not on it. Organisers' tracks pass within metres, sketched ones cut corners."""
SAME_PASS_M: Final = 300.0
"""Places closer together along the line than this are one pass of it: a hairpin offers the nearer one."""
MOST_PLACES: Final = 8
"""Passes considered for one waypoint, the nearest ones: no route comes by more often."""
_CELL_M: Final = 2 * OFF_LINE_M
"""Of the grid. A segment is entered each half a cell, so one that a waypoint may lie on is in a neighbouring cell."""


class Place(NamedTuple):
    """A point of the line: metres along it, and how far from it the waypoint is."""

    along_m: float
    off_m: float


_Vector = tuple[float, float, float]


class RouteLine:
    """The line through `positions` (latitude, longitude), in the order of the route."""

    def __init__(self, positions: Sequence[tuple[float, float]]) -> None:
        kept = [here for before, here in pairwise([None, *positions]) if here != before]
        self._points: list[_Vector] = [geo.earth_centred_m(*position) for position in kept if position]
        self._along_m = [0.0, *accumulate(math.dist(a, b) for a, b in pairwise(self._points))]
        self._segments: dict[tuple[int, int, int], list[int]] | None = None

    @property
    def length_m(self) -> float:
        """Metres from its first position to its last."""
        return self._along_m[-1]

    def place(self, waypoints: Sequence[tuple[float, float] | None]) -> list[float | None]:
        """Metres along the line for each waypoint, never falling; None for one that is not on the line.

        Where no choice of passes keeps the order of the waypoints, the ones that break it are None.
        """
        offered = [self._places(position) if position is not None else [] for position in waypoints]
        return _in_order(offered)

    def nearest_m(self, position: tuple[float, float]) -> float | None:
        """Metres along the line of the pass that is nearest to a position; None off the line."""
        places = self._places(position)
        return min(places, key=lambda place: place.off_m).along_m if places else None

    def _places(self, position: tuple[float, float]) -> list[Place]:
        """The passes of the line by a position, in their order along it."""
        point = geo.earth_centred_m(*position)
        x, y, z = _cell(point)
        cells = self._grid()
        around = (
            segment
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            for dz in (-1, 0, 1)
            for segment in cells.get((x + dx, y + dy, z + dz), ())
        )
        passes: list[Place] = []
        for segment in sorted(set(around)):
            place = self._foot(point, segment)
            if place.off_m > OFF_LINE_M:
                continue
            if not passes or place.along_m - passes[-1].along_m > SAME_PASS_M:
                passes.append(place)
            elif place.off_m < passes[-1].off_m:
                passes[-1] = place
        nearest = sorted(passes, key=lambda place: place.off_m)[:MOST_PLACES]
        return sorted(nearest)

    def _foot(self, point: _Vector, segment: int) -> Place:
        """The point of a segment that is nearest to `point`."""
        a, b = self._points[segment], self._points[segment + 1]
        way = tuple(q - p for p, q in zip(a, b, strict=True))
        length_2 = sum(d * d for d in way)
        share = sum(d * (p - q) for d, p, q in zip(way, point, a, strict=True)) / length_2
        share = min(1.0, max(0.0, share))
        foot = tuple(q + share * d for q, d in zip(a, way, strict=True))
        return Place(self._along_m[segment] + share * math.sqrt(length_2), math.dist(point, foot))

    def _grid(self) -> dict[tuple[int, int, int], list[int]]:
        """Which segments pass through which cell, made when first needed."""
        if self._segments is None:
            grid: dict[tuple[int, int, int], list[int]] = defaultdict(list)
            for segment, (a, b) in enumerate(pairwise(self._points)):
                steps = 1 + int(2 * math.dist(a, b) / _CELL_M)
                for step in range(steps + 1):
                    share = step / steps
                    x, y, z = (p + share * (q - p) for p, q in zip(a, b, strict=True))
                    cell = grid[_cell((x, y, z))]
                    if not cell or cell[-1] != segment:
                        cell.append(segment)
            self._segments = dict(grid)
        return self._segments


def _cell(point: _Vector) -> tuple[int, int, int]:
    x, y, z = point
    return math.floor(x / _CELL_M), math.floor(y / _CELL_M), math.floor(z / _CELL_M)


class _Chain(NamedTuple):
    """The best chain of places that ends at one place; chains compare by waypoints placed, then by metres off."""

    placed: int
    minus_off_m: float
    end: int
    """Where the chain ends: the number of a place, -1 for none."""


def _in_order(offered: Sequence[Sequence[Place]]) -> list[float | None]:
    """One place for each waypoint, along the line in order: as many as possible, as near to the line as possible.

    Longest non-decreasing chain: the best one up to each distance stands in a tree of prefix maxima.
    """
    distances = sorted({place.along_m for places in offered for place in places})
    best = [_Chain(0, 0.0, -1)] * (len(distances) + 1)
    places = [(waypoint, place) for waypoint, choice in enumerate(offered) for place in choice]
    before: list[int] = []
    for choice in offered:
        found = []
        for place in choice:
            rank = bisect_right(distances, place.along_m)
            chain = max(best[node] for node in _nodes_down(rank))
            found.append((rank, _Chain(chain.placed + 1, chain.minus_off_m - place.off_m, len(before))))
            before.append(chain.end)
        for rank, chain in found:
            for node in _nodes_up(rank, len(best)):
                best[node] = max(best[node], chain)
    chosen: list[float | None] = [None] * len(offered)
    end = max(best).end
    while end >= 0:
        waypoint, place = places[end]
        chosen[waypoint] = place.along_m
        end = before[end]
    return chosen


def _nodes_down(rank: int) -> Iterator[int]:
    """The nodes of a Fenwick tree that make up its first `rank` entries, and its empty root."""
    while rank:
        yield rank
        rank -= rank & -rank
    yield 0


def _nodes_up(rank: int, size: int) -> Iterator[int]:
    """The nodes of the tree that hold the entry `rank`."""
    while rank < size:
        yield rank
        rank += rank & -rank
