"""Points at a distance on a course: what the tests of geometry and roads start from."""

from __future__ import annotations

import math

from firmware_bridge.wgs84 import ECCENTRICITY_2, SEMI_MAJOR_M, SEMI_MINOR_M
from logger.stage.geo import earth_centred_m

_SECOND_ECCENTRICITY_2 = ECCENTRICITY_2 / (1 - ECCENTRICITY_2)


def destination(lat: float, lon: float, course_deg: float, distance_m: float) -> tuple[float, float]:
    """Latitude and longitude (-180 <= lon < 180) of the point that lies `distance_m` away on a course.

    Within 0.01 % of the distance up to 50 km: it follows the circle that fits the ellipsoid that way.
    """
    phi, lam, course = math.radians(lat), math.radians(lon), math.radians(course_deg)
    sin_phi, cos_phi, sin_lam, cos_lam = math.sin(phi), math.cos(phi), math.sin(lam), math.cos(lam)
    normal_m = SEMI_MAJOR_M / math.sqrt(1 - ECCENTRICITY_2 * sin_phi**2)
    x, y, z = earth_centred_m(lat, lon)
    north_part, east_part = math.cos(course), math.sin(course)
    meridian_m = normal_m * (1 - ECCENTRICITY_2) / (1 - ECCENTRICITY_2 * sin_phi**2)
    radius_m = 1 / (north_part**2 / meridian_m + east_part**2 / normal_m)
    angle = distance_m / radius_m
    ahead, down = radius_m * math.sin(angle), 2 * radius_m * math.sin(angle / 2) ** 2
    east, north = ahead * east_part, ahead * north_part
    outward = -north * sin_phi - down * cos_phi
    return _on_ellipsoid(
        x + outward * cos_lam - east * sin_lam,
        y + outward * sin_lam + east * cos_lam,
        z + north * cos_phi - down * sin_phi,
    )


def _on_ellipsoid(x: float, y: float, z: float) -> tuple[float, float]:
    """Bowring's closed form: exact to nanodegrees this near the surface."""
    axis_m = math.hypot(x, y)
    beta = math.atan2(SEMI_MAJOR_M * z, SEMI_MINOR_M * axis_m)
    phi = math.atan2(
        z + _SECOND_ECCENTRICITY_2 * SEMI_MINOR_M * math.sin(beta) ** 3,
        axis_m - ECCENTRICITY_2 * SEMI_MAJOR_M * math.cos(beta) ** 3,
    )
    lon = math.degrees(math.atan2(y, x))
    return math.degrees(phi), -180.0 if lon == 180.0 else lon
