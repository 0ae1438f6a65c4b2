"""Generate an invented road through an itinerary's places, with the roadbook's exact length.

A roadbook gives kilometres and, at most, the coordinates of some waypoints. Between two of those this draws
a winding line: a smooth curve through the known points, displaced sideways by the ground's corners (`terrain`) and by
waves, whose size is solved so that the line's length on the WGS 84 ellipsoid is that of the roadbook. Without any
coordinates the road begins at an invented place. The same itinerary always gives the same road; it is not a real route.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.drive import Floats, Path
from firmware_bridge.virtual.solving import zero
from firmware_bridge.wgs84 import metres_per_degree
from logger.demo import terrain
from logger.demo.terrain import Patch

POINT_SPACING_M = 15.0
"""On a road: dense enough that the chord of the tightest bend is a centimetre short of its arc."""
ROUGH_SPACING_M = 7.5
"""In a timed section, whose corners are tighter and whose crests are short."""
TAPER_M = 600.0
"""The waves fade out over this distance before a known point, so that the line passes it smoothly."""
WIND_M = (23_000.0, 9_000.0, 4_100.0, 1_900.0)
"""Wavelengths of the waves whose size is solved for the length: valleys and dune fields."""
SETTLE_M = 150.0
"""The corners fade out over this distance before a known point."""
WINDING = 0.85
"""Straightness of an invented road: straight distance divided by road distance."""
MIN_WINDING = 0.6
"""Below this straightness a leg goes out and comes back, through an invented point in its middle."""
SAME_PLACE_M = 1.0
"""Known points nearer than this along the road are one place (a time control on the start line)."""
LENGTH_TOLERANCE = 0.005
"""A roadbook's distance may be shorter than the straight line by this share: organisers' odometers are inexact."""
NOWHERE = (24.0, 45.0)
"""Invented start of the road of an itinerary without coordinates."""


class Place(NamedTuple):
    """A known point: its distance from the start of the day (m) and its coordinates."""

    distance_m: float
    lat: float
    lon: float


def road(
    places: Sequence[Place], length_m: float, *, rough: Sequence[tuple[float, float]], seed: int = 0
) -> Path:
    """Return the path through `places`, from 0 to `length_m`. Ground is rough within the `rough` stretches (m).

    Raises ConfigurationError if two places are further apart than the road between them.
    """
    known = _with_turning_points(_with_ends(_distinct(places), length_m))
    directions = _directions(known)
    ground: list[Patch] = []
    legs = []
    for i, (start, end) in enumerate(pairwise(known)):
        rng = np.random.default_rng((seed, i))
        patches = _patches(start, end, rough, rng)
        legs.append(_leg(start, end, directions[i : i + 2], patches, rng))
        ground += patches
    lat, lon, distance = (
        np.concatenate([column[0], *(rest[1:] for rest in column[1:])]) for column in zip(*legs, strict=True)
    )
    surface = terrain.surface(ground, distance, np.random.default_rng(seed))
    return Path(lat, lon, _plain_m(distance) + surface.relief_m, distance, surface.softness, surface.ease)


def length_of(lat: Floats, lon: Floats) -> Floats:
    """Return the cumulative length (m) along points a few metres apart, on the ellipsoid."""
    return np.concatenate(([0.0], np.cumsum(_steps_m(lat, lon))))


def _steps_m(
    lat: Floats, lon: Floats, scale: Callable[[Floats], tuple[Floats, Floats]] = metres_per_degree
) -> Floats:
    per_lat, per_lon = scale((lat[1:] + lat[:-1]) / 2)
    north, east = (lat[1:] - lat[:-1]) * per_lat, (lon[1:] - lon[:-1]) * per_lon
    return np.asarray(np.sqrt(north * north + east * east))


def _distinct(places: Sequence[Place]) -> list[Place]:
    """Return the places in road order without duplicates; longitudes continue past the antimeridian."""
    known: list[Place] = []
    for place in sorted(places):
        if not known or place.distance_m - known[-1].distance_m > SAME_PLACE_M:
            known.append(place)
    lons = np.unwrap([place.lon for place in known], period=360.0).tolist()
    return [place._replace(lon=lon) for place, lon in zip(known, lons, strict=True)]


def _with_ends(known: list[Place], length_m: float) -> list[Place]:
    """Return the known places with a first at 0 and a last at the end, invented if the itinerary has none."""
    if not known:
        known = [Place(0.0, *NOWHERE)]
    if known[0].distance_m > SAME_PLACE_M:
        known = [_beyond(known[0], -known[0].distance_m, course_deg=20.0), *known]
    if length_m - known[-1].distance_m > SAME_PLACE_M:
        known = [*known, _beyond(known[-1], length_m - known[-1].distance_m, course_deg=20.0)]
    first, last = known[0]._replace(distance_m=0.0), known[-1]._replace(distance_m=length_m)
    return [first, *known[1:-1], last]


def _beyond(place: Place, along_m: float, course_deg: float) -> Place:
    north, east = metres_per_degree(place.lat)
    reach, course = along_m * WINDING, np.radians(course_deg)
    lat, lon = place.lat + reach * np.cos(course) / north, place.lon + reach * np.sin(course) / east
    return Place(place.distance_m + along_m, float(lat), float(lon))


def _with_turning_points(known: list[Place]) -> list[Place]:
    """Add a point to the side, out and back, where two places are much nearer than the road between them."""
    out = [known[0]]
    for start, end in pairwise(known):
        length, chord = end.distance_m - start.distance_m, _chord_m(start, end)
        if chord < MIN_WINDING * length:
            north, east = metres_per_degree((start.lat + end.lat) / 2)
            aside = float(np.sqrt((WINDING * length / 2) ** 2 - (chord / 2) ** 2))
            dy, dx = (end.lat - start.lat) * north, (end.lon - start.lon) * east
            across_y, across_x = (-dx / chord, dy / chord) if chord > SAME_PLACE_M else (0.0, 1.0)
            lat = (start.lat + end.lat) / 2 + aside * across_y / north
            lon = (start.lon + end.lon) / 2 + aside * across_x / east
            out.append(Place((start.distance_m + end.distance_m) / 2, float(lat), float(lon)))
        out.append(end)
    return out


def _chord_m(start: Place, end: Place) -> float:
    north, east = metres_per_degree((start.lat + end.lat) / 2)
    return float(np.hypot((end.lat - start.lat) * north, (end.lon - start.lon) * east))


def _directions(known: list[Place]) -> list[tuple[float, float]]:
    """Return a unit vector (north, east) at each place, the mean direction from the last to the next."""
    directions = []
    for i, here in enumerate(known):
        before, after = known[max(0, i - 1)], known[min(len(known) - 1, i + 1)]
        north, east = metres_per_degree(here.lat)
        y, x = float((after.lat - before.lat) * north), float((after.lon - before.lon) * east)
        size = float(np.hypot(y, x)) or 1.0
        directions.append((y / size, x / size))
    return directions


def _patches(
    start: Place, end: Place, rough: Sequence[tuple[float, float]], rng: np.random.Generator
) -> list[Patch]:
    """Return the ground between two places: rough patches, and road outside the rough stretches."""
    slack = 1 - _chord_m(start, end) / (end.distance_m - start.distance_m)
    out: list[Patch] = []
    at = start.distance_m
    for from_m, to_m in sorted(rough):
        first, last = max(at, from_m), min(end.distance_m, to_m)
        if first < last:
            if first > at:
                out.append(Patch(at, first, terrain.ROAD))
            out += terrain.patches(first, last, slack, rng)
            at = last
    return [*out, Patch(at, end.distance_m, terrain.ROAD)] if at < end.distance_m else out


def _leg(
    start: Place,
    end: Place,
    directions: Sequence[tuple[float, float]],
    patches: Sequence[Patch],
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """Return latitudes, longitudes and distances from `start` to `end`, with the length that their distances give."""
    length, chord = end.distance_m - start.distance_m, _chord_m(start, end)
    if chord > length * (1 + LENGTH_TOLERANCE):
        raise ConfigurationError(
            f"the places at km {start.distance_m / 1000:.3f} and {end.distance_m / 1000:.3f} of the day are"
            f" {chord / 1000:.3f} km apart, further than the road between them",
            hint="correct the coordinates or the kilometres",
        )
    line = _Line(start, end, directions, patches, rng)
    if chord >= length or line.length_m(0.0, bend=0.0) >= length:
        lat, lon = line.points(0.0, bend=0.0)
    elif line.length_m(0.0, bend=1.0) >= length:
        lat, lon = line.points(0.0, zero(lambda bend: line.length_m(0.0, bend) - length, 0.0, 1.0))
    else:
        high = 0.1
        while line.length_m(high, bend=1.0) < length:
            high *= 2
        lat, lon = line.points(zero(lambda swing: line.length_m(swing, 1.0) - length, 0.0, high), bend=1.0)
    along = length_of(lat, lon)
    return lat, lon, start.distance_m + along * (length / along[-1])


class _Line:
    """Family of lines between two places: `bend` scales the bends (0: none), `swing` the waves."""

    def __init__(
        self,
        start: Place,
        end: Place,
        directions: Sequence[tuple[float, float]],
        patches: Sequence[Patch],
        rng: np.random.Generator,
    ) -> None:
        length = end.distance_m - start.distance_m
        is_road = all(patch.kind is terrain.ROAD for patch in patches)
        spacing = POINT_SPACING_M if is_road else ROUGH_SPACING_M
        u = np.linspace(0.0, 1.0, max(8, int(length / spacing)) + 1)
        north, east = (float(scale) for scale in metres_per_degree((start.lat + end.lat) / 2))
        dy, dx = (end.lat - start.lat) * north, (end.lon - start.lon) * east
        chord = float(np.hypot(dy, dx)) or 1.0
        # A cubic through both places in the given directions, as its offset from the straight line.
        rise, fall = u * (1 - u) ** 2, -(u**2) * (1 - u)
        (y0, x0), (y1, x1) = directions
        self._straight = u * dy, u * dx
        self._curve = (
            rise * (chord * y0 - dy) + fall * (chord * y1 - dy),
            rise * (chord * x0 - dx) + fall * (chord * x1 - dx),
        )
        self._across = -dx / chord, dy / chord
        s = u * length
        to_end = np.minimum(s, length - s)
        self._waves = _faded(to_end, min(TAPER_M, length / 2)) * sum(
            wave / (2 * np.pi) * np.sin(2 * np.pi * s / wave + rng.uniform(0, 2 * np.pi))
            for wave in (min(wave, length / 1.5) for wave in WIND_M)
        )
        # The corners' slopes add up to a displacement; what remains of it at the end is taken off on the way.
        slope = terrain.slopes(terrain.corners(patches, rng), start.distance_m + s)
        slope *= _faded(to_end, min(SETTLE_M, length / 2))
        aside = np.concatenate(([0.0], np.cumsum(slope[1:] + slope[:-1]))) * (chord / 2 / (len(s) - 1))
        self._bends = aside - aside[-1] * _faded(s, length)
        self._start, self._scale = start, (north, east)
        # Solving for the length takes a dozen lines: a parabola through three latitudes is near enough for these.
        self._middle_lat = (start.lat + end.lat) / 2
        around = max(abs(end.lat - start.lat) / 2, length / north / 4) * np.array([-1.0, 0.0, 1.0])
        self._degree_of: list[list[float]] = [
            np.polyfit(around, metres, 2).tolist() for metres in metres_per_degree(self._middle_lat + around)
        ]

    def points(self, swing: float, bend: float) -> tuple[Floats, Floats]:
        aside = bend * self._bends + swing * self._waves
        y = self._straight[0] + bend * self._curve[0] + self._across[0] * aside
        x = self._straight[1] + bend * self._curve[1] + self._across[1] * aside
        return self._start.lat + y / self._scale[0], self._start.lon + x / self._scale[1]

    def _degree(self, lat: Floats) -> tuple[Floats, Floats]:
        off = lat - self._middle_lat
        (a, b, c), (d, e, f) = self._degree_of
        north: Floats = (a * off + b) * off + c
        east: Floats = (d * off + e) * off + f
        return north, east

    def length_m(self, swing: float, bend: float) -> float:
        return float(np.sum(_steps_m(*self.points(swing, bend), self._degree)))


def _faded(distance_m: Floats, over_m: float) -> Floats:
    """Return a smooth step from 0 to 1 over `over_m`."""
    share: Floats = np.minimum(1.0, distance_m / over_m)
    return share * share * (3 - 2 * share)


def _plain_m(distance_m: Floats) -> Floats:
    """Return invented altitudes (m): a high plain with wide valleys."""
    out: Floats = 980.0 + 140.0 * np.sin(distance_m / 61_000.0) + 22.0 * np.sin(distance_m / 3_700.0)
    return out
