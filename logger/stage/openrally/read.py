"""Import a GPX route file, of any version and program, as an itinerary.

Combines the parser (`xml.py`), the choice of the roadbook's points (`book.py`), the meaning of the elements
(`elements.py`) and the checks (`lint.py`), and does the work that needs the whole route.

The points get continuous kilometres (`odometer.py`), and the marks along them are cut into sections (`sections.py`).
Nothing is lost silently: whatever is left out, estimated or repaired gives a warning with its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import BinaryIO, NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.stage import itinerary
from logger.stage.itinerary import Itinerary, Stage, Waypoint
from logger.stage.openrally import elements, lint, numbers, route_line, xml
from logger.stage.openrally.book import Book, find_book
from logger.stage.openrally.elements import Note, Translator
from logger.stage.openrally.lint import Mark, Remark
from logger.stage.openrally.odometer import Odometer
from logger.stage.openrally.route_line import Sought
from logger.stage.openrally.sections import cut_sections
from logger.stage.openrally.xml import RouteFile

MAX_REMARKS = 200
"""Bound on warnings: nobody reads more, and a broken file could give one per point."""

LONGEST_SECTION_KM = 5000.0
"""Longest section that an itinerary allows."""

METRES = 0.001
"""The size of a distance in a file whose points count in metres."""


class Imported(NamedTuple):
    """An itinerary and the remarks on its file, in line order."""

    itinerary: Itinerary
    warnings: tuple[Remark, ...]


def read(stream: BinaryIO, name: str) -> Imported:
    """Read a route file; `name` stands for the file in messages, and names the stage if the file has no title.

    Raises ConfigurationError (one line: where, what, how to fix it) if it is not GPX or has no route.
    """
    remarks: list[Remark] = []
    route = xml.parse(stream, name)
    book = find_book(route, name, remarks)
    sizes = _sizes(route, book, name, remarks)
    translator = Translator(sizes, remarks)
    notes = [translator.note(point) for point in book.points]
    whole_km = _whole_km(route, translator, sizes, max((note.km or 0.0 for note in notes), default=0.0))
    translator.finish()
    odometer = _odometer(book, notes, remarks)
    marks = list(_marks(notes, odometer, remarks))
    end_km = odometer.finish(whole_km)
    if marks or not book.is_plain:
        remarks += lint.timed_sections(marks)
    remarks += lint.zones_without_speed(marks)
    remarks += lint.overlaps(marks)
    marks = lint.paired(marks, end_km, remarks)
    sections = cut_sections(marks, end_km, remarks)
    if not sections:
        raise ConfigurationError(
            "the route has no length: all points are at one place",
            where=name,
            hint="give the points distances",
        )
    longest = max(section.length_km for section in sections)
    if longest > LONGEST_SECTION_KM:
        what = f"a section of {longest:g} km"
        raise ConfigurationError(what, where=name, hint="check the distances and their units")
    stage = Stage(next((title for title in route.titles.values() if title), PurePath(name).stem))
    return Imported(Itinerary(stage, sections), _sorted(remarks))


def import_route(stream: BinaryIO, name: str) -> tuple[str, tuple[Remark, ...]]:
    """Read a route file; return the itinerary as TOML text, and the warnings."""
    imported = read(stream, name)
    return itinerary.dumps(imported.itinerary), imported.warnings


def _sizes(route: RouteFile, book: Book, name: str, remarks: list[Remark]) -> Mapping[str, float]:
    """Return the sizes of the file's units; kilometres that must be metres are read as metres."""
    if book.is_plain:
        return elements.METRIC
    sizes = elements.units(route.facts, name, remarks)
    written = [elements.written_distance(point) for point in book.points]
    if sizes["distance"] == 1.0 and numbers.are_metres(written):
        remarks.append(Remark(None, "the distances only fit the route as metres: read as metres"))
        return {**sizes, "distance": METRES}
    return sizes


def _whole_km(
    route: RouteFile, translator: Translator, sizes: Mapping[str, float], reached_km: float
) -> float | None:
    """Return the length that the file states for the whole route; it may be in kilometres although points are not."""
    stated = (translator.distance_km(fact) for fact in route.facts if fact.name == "distance")
    whole_km = next((km for km in stated if km is not None), None)
    if whole_km is None or sizes["distance"] != METRES:
        return whole_km
    return min(whole_km, whole_km / METRES, key=lambda km: abs(km - reached_km))


def _odometer(book: Book, notes: list[Note], remarks: list[Remark]) -> Odometer:
    """Return the odometer for the notes. If distances are missing, set the notes' positions on the line."""
    line = book.line
    is_written = any(note.km is not None for note in notes)
    if line is None:
        return Odometer(remarks)
    sought = [_sought(note) for note in notes]
    places = line.place(sought)
    if book.is_plain and not _agree(notes, places):
        by_km = sorted(
            (note for note in notes if note.marks and note.km is not None), key=lambda note: note.km or 0.0
        )
        sorted_places = line.place([_sought(note) for note in by_km])
        if len(by_km) == sum(bool(note.marks) for note in notes) and _agree(by_km, sorted_places):
            remarks.append(
                Remark(None, "the waypoints are not in the order of their kilometres: sorted by kilometre")
            )
            notes[:], places, sought = by_km, sorted_places, [_sought(note) for note in by_km]
    if book.is_plain:
        nearest = [line.nearest_m(waypoint) if waypoint else None for waypoint in sought]
        if any(place is None and near is not None for place, near in zip(places, nearest, strict=True)):
            remarks.append(Remark(None, "the waypoints are not in the order of the track: sorted along it"))
            places = _sort_along(notes, nearest)
    for note, place in zip(notes, places, strict=True):
        note.line_m = place
    if not book.is_plain:
        return Odometer(remarks, None if is_written else line.length_m)
    _drop_stated(notes, remarks)
    return Odometer(remarks, line.length_m)


def _agree(notes: Sequence[Note], places: Sequence[float | None]) -> bool:
    """Return whether every kilometre in a name agrees with its position on the line."""
    return all(
        note.km is None or (place is not None and route_line.is_near(1000 * note.km, place))
        for note, place in zip(notes, places, strict=True)
    )


def _sort_along(notes: list[Note], nearest: Sequence[float | None]) -> list[float | None]:
    """Sort the notes by their position along the line; one that is off the line stays after its predecessor."""
    order: list[tuple[float, float | None, Note]] = []
    along_m = 0.0
    for note, place in zip(notes, nearest, strict=True):
        along_m = along_m if place is None else place
        order.append((along_m, place, note))
    order.sort(key=lambda item: item[0])
    notes[:] = [note for _, _, note in order]
    return [place for _, place, _ in order]


def _drop_stated(notes: Sequence[Note], remarks: list[Remark]) -> None:
    """Drop kilometres in names in favour of the track's: names are rounded, or left from an earlier version."""
    off = 0
    for note in notes:
        if note.km is not None and note.line_m is not None:
            off += not route_line.is_near(1000 * note.km, note.line_m)
            note.km = None
    if off:
        remarks.append(
            Remark(None, f"the kilometres in {off} names differ from the track: the track's are used")
        )


def _sought(note: Note) -> Sought | None:
    if note.lat is None or note.lon is None:
        return None
    stated_m = None if note.km is None else 1000 * note.km
    kinds = " ".join(mark.waypoint.kind for mark in note.marks)
    return Sought((note.lat, note.lon), stated_m, kinds)


def _marks(notes: Sequence[Note], odometer: Odometer, remarks: list[Remark]) -> Iterator[Mark]:
    """Yield the marks of all notes with their route kilometres. A speed alone changes the limit of a zone."""
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


def _sorted(remarks: list[Remark]) -> tuple[Remark, ...]:
    """Return the remarks in line order, those on the whole file first, at most MAX_REMARKS."""
    remarks = sorted(remarks, key=lambda remark: remark.line or 0)
    if len(remarks) > MAX_REMARKS:
        more = Remark(None, f"and {len(remarks) - MAX_REMARKS} more warnings")
        return (*remarks[:MAX_REMARKS], more)
    return tuple(remarks)
