"""What is read from a route, in short forms; the official examples beside this checkout."""

from __future__ import annotations

from collections.abc import Mapping

from logger.stage.itinerary import Itinerary
from logger.stage.openrally.read import Imported
from tests.logger.stage.openrally.route_files import imported, wpt


def points(route: Itinerary) -> list[tuple[str, float]]:
    return [(point.kind, point.km) for section in route.sections for point in section.waypoints]


GOOD: Mapping[float, list[str]] = {
    0: ["dss"],
    2: ["wpm clear='90'"],
    4: ["dz", "speed=50"],
    5: ["fz"],
    6: ["neutralization=60"],
    7: ["fn"],
    9: ["ass"],
}


def book(changes: Mapping[float, list[str] | None]) -> Imported:
    """The good route with the notes at some kilometres changed, added or taken out."""
    notes: dict[float, list[str] | None] = {**GOOD, **changes}
    return imported(*(wpt(km, *note) for km, note in sorted(notes.items()) if note is not None))
