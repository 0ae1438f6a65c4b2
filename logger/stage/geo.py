"""Geometry on the WGS 84 ellipsoid over the distances of a stage, one pair of points at a time.

The idea: go through earth-centred metres. A chord between two points knows no poles and no antimeridian, and
over 50 km the arc above it is longer by 2.6 parts in a million, which one term of its series puts back. So
nothing here divides by the cosine of a latitude. Latitudes and longitudes are degrees, north and east
positive; longitudes may lie outside ±180. Heights are taken as zero.
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
"""Only turns a chord into an arc, where a radius wrong by 0.5 % moves 50 km by a millimetre."""

HORIZON_M = 80_000.0
"""A point this far below the tangent plane is 1,000 km away: it casts no shadow on a waypoint's circle."""


class Crossing(NamedTuple):
    """Where a segment lies in a circle: fractions of the way from its start (0) to its end (1).

    `enter` is 0 when it starts inside, `leave` 1 when it ends inside. `nearest_m` is the least distance from
    the centre, reached at `nearest`.
    """

    enter: float
    nearest: float
    leave: float
    nearest_m: float


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Metres along the ground between two points: within 0.01 % up to 50 km, 0.6 % up to 10,000 km."""
    a, b = _frame(lat1, lon1), _frame(lat2, lon2)
    chord = math.sqrt((b.x - a.x) ** 2 + (b.y - a.y) ** 2 + (b.z - a.z) ** 2)
    return 2 * MEAN_RADIUS_M * math.asin(min(1.0, chord / (2 * MEAN_RADIUS_M)))


def course_deg(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """The course at the first point towards the second, 0 <= course < 360; 0 when they are one point.

    At a pole, where every course is south or north, it is the one that the pole's stated longitude gives.
    """
    east, north, _ = _tangent(_frame(lat1, lon1), _frame(lat2, lon2))
    course = math.degrees(math.atan2(east, north)) % 360.0
    return 0.0 if course == 360.0 else course  # a tiny negative angle rounds up to a whole turn


def offset_m(a: Position, b: Position) -> tuple[float, float]:
    """Metres east and north from fix `a` to fix `b` (lat, lon), in the plane that touches the earth at `a`."""
    east_m, north_m, _ = _tangent(_frame(*a), _frame(*b))
    return east_m, north_m


def earth_centred_m(lat: float, lon: float) -> tuple[float, float, float]:
    """A point of the ellipsoid in metres from the earth's centre: chords between near points are distances."""
    return _frame(lat, lon)[:3]


def crossing(a: Position, b: Position, centre: Position, radius_m: float) -> Crossing | None:
    """Where the straight way from fix `a` to fix `b` (lat, lon) meets the circle, or None where it does not.

    Touching counts. It is measured in the plane that touches the earth at the centre: 20 km away that is
    0.03 m off.
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
    """A point of the ellipsoid in earth-centred metres, and the directions there."""

    x: float
    y: float
    z: float
    sin_phi: float
    cos_phi: float
    sin_lam: float
    cos_lam: float
    normal_m: float  # radius of curvature across the meridian


# A drive asks about the same few points again and again: the last fix, the waypoints ahead.
@lru_cache(maxsize=256)
def _frame(lat: float, lon: float) -> _Frame:
    phi, lam = math.radians(lat), math.radians(lon)
    sin_phi, cos_phi, sin_lam, cos_lam = math.sin(phi), math.cos(phi), math.sin(lam), math.cos(lam)
    normal_m = SEMI_MAJOR_M / math.sqrt(1 - ECCENTRICITY_2 * sin_phi**2)
    axis_m = normal_m * cos_phi
    z = normal_m * _POLAR_RATIO_2 * sin_phi
    return _Frame(axis_m * cos_lam, axis_m * sin_lam, z, sin_phi, cos_phi, sin_lam, cos_lam, normal_m)


def _tangent(origin: _Frame, point: _Frame) -> tuple[float, float, float]:
    """A point in metres east, north and up of the origin."""
    x, y, z, sin_phi, cos_phi, sin_lam, cos_lam, _ = origin
    dx, dy, dz = point[0] - x, point[1] - y, point[2] - z
    outward = dx * cos_lam + dy * sin_lam
    return dy * cos_lam - dx * sin_lam, dz * cos_phi - outward * sin_phi, outward * cos_phi + dz * sin_phi
