"""OpenRally GPX -> Itinerary: a route file of any version and program becomes the sections of a day.

Knows neither XML (`openrally_xml.py`) nor the format's words (`openrally_elements.py`) nor what makes a good
route (`openrally_lint.py`): it puts them together and does what needs the whole route.

The idea: the distances of the points are unwound into one running odometer, and the sections are read off
the marks along it. A DSS begins a timed section and an ASS ends one; all road before, between and after them
is liaison. Nothing is lost silently: whatever is left out, estimated or mended is in a warning with its
line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePath
from typing import BinaryIO, NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.stage import geo, itinerary, openrally_elements, openrally_lint, openrally_xml
from logger.stage.itinerary import PAIRS, Itinerary, Section, SectionKind, Stage, Waypoint
from logger.stage.openrally_elements import Note, Translator
from logger.stage.openrally_lint import Mark, Remark
from logger.stage.openrally_xml import Point, RouteFile

KM_DECIMALS = 3
"""An itinerary's kilometres are to the metre: roadbooks print tens of metres, exporters up to 17 digits."""

SMALLEST_STEP_BACK_KM = 0.0005
"""Less is rounding."""

RESTART_FRACTION = 0.5
"""A distance below half of the one before is a reset that was not written; one above it is a mistake."""

MOST_REMARKS = 200
"""A crew reads no more, and a broken file could bring one a point."""

LONGEST_SECTION_KM, LONGEST_TARGET_MIN = 5000.0, 2880.0
"""What an itinerary takes."""


class Imported(NamedTuple):
    """An itinerary and the remarks on the file it came from, in order of line."""

    itinerary: Itinerary
    warnings: tuple[Remark, ...]


def read(stream: BinaryIO, name: str) -> Imported:
    """Read an OpenRally GPX file; `name` is what messages call it and, without a title in it, the stage.

    Raises ConfigurationError (one line: where, what, mend) for what is no OpenRally GPX file.
    """
    remarks: list[Remark] = []
    route = openrally_xml.parse(stream, name)
    translator = Translator(openrally_elements.units(route.facts, name, remarks), remarks)
    notes = [translator.note(point) for point in _roadbook(route, name, remarks)]
    whole_km = [translator.distance_km(fact) for fact in route.facts if fact.name == "distance"]
    translator.finish()

    odometer = _Odometer(remarks)
    marks = list(_marks(notes, odometer, remarks))
    end_km = odometer.finish(next((km for km in whole_km if km is not None), None))
    remarks += openrally_lint.timed_sections(marks)
    remarks += openrally_lint.zones_without_speed(marks)
    remarks += openrally_lint.overlaps(marks)
    marks = openrally_lint.paired(marks, end_km, remarks)
    controls = [mark for mark in marks if mark.waypoint.kind == "tc"]
    legs_end_km = {control: following.waypoint.km for control, following in pairwise(controls)}
    stretches = _stretches(marks, end_km, remarks)
    sections = tuple(_section(stretch, legs_end_km, remarks) for stretch in stretches)
    if not sections:
        raise ConfigurationError(
            "no road: every point is at one place", where=name, mend="give the points distances"
        )
    longest = max(section.length_km for section in sections)
    if longest > LONGEST_SECTION_KM:
        what = f"a section of {longest:g} km"
        raise ConfigurationError(what, where=name, mend="check the distances and their units")
    stage = Stage(next((title for title in route.titles.values() if title), PurePath(name).stem))
    return Imported(Itinerary(stage, sections), _sorted(remarks))


def import_route(stream: BinaryIO, name: str) -> tuple[str, tuple[Remark, ...]]:
    """`read`, with the itinerary as the text of a TOML file."""
    imported = read(stream, name)
    return itinerary.dumps(imported.itinerary), imported.warnings


def _roadbook(route: RouteFile, name: str, remarks: list[Remark]) -> list[Point]:
    """The points that are the roadbook: the same route may stand in a file as waypoints, route and track."""
    known = openrally_elements.ELEMENTS
    speaking = [point for point in route.points if any(element.name in known for element in point.elements)]
    found = [form for form in openrally_xml.FORMS if any(point.form == form for point in speaking)]
    if not found:
        mend = "export it as OpenRally GPX, not as plain GPX"
        raise ConfigurationError(
            "no point of the file says anything in OpenRally's words", where=name, mend=mend
        )
    for form in found[1:]:
        line = next(point.line for point in speaking if point.form == form)
        remarks.append(Remark(line, f"the {form} points are ignored: the {found[0]} points are the roadbook"))
    for form, count in sorted(route.plain.items()):
        remarks.append(Remark(None, f"{count} {form} points without OpenRally data ignored"))
    return [point for point in route.points if point.form == found[0]]


class _Odometer:
    """The distance from the start of the file, over all its resets."""

    def __init__(self, remarks: list[Remark]) -> None:
        self._remarks = remarks
        self._total_km = 0.0
        self._origin_km = 0.0
        """Where on the route the written distances now count from."""
        self._position: tuple[float, float] | None = None
        self._estimated: list[int] = []

    def at(self, note: Note) -> float:
        """The route kilometre of the next point."""
        position = None if note.lat is None or note.lon is None else (note.lat, note.lon)
        straight_km = 0.0
        if position is not None and self._position is not None:
            straight_km = geo.distance_m(*self._position, *position) / 1000
        if note.km is None:
            self._estimated.append(note.line)
            self._total_km += straight_km
        else:
            self._total_km = self._stated(note, note.km, straight_km)
        if note.reset_km is not None:
            self._origin_km = self._total_km - note.reset_km
        self._position = position or self._position
        return self._total_km

    def _stated(self, note: Note, km: float, straight_km: float) -> float:
        before_km = self._total_km - self._origin_km
        if km >= before_km - SMALLEST_STEP_BACK_KM:
            return max(self._total_km, self._origin_km + km)
        if note.reset_km is not None:
            what = f"the distance {km:.6g} of a reset counts from itself: the road to it is taken as straight"
            self._remarks.append(Remark(note.line, what))
            return self._total_km + straight_km
        back = f"the distance goes back from {before_km:.6g} to {km:.6g} km without a reset"
        if km < before_km * RESTART_FRACTION:
            self._remarks.append(Remark(note.line, f"{back}: taken to start again"))
            self._origin_km = self._total_km
            return self._total_km + km
        self._remarks.append(Remark(note.line, f"{back}: kept at the former"))
        return self._total_km

    def finish(self, whole_km: float | None) -> float:
        """The length of the route, where the file says that it has `whole_km`."""
        if self._estimated:
            count = len(self._estimated)
            what = f"distance of {count} points not written: straight lines measured, the road is longer"
            self._remarks.append(Remark(self._estimated[0], what))
        if whole_km is not None and whole_km < self._total_km - SMALLEST_STEP_BACK_KM:
            what = f"the file says {whole_km:.6g} km in all, its points reach {self._total_km:.6g} km"
            self._remarks.append(Remark(None, what))
        return max(self._total_km, whole_km or 0.0)


def _marks(notes: Sequence[Note], odometer: _Odometer, remarks: list[Remark]) -> Iterator[Mark]:
    """The marks of all notes with their route kilometres. A speed alone changes the limit of a zone."""
    in_zone = False
    for note in notes:
        km = odometer.at(note)
        for mark in note.marks:
            in_zone = mark.waypoint.kind == "dz" or (in_zone and mark.waypoint.kind != "fz")
            yield mark._replace(waypoint=replace(mark.waypoint, km=km))
        if note.speed_kmh is None:
            continue
        if any(mark.waypoint.kind == "fz" for mark in note.marks):
            remarks.append(Remark(note.line, f"fz with a speed ({note.speed_kmh:g} km/h): left out"))
        elif not in_zone:
            remarks.append(Remark(note.line, f"speed {note.speed_kmh:g} km/h outside a zone: left out"))
        else:
            end = Waypoint(km=km, kind="fz", lat=note.lat, lon=note.lon)
            yield Mark(note.line, end)
            yield Mark(note.line, replace(end, kind="dz", speed_kmh=note.speed_kmh))


@dataclass(slots=True)
class _Stretch:
    """A part of the route that makes one section. Its marks have route kilometres."""

    is_timed: bool
    start_km: float
    end_km: float
    marks: list[Mark]

    @property
    def length_km(self) -> float:
        return round(self.end_km - self.start_km, KM_DECIMALS)


def _stretches(marks: Sequence[Mark], end_km: float, remarks: list[Remark]) -> list[_Stretch]:
    """Cut the route before each DSS and after each ASS. What has no length goes to its neighbour."""
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
    """A zone or pause that runs over the end of a section becomes two: each section is whole in itself."""
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
    """The minutes allowed from control to control, where the section holds both of them."""
    target_min = 0.0
    for mark in stretch.marks:
        if mark.allowed_min is None:
            continue
        if mark.waypoint.km < legs_end_km.get(mark, stretch.end_km) <= stretch.end_km:
            target_min += mark.allowed_min
        else:
            what = f"the {mark.allowed_min:g} minutes allowed lead over the end of a section: left out"
            remarks.append(Remark(mark.line, what))
    if target_min > LONGEST_TARGET_MIN:
        remarks.append(Remark(None, f"a target time of {target_min:g} minutes: left out"))
        return None
    return target_min or None


def _sorted(remarks: list[Remark]) -> tuple[Remark, ...]:
    """In order of line, those on the whole file first, and not without end."""
    remarks = sorted(remarks, key=lambda remark: remark.line or 0)
    if len(remarks) > MOST_REMARKS:
        more = Remark(None, f"and {len(remarks) - MOST_REMARKS} more warnings")
        return (*remarks[:MOST_REMARKS], more)
    return tuple(remarks)
