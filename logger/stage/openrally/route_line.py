"""Locate waypoints along the line of a route, in metres from its start.

A route file without distances usually has a track besides its waypoints. Each waypoint is placed at the nearest point
of the track. A line that passes a waypoint twice offers several places; those chosen follow the order of the
waypoints, agree with stated kilometres, have the smallest total distance from the line, and come first. Two waypoints
of one kind at one place are two passes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from logger.stage import geo
from logger.stage.openrally.line_passes import OFF_LINE_M, SAME_PASS_M, LinePasses, Place

MAX_COPIES: Final = 4
"""Bound on copies of one track in a file; some programs write one per day, colour or folder."""
STATED_OFF_M: Final = 200.0
STATED_OFF_SHARE: Final = 0.03
"""A stated distance that differs by more from the one along the line belongs to another place."""
SAME_POSITION_M: Final = 20.0
"""Tolerance for a waypoint that is entered again for the second lap."""


class Sought(NamedTuple):
    """A waypoint to locate: its position, the distance along the road that it states, and its kind."""

    position: tuple[float, float]
    stated_m: float | None = None
    kind: str = ""


class RouteLine:
    """The line through `positions` (latitude, longitude), in the order of the route; `where` names its file."""

    def __init__(self, positions: Sequence[tuple[float, float]], where: str = "") -> None:
        kept = [here for before, here in pairwise([None, *positions]) if here != before]
        self._passes = LinePasses([geo.earth_centred_m(*position) for position in kept if position], where)

    @property
    def length_m(self) -> float:
        """Length in metres."""
        return self._passes.length_m

    def place(self, waypoints: Sequence[Sought | None]) -> list[float | None]:
        """Return the metres along the line for each waypoint, never decreasing; None if it is not on the line.

        Waypoints that break the order with every choice of passes are None too. Raises ConfigurationError
        for a line that winds too much.
        """
        offered = [self._places(sought) if sought is not None else [] for sought in waypoints]
        return _in_order(offered, _again(waypoints))

    def nearest_m(self, sought: Sought) -> float | None:
        """Return the metres along the line of a waypoint's nearest pass; None if it is not on the line."""
        places = self._places(sought)
        return min(places, key=lambda place: place.off_m).along_m if places else None

    def _places(self, sought: Sought) -> list[Place]:
        """Return the line's passes of a waypoint, in order along the line."""
        passes = self._passes.near(geo.earth_centred_m(*sought.position))
        stated_m = sought.stated_m
        if stated_m is None or not any(is_near(stated_m, place.along_m) for place in passes):
            return passes  # nothing stated, or a distance from elsewhere or from another version of the route
        return [
            place if is_near(stated_m, place.along_m) else place._replace(off_m=place.off_m + OFF_LINE_M)
            for place in passes
        ]


class _Chain(NamedTuple):
    """The best chain of places that ends at one place.

    Compares by waypoints placed, then by whole metres off the line, so that rounding errors do not choose among the
    passes of a road driven both ways; then the earlier passes are better.
    """

    placed: int
    minus_off_m: int
    minus_along_m: float
    end: int
    """Number of the place at which the chain ends, -1 for none."""


def is_near(stated_m: float, along_m: float) -> bool:
    """Return whether a stated distance agrees with a place on the line."""
    return abs(along_m - stated_m) <= max(STATED_OFF_M, STATED_OFF_SHARE * stated_m)


def once(positions: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Return the positions of one track from a file that holds identical copies of it in sequence.

    A loop driven twice is not a copy: it ends where it begins.
    """
    for copies in range(2, MAX_COPIES + 1):
        size, rest = divmod(len(positions), copies)
        is_copied = not rest and size > 1 and list(positions) == list(positions[:size]) * copies
        if is_copied and geo.distance_m(*positions[0], *positions[size - 1]) > OFF_LINE_M:
            return positions[:size]
    return positions


def _again(waypoints: Sequence[Sought | None]) -> list[bool]:
    """Return for each waypoint whether the previous one has the same kind and position."""
    return [
        before is not None
        and here is not None
        and bool(here.kind)
        and before.kind == here.kind
        and geo.distance_m(*before.position, *here.position) < SAME_POSITION_M
        for before, here in pairwise([None, *waypoints])
    ]


def _in_order(offered: Sequence[Sequence[Place]], again: Sequence[bool]) -> list[float | None]:
    """Choose one place per waypoint, in order along the line: as many as possible, as near the line as possible.

    A waypoint in `again` needs a later pass. This is the longest non-decreasing chain; the best one up to each distance
    is kept in a tree of prefix maxima.
    """
    distances = sorted({place.along_m for places in offered for place in places})
    best = [_Chain(0, 0, 0.0, -1)] * (len(distances) + 1)
    places = [(waypoint, place) for waypoint, choice in enumerate(offered) for place in choice]
    before: list[int] = []
    for choice, is_again in zip(offered, again, strict=True):
        found = []
        for place in choice:
            rank = bisect_right(distances, place.along_m)
            reached = bisect_right(distances, place.along_m - SAME_PASS_M) if is_again else rank
            chain = max(best[node] for node in _nodes_down(reached))
            off_m, along_m = chain.minus_off_m - round(place.off_m), chain.minus_along_m - place.along_m
            found.append((rank, _Chain(chain.placed + 1, off_m, along_m, len(before))))
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
    """Yield the nodes of a Fenwick tree that cover its first `rank` entries, and its empty root."""
    while rank:
        yield rank
        rank -= rank & -rank
    yield 0


def _nodes_up(rank: int, size: int) -> Iterator[int]:
    """Yield the nodes of the tree that contain the entry `rank`."""
    while rank < size:
        yield rank
        rank += rank & -rank
