"""Streaming GPX parser: bytes to points and extension values, in bounded memory.

Handles the structure of GPX: points, their `extensions`, and line numbers. The meaning of elements such as `dz` is in
`elements.py`.

expat delivers one tag at a time; only short values are kept, and drawings are skipped, so memory depends on the number
of waypoints, not on the size of the file. Names are matched without their namespace, because every version and program
has its own; extensions of other vendors (such as Garmin) are recognized by their namespace and ignored. A file may be
hostile: document types are refused before their first entity is declared (no entity bombs, no external files), and
sizes are limited.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, NoReturn
from xml.parsers import expat
from xml.parsers.expat import errors as expat_errors

from firmware_bridge.errors import ConfigurationError

FORMS = ("wpt", "rtept", "trkpt")
"""The three kinds of point in GPX, the likeliest to carry a roadbook first."""
ATTRIBUTES = ("name", "open", "clear", "time", "allowed", "kph", "mph")
"""The attributes used by any version of OpenRally."""

CHUNK_BYTES = 1 << 18
MAX_BYTES = 1 << 27
"""128 MB: the largest exports, with a drawing on each of a thousand notes, are some tens of megabytes."""
MAX_TOKEN_BYTES = 1 << 21
"""2 MB: expat buffers a whole tag or comment, and some exporters write a picture as an attribute."""
MAX_DEPTH = 200
"""Nested elements: GPX needs five, an inline SVG drawing some ten more."""
MAX_ELEMENTS = 100_000
"""Values kept: a thousand notes with a dozen elements each are an eighth of this."""
MAX_VALUE_CHARS = 200
"""Characters kept of one value: names are shorter, drawings are not needed. An ellipsis marks a cut."""
MAX_LINE_POINTS = 500_000
"""Points of the route's line that are kept: a day's drive at 10 Hz has 360,000, a planned route some thousands."""

SHAPE = "rpt"
"""Garmin's element within a route point: a position of the road to the next one."""
LABELS = ("desc", "cmt", "sym", "type")
"""GPX elements of a point, besides its name, in which programs write the kind of waypoint."""

_CUT_SHORT = {expat_errors.XML_ERROR_NO_ELEMENTS, expat_errors.XML_ERROR_UNCLOSED_TOKEN,
              expat_errors.XML_ERROR_UNCLOSED_CDATA_SECTION, expat_errors.XML_ERROR_PARTIAL_CHAR}  # fmt: skip
_ENCODING = {expat_errors.XML_ERROR_UNKNOWN_ENCODING, expat_errors.XML_ERROR_INCORRECT_ENCODING}


class Element(NamedTuple):
    """One element of an `extensions`: its local name in lower case, its line, text and known attributes."""

    name: str
    line: int
    text: str
    attributes: Mapping[str, str]


class Point(NamedTuple):
    """One point with a name, a label or an element. `lat` and `lon` are as written, or None."""

    form: str
    line: int
    lat: str | None
    lon: str | None
    names: list[str]
    labels: list[str]
    elements: list[Element]


@dataclass(slots=True)
class RouteFile:
    """The contents of a GPX file that an itinerary may need."""

    titles: dict[str, str] = field(default_factory=dict)
    """The first name of the metadata, of a route and of a track, by parent element."""
    facts: list[Element] = field(default_factory=list)
    """The extension elements of the whole file, such as its units."""
    points: list[Point] = field(default_factory=list)
    """The points with extension elements, in file order."""
    named: list[Point] = field(default_factory=list)
    """Waypoints and route points without extension elements, in file order."""
    plain: Counter[str] = field(default_factory=Counter)
    """Number of points without extension elements, by form."""
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """The positions (latitude, longitude) of all route points, their roads between, and all track points, by form."""


def parse(stream: BinaryIO, name: str) -> RouteFile:
    """Parse the GPX file `stream`, called `name` in messages.

    Raises ConfigurationError, with the line, if the file is incomplete, hostile or not GPX.
    """
    reader = _Reader(name)
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        if not size:
            chunk = (
                chunk.lstrip(b" \t\r\n") or chunk
            )  # some exporters write white space first, which XML forbids
        size += len(chunk)
        if size > MAX_BYTES:
            reader.refuse(f"over {MAX_BYTES >> 20} MB", "export the route without pictures")
        reader.feed(chunk, size)
    if not size:
        raise ConfigurationError("the file is empty", where=name, hint="export the route again")
    reader.feed(b"", size)
    return reader.route


def _is_openrally(namespace: str) -> bool:
    """Return whether a namespace is OpenRally's (any version), GPX's (elements without a prefix) or empty."""
    return not namespace or "openrally" in namespace.lower() or "/GPX/1/" in namespace


def _position(*written: str | None) -> tuple[float, float] | None:
    """Return the position of a line's point, or None if it has none (0, 0 counts as none). Accepts decimal commas."""
    try:
        lat, lon = (float((text or "").replace(",", ".")) for text in written)
    except ValueError:
        return None
    is_one = math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180
    return (lat, lon) if is_one and (lat or lon) else None


def _kept(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else text[:MAX_VALUE_CHARS] + "…"


@dataclass(slots=True)
class _Value:
    """An element whose text is being collected, up to a little more than MAX_VALUE_CHARS."""

    depth: int
    line: int
    attributes: Mapping[str, str]
    is_openrally: bool
    text: str = ""

    def collect(self, text: str) -> None:
        if len(self.text) <= MAX_VALUE_CHARS:
            self.text = (self.text + text[: MAX_VALUE_CHARS + 1]).lstrip()


class _Reader:
    """expat's callbacks. `route` is complete after the last `feed`, which has no bytes."""

    def __init__(self, name: str) -> None:
        self.route = RouteFile()
        self._shape: list[tuple[str, str]] = []
        self._name = name
        self._path: list[str] = []
        self._point: Point | None = None
        self._value: _Value | None = None
        self._elements = 0
        self._has_begun = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def refuse(self, what: str, hint: str) -> NoReturn:
        raise ConfigurationError(what, where=f"{self._name}:{self._parser.CurrentLineNumber}", hint=hint)

    def feed(self, chunk: bytes, size: int) -> None:
        """Parse the next chunk; `size` is the number of bytes so far. An empty chunk ends the file."""
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            self._broken(error)
        except ConfigurationError:
            raise
        except (LookupError, ValueError) as error:  # raised by pyexpat for an unsupported encoding
            self.refuse(f"unreadable encoding ({error})", "save the file as UTF-8")
        if size - self._parser.CurrentByteIndex > MAX_TOKEN_BYTES:
            self.refuse(f"one tag of over {MAX_TOKEN_BYTES >> 20} MB", "export the route without pictures")

    def _broken(self, error: expat.ExpatError) -> NoReturn:
        reason = expat.ErrorString(error.code)
        where = f"{self._name}:{error.lineno}"
        if reason in _CUT_SHORT:
            what, hint = f"the file is cut short ({reason})", "export or copy the route again"
        elif reason in _ENCODING:
            what, hint = f"unreadable encoding ({reason})", "save the file as UTF-8"
        elif not self._has_begun:
            what, hint = "not an XML file", "give an OpenRally GPX file"
        elif reason == expat_errors.XML_ERROR_INVALID_TOKEN:
            what, hint = "damaged, or not in the encoding that it names", "save the file as UTF-8"
        else:
            what, hint = f"not well-formed XML ({reason})", "export the route again"
        raise ConfigurationError(what, where=where, hint=hint) from error

    def _doctype(self, *_: object) -> None:
        self.refuse(
            "document types are refused: they can hide entity bombs", "delete the <!DOCTYPE ...> part"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, local = tag.rpartition(" ")
        self._parser.CharacterDataHandler = None
        self._path.append(local)
        self._has_begun = True
        if len(self._path) == 1 and local != "gpx":
            self.refuse(f"the file is <{_kept(local)}>, not <gpx>", "give an OpenRally GPX file")
        if len(self._path) > MAX_DEPTH:
            self.refuse(f"elements nested more than {MAX_DEPTH} deep", "export the route again")
        line = self._parser.CurrentLineNumber
        if self._value is not None:  # inside a drawing
            return
        if local in FORMS and self._point is None:
            lat, lon = attributes.get("lat"), attributes.get("lon")
            self._point = Point(local, line, lat and _kept(lat), lon and _kept(lon), [], [], [])
        elif local == SHAPE and self._point is not None:
            self._shape.append((attributes.get("lat", ""), attributes.get("lon", "")))
        elif self._is_value(namespace):
            known = {key: _kept(attributes[key]) for key in ATTRIBUTES if key in attributes}
            is_own = self._path[-2] != "extensions" and "openrally" not in namespace.lower()
            self._value = _Value(len(self._path), line, known, not is_own)
            self._parser.CharacterDataHandler = self._value.collect

    def _is_value(self, namespace: str) -> bool:
        match self._path:
            case ["gpx", "extensions", _] | [*_, "metadata" | "wpt" | "rtept" | "trkpt", "extensions", _]:
                return _is_openrally(namespace)
            case [*_, "metadata" | "rte" | "trk" | "wpt" | "rtept" | "trkpt", "name"]:
                return True
            case [*_, "wpt" | "rtept", label] if label in LABELS:
                return True
            case ["gpx", _] | [*_, "wpt" | "rtept" | "trkpt", _]:  # GPX 1.0 has no <extensions>
                return "openrally" in namespace.lower()
        return False

    def _end(self, _tag: str) -> None:
        self._parser.CharacterDataHandler = None
        depth = len(self._path)
        local = self._path.pop()
        if self._value is not None:
            if self._value.depth == depth:
                self._keep(local, self._value)
                self._value = None
        elif self._point is not None and local == self._point.form and local not in self._path:
            self._keep_point(self._point)
            self._point = None

    def _keep_point(self, point: Point) -> None:
        if point.form != "wpt":
            line = self.route.lines.setdefault(point.form, [])
            positions = [_position(point.lat, point.lon), *(_position(*shape) for shape in self._shape)]
            line += [position for position in positions if position is not None]
            self._shape.clear()
            if len(line) > MAX_LINE_POINTS:
                self.refuse(f"over {MAX_LINE_POINTS:,} {point.form} points", "export the route, not a drive")
        if point.elements:
            self.route.points.append(point)
            return
        self.route.plain[point.form] += 1
        if point.form != "trkpt" and (point.names or point.labels or point.form == "wpt"):
            self._count_value()
            self.route.named.append(point)

    def _keep(self, local: str, value: _Value) -> None:
        self._count_value()
        text = _kept(" ".join(value.text.split()))
        parent = self._path[-1]
        if value.is_openrally:
            element = Element(local.lower(), value.line, text, value.attributes)
            (self.route.facts if self._point is None else self._point.elements).append(element)
        elif self._point is None:
            self.route.titles.setdefault(parent, text)
        elif local == "name":
            self._point.names.append(text)
        elif text:
            self._point.labels.append(text)

    def _count_value(self) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            self.refuse(f"over {MAX_ELEMENTS:,} values", "export the route in parts")
