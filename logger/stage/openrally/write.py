"""Export an itinerary as OpenRally GPX v1.0.3, for the programs of organisers and navigators.

Follows the schema's order and types. There is one `wpt` per waypoint, with its distance from the start of the
route without resets, so that no reader has to guess where they apply.

`read.py` reads the same itinerary back, except what the format cannot express: the event, its number and date,
speed limits outside zones, start times, the names and kinds of sections (a DSS begins a timed section, an ASS ends
it; other consecutive sections become one liaison), a time at a dt, a target time without a time control. Distances
are to the metre; radii, speeds and times are whole numbers, with speeds rounded down so that no copy allows more
than the original.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from firmware_bridge.errors import ConfigurationError
from logger.stage.itinerary import Itinerary, Waypoint

OPENRALLY = "http://www.openrally.org/xmlschemas/GpxExtensions/v1.0.3"
GPX = "http://www.topografix.com/GPX/1/1"

_ELEMENTS = {"cp": "checkpoint", "dn": "neutralization", "tc": "timecontrol"}
"""Elements whose name in the schema differs from the kind in the itinerary."""
_PLAIN = {"neutralization", "timecontrol"}
"""Elements without name and radii in the schema."""
_NOT_NAMES = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
"""Characters that XML cannot hold, other control characters, and those that change the reading direction."""


class _Placed(NamedTuple):
    """A waypoint, its distance from the start of the route, and the minutes to the next time control."""

    waypoint: Waypoint
    route_km: float
    allowed_min: float | None


def write(itinerary: Itinerary) -> bytes:
    """Return the itinerary as an OpenRally GPX file in UTF-8.

    Raises ConfigurationError for a waypoint without coordinates, and for an itinerary without waypoints.
    """
    attributes = {"xmlns": GPX, "xmlns:openrally": OPENRALLY, "version": "1.1", "creator": "stagelog"}
    gpx = ElementTree.Element("gpx", attributes)
    metadata = ElementTree.SubElement(gpx, "metadata")
    _text(metadata, "name", itinerary.stage.name)
    facts = ElementTree.SubElement(metadata, "extensions")
    _text(facts, "openrally:units", "metric")
    _text(facts, "openrally:distance", _km(sum(section.length_km for section in itinerary.sections)))
    for placed in _placed(itinerary):
        _add_wpt(gpx, placed)
    if gpx.find("wpt") is None:
        raise ConfigurationError("the itinerary has no waypoints", hint="add some: a route is made of them")
    ElementTree.indent(gpx)
    file: bytes = ElementTree.tostring(gpx, encoding="UTF-8", xml_declaration=True)
    return file + b"\n"


def _placed(itinerary: Itinerary) -> Iterator[_Placed]:
    start_km = 0.0
    for section in itinerary.sections:
        allowed_min = section.target_min
        for waypoint in section.waypoints:
            holds = waypoint.kind == "tc"
            yield _Placed(waypoint, start_km + waypoint.km, allowed_min if holds else None)
            allowed_min = None if holds else allowed_min
        start_km += section.length_km


def _add_wpt(gpx: ElementTree.Element, placed: _Placed) -> None:
    waypoint, name = placed.waypoint, placed.waypoint.name
    if waypoint.lat is None or waypoint.lon is None:
        called = f'{waypoint.kind} "{name}"' if name else waypoint.kind
        raise ConfigurationError(
            f"{called} at km {waypoint.km:g} has no coordinates and GPX has no other way to place it",
            hint="add its lat and lon to the itinerary",
        )
    lon = -180.0 if waypoint.lon == 180 else waypoint.lon  # GPX counts longitudes up to, not including, 180
    wpt = ElementTree.SubElement(gpx, "wpt", lat=f"{waypoint.lat:.9f}", lon=f"{lon:.9f}")
    if name:
        _text(wpt, "name", name)
    extensions = ElementTree.SubElement(wpt, "extensions")
    _text(extensions, "openrally:distance", _km(placed.route_km))
    word = _ELEMENTS.get(waypoint.kind, waypoint.kind)
    element = ElementTree.SubElement(extensions, f"openrally:{word}")
    if word not in _PLAIN:
        given = {"name": _clean(name), "open": _whole(waypoint.open_m), "clear": _whole(waypoint.clear_m)}
        element.attrib.update({key: value for key, value in given.items() if value})
    if word == "neutralization":
        element.text = str(round(waypoint.time_s or 0))
    if word == "timecontrol" and placed.allowed_min is not None:
        element.set("allowed", _whole(placed.allowed_min))
    if waypoint.speed_kmh is not None:
        _text(extensions, "openrally:speed", str(max(1, math.floor(waypoint.speed_kmh))))


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = _clean(text)


def _clean(text: str) -> str:
    """A name without control characters."""
    return _NOT_NAMES.sub("", text)


def _km(km: float) -> str:
    return f"{km:.3f}"


def _whole(number: float | None) -> str:
    return "" if number is None else str(max(1, round(number)))
