"""OpenRally elements, attributes and units: translate one point of the file into one `Note`.

Covers all versions of the format seen so far; XML, routes and sections are handled elsewhere.

One table describes the elements. Each one makes a waypoint, states a value, or is known but not used in an
itinerary; an element outside the table is unknown. Unused and unknown elements are counted and listed in a
warning. A bad value never rejects a file: it is left out with a warning that has its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.stage.itinerary import Waypoint
from logger.stage.openrally import numbers
from logger.stage.openrally.lint import Mark, Remark
from logger.stage.openrally.numbers import MILE_KM, YARD_M
from logger.stage.openrally.xml import Element, Point


class Statement(NamedTuple):
    """A number in a text or an attribute: the value it sets and the unit it is written in."""

    value: str
    unit: str


class Meaning(NamedTuple):
    """The meaning of an element: a waypoint of `kind`, a value that its text `states`, or neither."""

    kind: str = ""
    states: Statement | None = None


DISTANCE = Statement("km", "distance")
RESET = Statement("reset_km", "distance")
SPEED = Statement("speed_kmh", "speed")
SECONDS = Statement("time_s", "second")
UNUSED = Meaning()

# In driving order at one place: ends of zones and pauses, the start, waypoints, controls, the finish, begins of zones
# and pauses. Second and later names of a kind are those of older versions and other programs.
ELEMENTS: Mapping[str, Meaning] = {
    **dict.fromkeys(["fz", "endofzone"], Meaning("fz")),
    "fn": Meaning("fn"),
    "ft": Meaning("ft"),
    **dict.fromkeys(["dss", "startspecialstage"], Meaning("dss")),
    "wpv": Meaning("wpv"),
    **dict.fromkeys(["wpe", "waypointeclipse"], Meaning("wpe")),
    **dict.fromkeys(["wpm", "waypointmasked"], Meaning("wpm")),
    **dict.fromkeys(["wps", "waypointsafety"], Meaning("wps")),
    "wpc": Meaning("wpc"),
    "wpn": Meaning("wpn"),
    "wpp": Meaning("wpp"),
    **dict.fromkeys(["checkpoint", "cp", "passagecontrol"], Meaning("cp")),
    **dict.fromkeys(["ass", "finishspecialstage"], Meaning("ass")),
    **dict.fromkeys(["timecontrol", "tc"], Meaning("tc")),
    **dict.fromkeys(["neutralization", "neutralisation", "sn", "dn"], Meaning("dn", SECONDS)),
    "dt": Meaning("dt", SECONDS),
    **dict.fromkeys(["dz", "startofzone"], Meaning("dz", SPEED)),
    "distance": Meaning(states=DISTANCE),
    "speed": Meaning(states=SPEED),
    **dict.fromkeys(["reset", "resettozero"], Meaning(states=RESET)),
    **dict.fromkeys(["tulip", "notes", "show_coordinates", "cap", "capheading", "gps"], UNUSED),
    **dict.fromkeys(["danger", "onedanger", "twodanger", "threedanger", "giveway", "village"], UNUSED),
    **dict.fromkeys(["stop", "stopcontrol", "fuel", "endfuel", "radio", "toilets", "sensitivezone"], UNUSED),
    **dict.fromkeys(
        ["startofassistance", "finishofassistance", "begintireservice", "endtireservice"], UNUSED
    ),
    **dict.fromkeys(["medical", "helicopter", "police", "fire", "spectators", "media"], UNUSED),
}
"""Every element of the schemas v0.1 to v1.0.3, and others seen in route files."""

ATTRIBUTES: Mapping[str, Statement] = {
    "open": Statement("open_m", "radius"),
    "clear": Statement("clear_m", "radius"),
    "time": SECONDS,  # Rally Navigator's dt
    "allowed": Statement("allowed_min", "minute"),  # a time control's, to the next one
    "kph": Statement("speed_kmh", "kph"),  # v0.1
    "mph": Statement("speed_kmh", "mph"),
}

_FIXED = {"second": 1.0, "minute": 1.0, "kph": 1.0, "mph": MILE_KM, "degree": 1.0}
METRIC = {"distance": 1.0, "speed": 1.0, "radius": 1.0, **_FIXED}
_STATUTE = {"distance": MILE_KM, "speed": MILE_KM, "radius": YARD_M, **_FIXED}
UNITS = {"metric": METRIC, "statute": _STATUTE, "statue": _STATUTE}
"""A unit's size in km, km/h, m, s and minutes. The schema's comment has "statute", its list "statue"."""

RANGES = {
    "km": (0.0, 5000.0),
    "reset_km": (0.0, 5000.0),
    "speed_kmh": (1.0, 400.0),
    "open_m": (1.0, 20_000.0),
    "clear_m": (1.0, 20_000.0),
    "time_s": (0.0, 86_400.0),
    "allowed_min": (1.0, 2880.0),
    "lat": (-90.0, 90.0),
    "lon": (-180.0, 180.0),
}
"""Valid range of each value, within that of an itinerary: a number outside is a typing error or damage."""

DECIMALS = 9
"""Decimals kept of a number: 0.1 mm of a degree, and no rounding error of a conversion (104.60736000000001)."""

_WORDS = {
    "km": "distance", "reset_km": "reset", "speed_kmh": "speed", "open_m": "open", "clear_m": "clear",
    "time_s": "time", "allowed_min": "allowed", "lat": "lat", "lon": "lon",
}  # fmt: skip
_VALUES_OF = {"dz": {"speed_kmh"}, "dn": {"time_s"}, "dt": {"time_s"}, "tc": {"allowed_min"}}
_ORDER = [meaning.kind for meaning in ELEMENTS.values()]
_MAX_NAMED = 40


@dataclass(slots=True)
class Note:
    """One point of the roadbook. `marks` have no kilometres yet; None: not stated by the point."""

    line: int
    lat: float | None
    lon: float | None
    line_m: float | None = None
    """Its distance along the route's line, if measured."""
    km: float | None = None
    reset_km: float | None = None
    speed_kmh: float | None = None
    marks: list[Mark] = field(default_factory=list)


def _quoted(name: str) -> str:
    return f'"{name[:40]}"'


def units(facts: Sequence[Element], name: str, remarks: list[Remark]) -> Mapping[str, float]:
    """Return the sizes of the file's units. Raises ConfigurationError for unknown units: limits must not be guessed."""
    for fact in facts:
        if fact.name == "units":
            try:
                return UNITS[fact.text.lower()]
            except KeyError:
                raise ConfigurationError(
                    f"unknown units {fact.text!r}",
                    where=f"{name}:{fact.line}",
                    hint='write "metric" or "statute"',
                ) from None
    remarks.append(Remark(None, "the file names no units: kilometres, km/h and metres assumed"))
    return METRIC


def written_distance(point: Point) -> tuple[float | None, tuple[float, float] | None]:
    """Return a point's distance as written and its position, without range checks."""
    text = next((element.text for element in point.elements if element.name == "distance"), "")
    values = [
        numbers.read(written or "", measure, 1.0)
        for written, measure in ((text, "distance"), (point.lat, "degree"), (point.lon, "degree"))
    ]
    km, lat, lon = (number.value if number else None for number in values)
    hidden = lat is None or lon is None or abs(lat) > 90 or lat == lon == 0
    return km, None if hidden else (lat, lon)  # type: ignore[return-value]


class Translator:
    """Translate points into notes; add remarks for whatever is left out."""

    def __init__(self, sizes: Mapping[str, float], remarks: list[Remark]) -> None:
        self._sizes = sizes
        self._remarks = remarks
        self._unused: dict[str, list[int]] = {}
        self._unknown: dict[str, list[int]] = {}
        self._without_position: list[int] = []
        self._with_comma: list[int] = []

    def note(self, point: Point) -> Note:
        """Return the note for one point."""
        lat, lon = self._position(point)
        note = Note(point.line, lat, lon)
        for element in point.elements:
            meaning = ELEMENTS.get(element.name)
            if meaning is None:
                self._unknown.setdefault(element.name, []).append(element.line)
            elif meaning.kind:
                self._add_mark(note, element, meaning, point)
            elif meaning.states:
                number = self._values(element, meaning).get(meaning.states.value)
                if number is not None:
                    setattr(note, meaning.states.value, number)
                elif meaning.states is RESET:
                    note.reset_km = 0.0  # the schema's default
            else:
                self._unused.setdefault(element.name, []).append(element.line)
        note.marks.sort(key=lambda mark: _ORDER.index(mark.waypoint.kind))
        self._give_speed(note)
        return note

    def distance_km(self, element: Element) -> float | None:
        """Return the distance that an element states."""
        return self._values(element, ELEMENTS["distance"]).get("km")

    def finish(self) -> None:
        """Add the remarks that summarize the whole file: unused and unknown elements, decimal commas, positions."""
        for found, what in (
            (self._unused, "ignored, not used in an itinerary: "),
            (self._unknown, "ignored, unknown elements: "),
        ):
            if found:
                names = [f"{_quoted(name)} x {len(lines)}" for name, lines in sorted(found.items())]
                more = [f"{len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else []
                first = min(lines[0] for lines in found.values())
                self._remarks.append(Remark(first, what + ", ".join(names[:_MAX_NAMED] + more)))
        if self._with_comma:
            what = f"{len(self._with_comma)} numbers written with a decimal comma: read as with a point"
            self._remarks.append(Remark(self._with_comma[0], what))
        if self._without_position:
            count = len(self._without_position)
            what = f"no position (or 0, 0) for {count} points: only their kilometres are used"
            self._remarks.append(Remark(self._without_position[0], what))

    def _add_mark(self, note: Note, element: Element, meaning: Meaning, point: Point) -> None:
        kind = meaning.kind
        values: dict[str, Any] = self._values(element, meaning)
        minutes = values.pop("allowed_min", None)
        for name in values.keys() - {"open_m", "clear_m"} - _VALUES_OF.get(kind, set()):
            del values[name]
            self._remarks.append(Remark(element.line, f"{kind} has no {_WORDS[name]} of its own: left out"))
        if kind in ("dn", "dt") and not values.get("time_s"):
            values.pop("time_s", None)  # 0 seconds means an unknown duration
        name = element.attributes.get("name", point.names[0] if point.names else "").strip()
        waypoint = Waypoint(km=0.0, kind=kind, name=name, lat=note.lat, lon=note.lon, **values)
        note.marks.append(Mark(element.line, waypoint, minutes if kind == "tc" else None))

    def _give_speed(self, note: Note) -> None:
        """Apply a zone's limit that is written as a separate element beside the dz."""
        limit = note.speed_kmh
        if limit is None:
            return
        for index, mark in enumerate(note.marks):
            if mark.waypoint.kind == "dz":
                own = mark.waypoint.speed_kmh
                if own is not None and own != limit:
                    what = f"two limits for one zone, {own:g} and {limit:g} km/h: the lower one is used"
                    self._remarks.append(Remark(mark.line, what))
                lower = limit if own is None else min(own, limit)
                note.marks[index] = mark._replace(waypoint=replace(mark.waypoint, speed_kmh=lower))
                note.speed_kmh = None

    def _values(self, element: Element, meaning: Meaning) -> dict[str, float]:
        """Return the values of an element's text and attributes, in km, km/h, metres, seconds and minutes."""
        stated = [(meaning.states, element.text)] if meaning.states else []
        stated += [(ATTRIBUTES[key], text) for key, text in element.attributes.items() if key in ATTRIBUTES]
        values: dict[str, float] = {}
        for statement, text in stated:
            number = self._number(text, statement.value, statement.unit, element)
            if number is not None:
                values[statement.value] = number
        return values

    def _number(self, text: str, value: str, unit: str, element: Element | Point) -> float | None:
        if not text.strip():
            return None
        measure = "speed" if unit in ("kph", "mph") else unit
        number = numbers.read(text, measure, self._sizes[unit])
        if number is None:
            what = "is not a number"
        else:
            if number.has_comma:
                self._with_comma.append(element.line)
            least, most = RANGES[value]
            rounded = round(number.value, DECIMALS)
            if least <= rounded <= most:
                return rounded
            what = f"is not between {least:g} and {most:g}"
        name = element.name if isinstance(element, Element) else element.form
        self._remarks.append(
            Remark(element.line, f"{_WORDS[value]} {text!r} of {_quoted(name)} {what}: left out")
        )
        return None

    def _position(self, point: Point) -> tuple[float, float] | tuple[None, None]:
        """Return the point's position, or None twice. Exporters write 0, 0 (open sea) for a hidden position."""
        lat = self._number(point.lat or "", "lat", "degree", point)
        lon = self._number(point.lon or "", "lon", "degree", point)
        if lat is None or lon is None or lat == lon == 0:
            self._without_position.append(point.line)
            return None, None
        return lat, lon
