"""Distance, course and circle crossing on the WGS 84 ellipsoid, for distances of a rally stage.

Points are converted to earth-centred metres. A chord between two points has no special case at the poles or the
antimeridian; over 50 km the arc above it is longer by 2.6 parts in a million, which one term of its series
corrects. So nothing here divides by the cosine of a latitude. Latitudes and longitudes are degrees, north and
east positive; longitudes may lie outside ±180. Heights are taken as zero.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from firmware_bridge.wgs84 import ECCENTRICITY_2, SEMI_MAJOR_M

Position = tuple[float, float]
"""Latitude and longitude in degrees."""

_POLAR_RATIO_2 = 1 - ECCENTRICITY_2

MEAN_RADIUS_M = 6_371_008.8
"""Used only to convert a chord to an arc, where a 0.5 % error of the radius changes 50 km by a millimetre."""

HORIZON_M = 80_000.0
"""A point this far below the tangent plane is 1,000 km away: it cannot lie in a waypoint's circle."""


class Crossing(NamedTuple):
    """The part of a segment inside a circle: fractions of the way from its start (0) to its end (1).

    `enter` is 0 if it starts inside, `leave` 1 if it ends inside. `nearest_m` is the smallest distance from
    the centre, reached at `nearest`.
    """

    enter: float
    nearest: float
    leave: float
    nearest_m: float


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the metres along the ground between two points: within 0.01 % up to 50 km, 0.6 % up to 10,000 km."""
    a, b = _frame(lat1, lon1), _frame(lat2, lon2)
    chord = math.sqrt((b.x - a.x) ** 2 + (b.y - a.y) ** 2 + (b.z - a.z) ** 2)
    return 2 * MEAN_RADIUS_M * math.asin(min(1.0, chord / (2 * MEAN_RADIUS_M)))


def course_deg(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the course at the first point towards the second, 0 <= course < 360; 0 if the points coincide.

    At a pole the given longitude defines the course.
    """
    east, north, _ = _tangent(_frame(lat1, lon1), _frame(lat2, lon2))
    course = math.degrees(math.atan2(east, north)) % 360.0
    return 0.0 if course == 360.0 else course  # a tiny negative angle rounds up to a whole turn


def offset_m(a: Position, b: Position) -> tuple[float, float]:
    """Return the metres east and north from `a` to `b` (lat, lon), in the tangent plane at `a`."""
    east_m, north_m, _ = _tangent(_frame(*a), _frame(*b))
    return east_m, north_m


def earth_centred_m(lat: float, lon: float) -> tuple[float, float, float]:
    """Return a point of the ellipsoid in metres from the earth's centre; chords between near points are distances."""
    return _frame(lat, lon)[:3]


def crossing(a: Position, b: Position, centre: Position, radius_m: float) -> Crossing | None:
    """Return where the straight segment from `a` to `b` (lat, lon) lies in the circle, or None if it misses it.

    Touching counts. Computed in the tangent plane at the centre; the error 20 km away is 0.03 m.
    """
    middle = _frame(*centre)
    ax, ay, a_up = _tangent(middle, _frame(*a))
    bx, by, b_up = _tangent(middle, _frame(*b))
    if min(a_up, b_up) < -HORIZON_M:
        return None
    dx, dy = bx - ax, by - ay
    length_2 = dx * dx + dy * dy
    closest = -(ax * dx + ay * dy) / length_2 if length_2 > 0 else 0.0
    nearest = min(1.0, max(0.0, closest))
    nearest_m = math.hypot(ax + nearest * dx, ay + nearest * dy)
    if nearest_m > radius_m:
        return None
    if length_2 == 0:
        return Crossing(0.0, 0.0, 1.0, nearest_m)
    off_line_2 = (ax + closest * dx) ** 2 + (ay + closest * dy) ** 2
    half = math.sqrt(max(0.0, radius_m**2 - off_line_2) / length_2)
    return Crossing(
        min(nearest, max(0.0, closest - half)), nearest, max(nearest, min(1.0, closest + half)), nearest_m
    )


class _Frame(NamedTuple):
    """A point of the ellipsoid in earth-centred metres, with sine and cosine of its latitude and longitude."""

    x: float
    y: float
    z: float
    sin_phi: float
    cos_phi: float
    sin_lam: float
    cos_lam: float
    normal_m: float  # radius of curvature across the meridian


# A drive uses the same few points repeatedly: the last fix, the waypoints ahead.
@lru_cache(maxsize=256)
def _frame(lat: float, lon: float) -> _Frame:
    phi, lam = math.radians(lat), math.radians(lon)
    sin_phi, cos_phi, sin_lam, cos_lam = math.sin(phi), math.cos(phi), math.sin(lam), math.cos(lam)
    normal_m = SEMI_MAJOR_M / math.sqrt(1 - ECCENTRICITY_2 * sin_phi**2)
    axis_m = normal_m * cos_phi
    z = normal_m * _POLAR_RATIO_2 * sin_phi
    return _Frame(axis_m * cos_lam, axis_m * sin_lam, z, sin_phi, cos_phi, sin_lam, cos_lam, normal_m)


def _tangent(origin: _Frame, point: _Frame) -> tuple[float, float, float]:
    """Return a point as metres east, north and up of the origin."""
    x, y, z, sin_phi, cos_phi, sin_lam, cos_lam, _ = origin
    dx, dy, dz = point[0] - x, point[1] - y, point[2] - z
    outward = dx * cos_lam + dy * sin_lam
    return dy * cos_lam - dx * sin_lam, dz * cos_phi - outward * sin_phi, outward * cos_phi + dz * sin_phi
