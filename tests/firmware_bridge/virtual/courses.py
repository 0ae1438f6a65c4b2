"""Small drives for tests, on a straight and on a winding road."""

from __future__ import annotations

import numpy as np

from firmware_bridge.virtual.course import Stretch
from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.virtual.pace import Anchor, Pace
from firmware_bridge.wgs84 import metres_per_degree

NOON_UTC_S = 1_768_478_400
"""15 January 2026, 12:00 UTC."""


def straight(
    length_m: float = 20_000.0, lat: float = 24.0, lon: float = 41.0, course_deg: float = 30.0
) -> Path:
    """A straight line at 500 m, as long as it says to a millimetre over these lengths."""
    s = np.arange(0.0, length_m + 25.0, 25.0)
    north, _ = metres_per_degree(lat)
    lats = lat + s * np.cos(np.radians(course_deg)) / north
    _, east = metres_per_degree((lats + lat) / 2)
    return Path(lats, lon + s * np.sin(np.radians(course_deg)) / east, np.full(len(s), 500.0), s)


def winding(length_m: float = 20_000.0) -> Path:
    """Bends of 60 m radius and wider; a shape in metres around 24 N, measured along itself."""
    u = np.arange(0.0, length_m, 5.0)
    heading = 1.2 * np.sin(u / 110.0) + 0.5 * np.sin(u / 900.0)
    north, east = metres_per_degree(24.0)
    lat = 24.0 + np.cumsum(5.0 * np.cos(heading)) / north
    lon = 41.0 + np.cumsum(5.0 * np.sin(heading)) / east
    return Path(lat, lon, np.full(len(u), 500.0), u)


def steady(
    speed_mps: float = 20.0, duration_s: float = 600.0, path: Path | None = None, utc_s: int = NOON_UTC_S
) -> Drive:
    """One speed from the first to the last second."""
    path = path or straight(speed_mps * duration_s + 100.0)
    return Drive(path, [0.0, duration_s], [0.0, speed_mps * duration_s], [speed_mps, speed_mps], utc_s)


def lively(utc_s: int = NOON_UTC_S) -> Drive:
    """20 minutes: stands for a minute, drives a winding 15 km with a stop on the way, and stands again."""
    pace = Pace(winding(), [Stretch(0.0, 20_000.0, limit_mps=40.0, cruise_mps=30.0)])
    anchors = [(0, 0), (60, 0), (400, 7000), (460, 7000), (900, 15_000), (1200, 15_000)]
    return pace.drive([Anchor(float(t), float(d)) for t, d in anchors], utc_s)
