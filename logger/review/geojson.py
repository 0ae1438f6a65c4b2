"""Read shapes from a GeoJSON file that somebody else made: a road network, a route, an area closed to cars.

Positions follow RFC 7946: longitude, latitude, in degrees of WGS 84. A geometry that is not made of such positions is
counted and left out; a file without any other is refused in one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import printable
from logger.boundary.file_kind import other_kind
from logger.boundary.untrusted_json import loads
from logger.config.input_files import read_bytes

Positions = NDArray[np.float64]
"""Rows of longitude and latitude in degrees."""
MAX_BYTES: Final = 16_000_000
"""The roads of a desert as large as a stage have less. The worst text of this size takes 400 MB to parse."""
MAX_SHAPES: Final = 200_000
"""Geometries and their parts: each takes about 20 us to read."""
MAX_NAME_CHARS: Final = 40
"""A longer name of a place does not fit on a map."""
LEAST_RING: Final = 3
"""Positions of an outline; some programs do not repeat the first one at its end."""
_CONVERT: Final = "convert it with QGIS, or with `ogr2ogr -t_srs EPSG:4326 OUT.geojson FILE`"
_CUT: Final = "cut out the neighbourhood of the stage, for example with `ogr2ogr -clipsrc`"
_RECORD_SEPARATOR: Final = b"\x1e"
"""Before each document of a GeoJSON text sequence (RFC 8142)."""


class Place(NamedTuple):
    """A named point. The name may be empty."""

    name: str
    position: Positions


class Shapes(NamedTuple):
    """The shapes of a file. An area is its outline and its holes. `unread` counts geometries without positions."""

    lines: list[Positions]
    areas: list[list[Positions]]
    places: list[Place]
    unread: int


def read_geojson(path: Path) -> Shapes:
    """The shapes of a file: one GeoJSON document, or one on each line. Raises ConfigurationError."""
    data, where = read_bytes(path), str(path)
    if data.startswith(b"PMTiles"):
        raise ConfigurationError("this is a PMTiles archive, not GeoJSON", where=where, hint=_CONVERT)
    if (kind := other_kind(path, "text")) is not None:
        raise ConfigurationError(f"this is {kind.name}, not GeoJSON", where=where, hint=_CONVERT)
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"over {MAX_BYTES // 1_000_000} MB", where=where, hint=_CUT)
    reader = _Reader(where)
    for name, kind_of, coordinates in _geometries(_documents(data, where)):
        reader.add(name, kind_of, coordinates)
    shapes = reader.shapes()
    if shapes.lines or shapes.areas or shapes.places:
        return shapes
    if shapes.unread:
        what = "no coordinates in degrees of longitude and latitude"
        raise ConfigurationError(what, where=where, hint=_CONVERT)
    raise ConfigurationError("no lines, areas or points", where=where, hint="check that it is GeoJSON")


def _documents(data: bytes, where: str) -> list[Any]:
    text = data.removeprefix(b"\xef\xbb\xbf")  # some programs of Windows write this mark at the beginning
    try:
        try:
            return [loads(text, max_bytes=MAX_BYTES, surrogates="replace")]
        except ValueError:
            lines = text.replace(_RECORD_SEPARATOR, b"\n").split(b"\n")
            documents = [line for line in lines if line.strip()]
            if len(documents) < 2 or not all(line.lstrip().startswith(b"{") for line in documents[:2]):
                raise
            return [loads(line, max_bytes=MAX_BYTES, surrogates="replace") for line in documents]
    except ValueError as error:
        raise ConfigurationError(f"not GeoJSON: {printable(error)}", where=where, hint=_CONVERT) from error


def _geometries(documents: list[Any], name: str = "") -> Iterator[tuple[str, object, Any]]:
    """Name, type and coordinates of every geometry. `loads` bounds the depth."""
    for item in documents:
        if not isinstance(item, dict):
            continue
        properties = item.get("properties")
        own = properties.get("name") if isinstance(properties, dict) else None
        called = own if isinstance(own, str) else name
        if "coordinates" in item:
            yield called, item.get("type"), item["coordinates"]
        for key in ("features", "geometries", "geometry"):
            below = item.get(key)
            if below is not None:
                yield from _geometries(below if isinstance(below, list) else [below], called)


class _Reader:
    """Gathers the shapes of a file, as many as it may have."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._count = 0
        self._lines: list[Positions] = []
        self._areas: list[list[Positions]] = []
        self._places: list[Place] = []
        self._unread = 0

    def shapes(self) -> Shapes:
        return Shapes(self._lines, self._areas, self._places, self._unread)

    def add(self, name: str, kind: object, coordinates: Any) -> None:
        """Add a geometry, or count it as unread. Raises ConfigurationError if there are too many."""
        self._counted()
        try:
            self._add(name, kind, coordinates)
        except ConfigurationError:  # also a ValueError
            raise
        except (TypeError, ValueError, OverflowError, LookupError):
            self._unread += 1

    def _add(self, name: str, kind: object, coordinates: Any) -> None:
        match kind:
            case _ if coordinates == []:  # RFC 7946 takes it for no geometry
                pass
            case "Point":
                self._places.append(self._place(name, coordinates))
            case "MultiPoint":
                self._places += [self._place(name, position) for position in coordinates]
            case "LineString":
                self._lines.append(self._positions(coordinates, 2))
            case "MultiLineString":
                self._lines += [self._positions(line, 2) for line in coordinates]
            case "Polygon":
                self._areas.append([self._positions(ring, LEAST_RING) for ring in coordinates])
            case "MultiPolygon":
                self._areas += [[self._positions(ring, LEAST_RING) for ring in area] for area in coordinates]
            case _:
                raise ValueError("not a type of geometry")

    def _counted(self) -> None:
        self._count += 1
        if self._count > MAX_SHAPES:
            raise ConfigurationError(f"over {MAX_SHAPES:,} shapes", where=self._where, hint=_CUT)

    def _place(self, name: str, position: Any) -> Place:
        return Place(printable(name.strip(), MAX_NAME_CHARS), self._positions([position], 1)[0])

    def _positions(self, coordinates: Any, least: int) -> Positions:
        self._counted()
        return positions(coordinates, least)


def positions(coordinates: Any, least: int) -> Positions:
    """Coordinates as rows of longitude and latitude, at least so many.

    Raises TypeError, ValueError, OverflowError or LookupError if they are something else.
    """
    try:
        degrees = np.array(coordinates, dtype=np.float64)
    except ValueError:  # some positions have a height, others not
        degrees = np.array([position[:2] for position in coordinates], dtype=np.float64)
    if degrees.ndim != 2 or degrees.shape[1] < 2 or len(degrees) < least:
        raise ValueError("not a list of positions")
    degrees = degrees[:, :2]
    if not (np.abs(degrees) <= (360.0, 90.0)).all():  # also for nan; some programs write 0 to 360
        raise ValueError("not in degrees")
    return degrees
