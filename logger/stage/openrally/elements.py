"""OpenRally's words: what each element, attribute and unit of the format means.

Knows the words of every version met so far, and nothing of XML, of routes or of sections: one point of the
file in, one `Note` out.

The idea: one table. An element of it makes a waypoint, states a value, or is known and has no place in an
itinerary; whatever is not in it is unknown. Both of the latter are counted, to be named in a warning, and one
bad value never refuses a file: it is left out with a warning that has its line.
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
    """A number that a text or an attribute states: the value it sets and the unit it is written in."""

    value: str
    unit: str


class Meaning(NamedTuple):
    """What an element stands for: a waypoint of `kind`, what its text `states`, or neither."""

    kind: str = ""
    states: Statement | None = None


DISTANCE = Statement("km", "distance")
RESET = Statement("reset_km", "distance")
SPEED = Statement("speed_kmh", "speed")
SECONDS = Statement("time_s", "second")
NO_PLACE = Meaning()

# In the order in which a car meets what stands at one place: what ends there, the start, controls, the
# finish, what begins there. Second and later names of a kind are older versions' and other programs'.
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
    **dict.fromkeys(["tulip", "notes", "show_coordinates", "cap", "capheading", "gps"], NO_PLACE),
    **dict.fromkeys(["danger", "onedanger", "twodanger", "threedanger", "giveway", "village"], NO_PLACE),
    **dict.fromkeys(
        ["stop", "stopcontrol", "fuel", "endfuel", "radio", "toilets", "sensitivezone"], NO_PLACE
    ),
    **dict.fromkeys(
        ["startofassistance", "finishofassistance", "begintireservice", "endtireservice"], NO_PLACE
    ),
    **dict.fromkeys(["medical", "helicopter", "police", "fire", "spectators", "media"], NO_PLACE),
}
"""Every element of the schemas v0.1 to v1.0.3, and what was seen beside them."""

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
"""A unit's size in km, km/h, m, s and minutes. The schema's comment says "statute", its list "statue"."""

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
"""What a value can be, within what an itinerary takes: beyond it a number is a slip of the pen, or damage."""

DECIMALS = 9
"""Of every number: 0.1 mm of a degree, and a conversion leaves no traces (104.60736000000001)."""

_SAID = {
    "km": "distance", "reset_km": "reset", "speed_kmh": "speed", "open_m": "open", "clear_m": "clear",
    "time_s": "time", "allowed_min": "allowed", "lat": "lat", "lon": "lon",
}  # fmt: skip
_VALUES_OF = {"dz": {"speed_kmh"}, "dn": {"time_s"}, "dt": {"time_s"}, "tc": {"allowed_min"}}
_ORDER = [meaning.kind for meaning in ELEMENTS.values()]
_MOST_NAMED = 40


@dataclass(slots=True)
class Note:
    """One point of the roadbook. `marks` have no kilometres yet; None is what the point does not say."""

    line: int
    lat: float | None
    lon: float | None
    line_m: float | None = None
    """How far along the route's line it lies, where that has been measured."""
    km: float | None = None
    reset_km: float | None = None
    speed_kmh: float | None = None
    marks: list[Mark] = field(default_factory=list)


def _quoted(name: str) -> str:
    return f'"{name[:40]}"'


def units(facts: Sequence[Element], name: str, remarks: list[Remark]) -> Mapping[str, float]:
    """The sizes of the file's units. ConfigurationError for units not known: limits must not be guessed."""
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
    """A point's distance as written and its position, before any of it is judged."""
    text = next((element.text for element in point.elements if element.name == "distance"), "")
    values = [
        numbers.read(written or "", measure, 1.0)
        for written, measure in ((text, "distance"), (point.lat, "degree"), (point.lon, "degree"))
    ]
    km, lat, lon = (number.value if number else None for number in values)
    hidden = lat is None or lon is None or abs(lat) > 90 or lat == lon == 0
    return km, None if hidden else (lat, lon)  # type: ignore[return-value]


class Translator:
    """Turns points into notes; remarks on what it leaves out."""

    def __init__(self, sizes: Mapping[str, float], remarks: list[Remark]) -> None:
        self._sizes = sizes
        self._remarks = remarks
        self._without_place: dict[str, list[int]] = {}
        self._unknown: dict[str, list[int]] = {}
        self._without_position: list[int] = []
        self._with_comma: list[int] = []

    def note(self, point: Point) -> Note:
        """What one point says."""
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
                self._without_place.setdefault(element.name, []).append(element.line)
        note.marks.sort(key=lambda mark: _ORDER.index(mark.waypoint.kind))
        self._give_speed(note)
        return note

    def distance_km(self, element: Element) -> float | None:
        """The distance that an element states."""
        return self._values(element, ELEMENTS["distance"]).get("km")

    def finish(self) -> None:
        """Remark on what was left out throughout, each kind of thing in one line."""
        for found, what in (
            (self._without_place, "ignored, an itinerary has no place for them: "),
            (self._unknown, "ignored, not known as OpenRally: "),
        ):
            if found:
                names = [f"{_quoted(name)} x {len(lines)}" for name, lines in sorted(found.items())]
                more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
                first = min(lines[0] for lines in found.values())
                self._remarks.append(Remark(first, what + ", ".join(names[:_MOST_NAMED] + more)))
        if self._with_comma:
            what = f"{len(self._with_comma)} numbers written with a decimal comma: read as with a point"
            self._remarks.append(Remark(self._with_comma[0], what))
        if self._without_position:
            count = len(self._without_position)
            what = f"no position (0, 0 is none) for {count} points: their kilometres alone serve"
            self._remarks.append(Remark(self._without_position[0], what))

    def _add_mark(self, note: Note, element: Element, meaning: Meaning, point: Point) -> None:
        kind = meaning.kind
        values: dict[str, Any] = self._values(element, meaning)
        minutes = values.pop("allowed_min", None)
        for name in values.keys() - {"open_m", "clear_m"} - _VALUES_OF.get(kind, set()):
            del values[name]
            self._remarks.append(Remark(element.line, f"{kind} has no {_SAID[name]} of its own: left out"))
        if kind in ("dn", "dt") and not values.get("time_s"):
            values.pop("time_s", None)  # 0 seconds says that the length is not known
        name = element.attributes.get("name", point.names[0] if point.names else "").strip()
        waypoint = Waypoint(km=0.0, kind=kind, name=name, lat=note.lat, lon=note.lon, **values)
        note.marks.append(Mark(element.line, waypoint, minutes if kind == "tc" else None))

    def _give_speed(self, note: Note) -> None:
        """The second spelling of a zone's limit: an element beside the dz."""
        limit = note.speed_kmh
        if limit is None:
            return
        for index, mark in enumerate(note.marks):
            if mark.waypoint.kind == "dz":
                own = mark.waypoint.speed_kmh
                if own is not None and own != limit:
                    what = f"two limits for one zone, {own:g} and {limit:g} km/h: the lower is taken"
                    self._remarks.append(Remark(mark.line, what))
                lower = limit if own is None else min(own, limit)
                note.marks[index] = mark._replace(waypoint=replace(mark.waypoint, speed_kmh=lower))
                note.speed_kmh = None

    def _values(self, element: Element, meaning: Meaning) -> dict[str, float]:
        """What an element's text and attributes state, in km, km/h, metres, seconds and minutes."""
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
            what = "is no number"
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
            Remark(element.line, f"{_SAID[value]} {text!r} of {_quoted(name)} {what}: left out")
        )
        return None

    def _position(self, point: Point) -> tuple[float, float] | tuple[None, None]:
        """Where the point lies. 0, 0 is open sea: exporters write it for a position that is hidden."""
        lat = self._number(point.lat or "", "lat", "degree", point)
        lon = self._number(point.lon or "", "lon", "degree", point)
        if lat is None or lon is None or lat == lon == 0:
            self._without_position.append(point.line)
            return None, None
        return lat, lon
