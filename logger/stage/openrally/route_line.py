"""Measure where waypoints lie along the line of a route, in metres from its start.

A route file without distances has a line of positions beside its waypoints: the track. Each waypoint is placed on
the line at the point nearest to it. A line that comes past a waypoint twice offers several places; the ones chosen
follow the order of the waypoints, agree with the kilometres that are stated, and have the least distance off the line
in all. Two waypoints of one kind at one place are two passes.

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
MOST_COPIES: Final = 4
"""Of one track in a file: one a day, a colour or a folder of the program that wrote it."""
MOST_PLACES: Final = 8
"""Passes considered for one waypoint, the nearest ones: no route comes by more often."""
STATED_OFF_M: Final = 200.0
STATED_OFF_SHARE: Final = 0.03
"""A stated distance that differs by more from the one along the line is not that of the same place."""
SAME_POSITION_M: Final = 20.0
"""A position that somebody sets a second time for the second lap."""
_CELL_M: Final = 2 * OFF_LINE_M
"""Of the grid. A segment is entered each half a cell, so one that a waypoint may lie on is in a neighbouring cell."""


class Sought(NamedTuple):
    """A waypoint to be placed: where it is, how far along the road it says it is, and what it is."""

    position: tuple[float, float]
    stated_m: float | None = None
    kind: str = ""


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

    def place(self, waypoints: Sequence[Sought | None]) -> list[float | None]:
        """Metres along the line for each waypoint, never falling; None for one that is not on the line.

        Where no choice of passes keeps the order of the waypoints, the ones that break it are None.
        """
        offered = [self._places(sought) if sought is not None else [] for sought in waypoints]
        return _in_order(offered, _again(waypoints))

    def nearest_m(self, sought: Sought) -> float | None:
        """Metres along the line of the pass that a waypoint has most likely; None off the line."""
        places = self._places(sought)
        return min(places, key=lambda place: place.off_m).along_m if places else None

    def _places(self, sought: Sought) -> list[Place]:
        """The passes of the line by a waypoint, in their order along it."""
        passes = self._passes(sought.position)
        stated_m = sought.stated_m
        if stated_m is None or not any(is_near(stated_m, place.along_m) for place in passes):
            return (
                passes  # nothing stated, or counted from elsewhere, or left from another version of the route
            )
        return [
            place if is_near(stated_m, place.along_m) else place._replace(off_m=place.off_m + OFF_LINE_M)
            for place in passes
        ]

    def _passes(self, position: tuple[float, float]) -> list[Place]:
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


def is_near(stated_m: float, along_m: float) -> bool:
    """Whether a stated distance can be that of a place on the line."""
    return abs(along_m - stated_m) <= max(STATED_OFF_M, STATED_OFF_SHARE * stated_m)


def once(positions: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """The positions of one track out of a file that holds copies of it, one behind the other, as they are.

    A loop that is driven twice is no copy: its end is where it begins.
    """
    for copies in range(2, MOST_COPIES + 1):
        size, rest = divmod(len(positions), copies)
        is_copied = not rest and size > 1 and list(positions) == list(positions[:size]) * copies
        if is_copied and geo.distance_m(*positions[0], *positions[size - 1]) > OFF_LINE_M:
            return positions[:size]
    return positions


def _again(waypoints: Sequence[Sought | None]) -> list[bool]:
    """For each waypoint whether the one before it is of its kind and at its place."""
    return [
        before is not None
        and here is not None
        and bool(here.kind)
        and before.kind == here.kind
        and geo.distance_m(*before.position, *here.position) < SAME_POSITION_M
        for before, here in pairwise([None, *waypoints])
    ]


def _in_order(offered: Sequence[Sequence[Place]], again: Sequence[bool]) -> list[float | None]:
    """One place for each waypoint, along the line in order: as many as possible, as near to the line as possible.

    One that comes `again` is a pass further on. Longest non-decreasing chain: the best one up to each distance stands
    in a tree of prefix maxima.
    """
    distances = sorted({place.along_m for places in offered for place in places})
    best = [_Chain(0, 0.0, -1)] * (len(distances) + 1)
    places = [(waypoint, place) for waypoint, choice in enumerate(offered) for place in choice]
    before: list[int] = []
    for choice, is_again in zip(offered, again, strict=True):
        found = []
        for place in choice:
            rank = bisect_right(distances, place.along_m)
            reached = bisect_right(distances, place.along_m - SAME_PASS_M) if is_again else rank
            chain = max(best[node] for node in _nodes_down(reached))
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
