"""Split a route into liaison and timed sections, each with its waypoints from kilometre 0.

A DSS begins a timed section and an ASS ends one; all road before, between and after them is liaison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from logger.stage.itinerary import PAIRS, Section, SectionKind, Waypoint
from logger.stage.openrally.lint import Mark, Remark

KM_DECIMALS = 3
"""An itinerary's kilometres are to the metre: roadbooks print tens of metres, exporters up to 17 digits."""
LONGEST_TARGET_MIN = 2880.0
"""Longest target time that an itinerary allows."""


def cut_sections(marks: Sequence[Mark], end_km: float, remarks: list[Remark]) -> tuple[Section, ...]:
    """Return the sections of a route of `end_km`; add a remark for whatever is left out."""
    legs_end_km = _legs_end_km(marks)
    return tuple(_section(stretch, legs_end_km, remarks) for stretch in _stretches(marks, end_km, remarks))


def _legs_end_km(marks: Sequence[Mark]) -> dict[Mark, float]:
    """Return where the minutes of each time control end: at the next control."""
    controls = [mark for mark in marks if mark.waypoint.kind == "tc"]
    return {control: following.waypoint.km for control, following in pairwise(controls)}


@dataclass(slots=True)
class _Stretch:
    """A part of the route that becomes one section. Its marks have route kilometres."""

    is_timed: bool
    start_km: float
    end_km: float
    marks: list[Mark]

    @property
    def length_km(self) -> float:
        return round(self.end_km - self.start_km, KM_DECIMALS)


def _stretches(marks: Sequence[Mark], end_km: float, remarks: list[Remark]) -> list[_Stretch]:
    """Cut the route before each DSS and after each ASS. Marks of a stretch without length go to its neighbour."""
    stretches: list[_Stretch] = []
    at_start: list[Mark] = []
    for stretch in _cut(marks, end_km):
        if stretch.length_km > 0:
            stretch.marks[:0] = at_start
            at_start = []
            stretches.append(stretch)
            continue
        for mark in stretch.marks:
            if mark.waypoint.kind in ("dss", "ass"):
                what = f"{mark.waypoint.kind} with no road between start and finish: left out"
                remarks.append(Remark(mark.line, what))
            else:
                (stretches[-1].marks if stretches else at_start).append(mark)
    for before, after in pairwise(stretches):
        _split_pairs(before, after)
    return stretches


def _cut(marks: Sequence[Mark], end_km: float) -> Iterator[_Stretch]:
    stretch = _Stretch(False, 0.0, 0.0, [])
    for mark in marks:
        km, kind = mark.waypoint.km, mark.waypoint.kind
        if kind == "dss":
            stretch.end_km = km
            yield stretch
            stretch = _Stretch(True, km, km, [])
        stretch.marks.append(mark)
        if kind == "ass":
            stretch.is_timed, stretch.end_km = True, km
            yield stretch
            stretch = _Stretch(False, km, km, [])
    stretch.end_km = max(end_km, stretch.start_km)
    yield stretch


def _split_pairs(before: _Stretch, after: _Stretch) -> None:
    """Split a zone or pause that crosses the end of a section in two, so that each section is complete."""
    cut_km = after.start_km
    there = (mark.waypoint for mark in (*after.marks, *before.marks[::-1]) if mark.waypoint.km == cut_km)
    place = next(there, Waypoint(km=cut_km, kind=""))
    for first, last in PAIRS.items():
        opener = next((mark for mark in before.marks[::-1] if mark.waypoint.kind in (first, last)), None)
        if opener is None or opener.waypoint.kind == last:
            continue
        closer = next((mark for mark in after.marks if mark.waypoint.kind == last), None)
        if opener.waypoint.km == cut_km:
            before.marks = [mark for mark in before.marks if mark is not opener]
            after.marks.insert(0, opener)
            continue
        end = Waypoint(km=cut_km, kind=last, lat=place.lat, lon=place.lon)
        before.marks.append(Mark(opener.line, end))
        if closer is not None and closer.waypoint.km == cut_km:
            after.marks = [mark for mark in after.marks if mark is not closer]
        else:
            again = replace(end, kind=first, speed_kmh=opener.waypoint.speed_kmh)
            after.marks.insert(0, Mark(opener.line, again))


def _section(stretch: _Stretch, legs_end_km: Mapping[Mark, float], remarks: list[Remark]) -> Section:
    waypoints = tuple(
        replace(mark.waypoint, km=round(mark.waypoint.km - stretch.start_km, KM_DECIMALS))
        for mark in stretch.marks
    )
    target_min = _target_min(stretch, legs_end_km, remarks)
    kind: SectionKind = "selective" if stretch.is_timed else "liaison"
    return Section(kind=kind, length_km=stretch.length_km, target_min=target_min, waypoints=waypoints)


def _target_min(stretch: _Stretch, legs_end_km: Mapping[Mark, float], remarks: list[Remark]) -> float | None:
    """Sum the minutes allowed at the controls in the section, each to the next control or to the section's end.

    A timed section has its own clock, so minutes that extend past its start belong to the liaison before it.
    """
    target_min = 0.0
    for mark in stretch.marks:
        if mark.allowed_min is None:
            continue
        leg_end_km = legs_end_km.get(mark, stretch.end_km)
        if mark.waypoint.km >= min(leg_end_km, stretch.end_km):
            what = f"the {mark.allowed_min:g} minutes allowed extend past the end of a section: left out"
            remarks.append(Remark(mark.line, what))
            continue
        target_min += mark.allowed_min
        if leg_end_km > stretch.end_km:
            what = (
                f"the {mark.allowed_min:g} minutes allowed extend into a timed section: "
                "used for the road up to its start"
            )
            remarks.append(Remark(mark.line, what))
    if target_min > LONGEST_TARGET_MIN:
        remarks.append(Remark(None, f"a target time of {target_min:g} minutes: left out"))
        return None
    return target_min or None
