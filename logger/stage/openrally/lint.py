"""Lint for routes: check the rules of a good route, warn about violations and repair them.

Works on waypoints in road order. A violation never rejects the route: it gives a remark with its line, and is
repaired in the way that cannot cost a crew a penalty. A zone without an end holds to the next one or to the end of
its section; a pause without an end has no length; an end without a begin is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from logger.stage import geo
from logger.stage.itinerary import PAIRS, Waypoint

_ZONE_END_KINDS = ("dz", "dss", "ass")
"""Kinds that end a zone without an end of its own."""


class Remark(NamedTuple):
    """A warning with its line in the file (None: the whole file)."""

    line: int | None
    what: str

    def __str__(self) -> str:
        return self.what if self.line is None else f"line {self.line}: {self.what}"


class Mark(NamedTuple):
    """A waypoint not yet in a section: its line, and a time control's minutes to the next one."""

    line: int
    waypoint: Waypoint
    allowed_min: float | None = None


def timed_sections(marks: Sequence[Mark]) -> Iterator[Remark]:
    """Check for one DSS and one ASS per timed section."""
    start: Mark | None = None
    is_timed = False
    for mark in marks:
        if mark.waypoint.kind == "dss":
            is_timed = True
            if start is not None:
                yield Remark(start.line, "dss without an ass before the next dss")
            start = mark
        elif mark.waypoint.kind == "ass":
            if start is None:
                yield Remark(mark.line, "ass without a dss before it: timed from the end of the last section")
            start, is_timed = None, True
    if start is not None:
        yield Remark(start.line, "dss without an ass: timed to the end of the route")
    if not is_timed:
        yield Remark(None, "no dss and no ass: the whole route becomes one liaison")


def zones_without_speed(marks: Sequence[Mark]) -> Iterator[Remark]:
    """Check that each DZ has a speed. None is assumed: the itinerary is invalid until the user adds it."""
    for mark in marks:
        if mark.waypoint.kind == "dz" and mark.waypoint.speed_kmh is None:
            yield Remark(mark.line, "dz without a speed: add its speed_kmh to the itinerary before use")


def overlaps(marks: Sequence[Mark]) -> Iterator[Remark]:
    """Check that the clear circles of neighbours do not overlap; without positions, by the road distance."""
    for (_, before, _), (line, after, _) in pairwise(marks):
        if before.position is not None and after.position is not None:
            apart_m = geo.distance_m(*before.position, *after.position)
        else:
            apart_m = (after.km - before.km) * 1000
        if 0 < apart_m < before.clearing_m + after.clearing_m:
            circles = f"{before.kind} ({before.clearing_m:g} m) and {after.kind} ({after.clearing_m:g} m)"
            yield Remark(line, f"the clear circles of {circles} overlap: they are {apart_m:.0f} m apart")


def paired(marks: Sequence[Mark], end_km: float, remarks: list[Remark]) -> list[Mark]:
    """Pair DZ and FZ, DN and FN, DT and FT: add missing ends, leave out ends without a begin."""
    result = list(marks)
    for first, last in PAIRS.items():
        result = list(_pair(result, first, last, end_km, remarks))
    return result


def _pair(marks: list[Mark], first: str, last: str, end_km: float, remarks: list[Remark]) -> Iterator[Mark]:
    is_open = False
    unended: Mark | None = None  # a zone whose end must still be added
    for index, mark in enumerate(marks):
        kind = mark.waypoint.kind
        if unended is not None and kind in _ZONE_END_KINDS:
            yield _end(unended, last, mark.waypoint)
            unended = None
        if kind == last and not is_open:
            remarks.append(Remark(mark.line, f"{last} without a {first} before it: left out"))
            continue
        yield mark
        if kind in (first, last):
            is_open = kind == first and _next(marks, index, first, last) == last
        if kind == first and not is_open and first == "dz":
            unended = mark
            remarks.append(
                Remark(mark.line, "dz without an fz: holds to the next dz or the end of its section")
            )
        elif kind == first and not is_open:
            yield _end(mark, last, mark.waypoint)
            remarks.append(Remark(mark.line, f"{first} without an {last}: ends where it begins"))
    if unended is not None:
        yield _end(unended, last, Waypoint(km=end_km, kind=last))


def _next(marks: list[Mark], index: int, *kinds: str) -> str:
    """Return the first of the given kinds after a mark; "" if none follows."""
    ahead = (marks[later].waypoint.kind for later in range(index + 1, len(marks)))
    return next((kind for kind in ahead if kind in kinds), "")


def _end(opener: Mark, kind: str, at: Waypoint) -> Mark:
    return Mark(opener.line, Waypoint(km=at.km, kind=kind, lat=at.lat, lon=at.lon))
