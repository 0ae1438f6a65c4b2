"""Generate an invented road through an itinerary's places, with the roadbook's exact length.

A roadbook gives kilometres and, at most, the coordinates of some waypoints. Between two of those this draws
a winding line: a smooth curve through the known points, displaced sideways by waves whose size is solved so
that the line's length on the WGS 84 ellipsoid is that of the roadbook. Without any coordinates the road begins
at an invented place. The same itinerary always gives the same road; it is not a real route.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.drive import Floats, Path
from firmware_bridge.virtual.solving import zero
from firmware_bridge.wgs84 import metres_per_degree

POINT_SPACING_M = 15.0
"""Dense enough that the chord of the tightest bend is a centimetre short of its arc."""
TAPER_M = 600.0
"""The waves fade out over this distance before a known point, so that the line passes it smoothly."""
WIND_M = (23_000.0, 9_000.0, 4_100.0, 1_900.0)
"""Wavelengths of the waves whose size is solved for the length: valleys and dune fields."""
BENDS = ((700.0, 0.16), (330.0, 0.14), (170.0, 0.10))
"""Wavelength (m) and slope of the bends on twisty ground."""
ROAD_BENDS = 0.15
"""A public road has this share of those bends."""
TWISTY_M = 6_300.0
"""Twisty and open ground alternate at about this distance."""
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
    """Return the path through `places`, from 0 to `length_m`. Ground is twisty within the `rough` stretches (m).

    Raises ConfigurationError if two places are further apart than the road between them.
    """
    known = _with_turning_points(_with_ends(_distinct(places), length_m))
    directions = _directions(known)
    legs = [
        _leg(start, end, directions[i : i + 2], _twistiness(start, end, rough), seed + i)
        for i, (start, end) in enumerate(pairwise(known))
    ]
    lat, lon, distance = (
        np.concatenate([column[0], *(rest[1:] for rest in column[1:])]) for column in zip(*legs, strict=True)
    )
    return Path(lat, lon, _altitude(distance), distance)


def length_of(lat: Floats, lon: Floats) -> Floats:
    """Return the cumulative length (m) along points a few metres apart, on the ellipsoid."""
    return np.concatenate(([0.0], np.cumsum(_steps_m(lat, lon))))


def _steps_m(lat: Floats, lon: Floats) -> Floats:
    per_lat, per_lon = metres_per_degree((lat[1:] + lat[:-1]) / 2)
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


def _twistiness(start: Place, end: Place, rough: Sequence[tuple[float, float]]) -> float:
    middle = (start.distance_m + end.distance_m) / 2
    return 1.0 if any(a <= middle <= b for a, b in rough) else ROAD_BENDS


def _leg(
    start: Place, end: Place, directions: Sequence[tuple[float, float]], twistiness: float, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Return latitudes, longitudes and distances from `start` to `end`, with the length that their distances give."""
    length, chord = end.distance_m - start.distance_m, _chord_m(start, end)
    if chord > length * (1 + LENGTH_TOLERANCE):
        raise ConfigurationError(
            f"the places at km {start.distance_m / 1000:.3f} and {end.distance_m / 1000:.3f} of the day are"
            f" {chord / 1000:.3f} km apart, further than the road between them",
            hint="correct the coordinates or the kilometres",
        )
    line = _Line(start, end, directions, twistiness, seed)
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
        twistiness: float,
        seed: int,
    ) -> None:
        length = end.distance_m - start.distance_m
        u = np.linspace(0.0, 1.0, max(8, int(length / POINT_SPACING_M)) + 1)
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
        rng = np.random.default_rng(seed)
        s = u * length
        taper = np.minimum(1.0, np.minimum(s, length - s) / min(TAPER_M, length / 2))
        fade = taper * taper * (3 - 2 * taper)
        self._waves = fade * sum(
            wave / (2 * np.pi) * np.sin(2 * np.pi * s / wave + rng.uniform(0, 2 * np.pi))
            for wave in (min(wave, length / 1.5) for wave in WIND_M)
        )
        open_ground = 0.5 + 0.5 * np.sin(2 * np.pi * s / TWISTY_M + rng.uniform(0, 2 * np.pi))
        self._bends = (
            fade
            * open_ground
            * twistiness
            * sum(
                slope * wave / (2 * np.pi) * np.sin(2 * np.pi * s / wave + rng.uniform(0, 2 * np.pi))
                for wave, slope in BENDS
            )
        )
        self._start, self._scale = start, (north, east)

    def points(self, swing: float, bend: float) -> tuple[Floats, Floats]:
        aside = bend * self._bends + swing * self._waves
        y = self._straight[0] + bend * self._curve[0] + self._across[0] * aside
        x = self._straight[1] + bend * self._curve[1] + self._across[1] * aside
        return self._start.lat + y / self._scale[0], self._start.lon + x / self._scale[1]

    def length_m(self, swing: float, bend: float) -> float:
        return float(np.sum(_steps_m(*self.points(swing, bend))))


def _altitude(distance_m: Floats) -> Floats:
    """Return invented altitudes (m): a high plain with wadis."""
    out: Floats = 980.0 + 140.0 * np.sin(distance_m / 61_000.0) + 22.0 * np.sin(distance_m / 3_700.0)
    return out + 1.5 * np.sin(distance_m / 160.0)
