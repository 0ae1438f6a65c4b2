"""UBX NAV-PVT messages of the virtual receiver, one per epoch, as a u-blox sends them.

The receiver's clock is slightly off the epoch, as in reality: the time rounds to the hundredth that the sentences have,
and the remainder, which may be negative, is in the nanoseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from firmware_bridge.protocols import ubx
from firmware_bridge.protocols.nav_pvt import build
from firmware_bridge.virtual.drive import Moments
from firmware_bridge.virtual.rows import Ints

CLOCK_ERROR_NS: Final = -148_000
"""A u-blox steers its clock to a fraction of a millisecond."""
WEEK_MS: Final = 604_800_000
GPS_WEEK_OFFSET_MS: Final = (4 * 86_400 + 18) * 1000
"""GPS weeks begin on Sunday, 18 leap seconds ahead of UTC; 1 January 1970 was a Thursday."""
ACCURACY_MM, ALT_ACCURACY_MM, SPEED_ACCURACY_MMPS = 900, 1_600, 80
FIX_3D, FIX_OK = 3, 1
GEOID_M: Final = -12.0
"""Approximate height of the geoid over the ellipsoid in western Arabia."""
DATE_AND_TIME: Final = 0b0111
"""validDate, validTime, fullyResolved."""


def solutions(utc_ms: Ints, seen: Moments, used: Ints, *, has_time: bool, has_fix: bool) -> list[bytes]:
    """Return the messages of epochs in which the receiver has the same state (time, fix)."""
    messages = []
    for row, (at_ms, satellites) in enumerate(zip(utc_ms.tolist(), used.tolist(), strict=True)):
        fields = _time(at_ms, has_time) | (_fix(seen, row, satellites) if has_fix else {"pdop_e2": 9999})
        messages.append(ubx.encode(ubx.NAV_PVT, build(**fields)))
    return messages


def _time(utc_ms: int, has_time: bool) -> dict[str, int]:
    at = datetime.fromtimestamp(utc_ms // 1000, UTC)
    return {
        "itow_ms": (utc_ms + GPS_WEEK_OFFSET_MS) % WEEK_MS,
        **{name: getattr(at, name) for name in ("year", "month", "day", "hour", "minute", "second")},
        "nano_ns": utc_ms % 1000 * 1_000_000 + CLOCK_ERROR_NS,
        "valid": DATE_AND_TIME if has_time else 0,
        "time_accuracy_ns": 25,
    }


def _fix(seen: Moments, row: int, satellites: int) -> dict[str, int]:
    return {
        "fix_type": FIX_3D,
        "flags": FIX_OK,
        "satellites": satellites,
        "lat_e7": round(float(seen.lat[row]) * 1e7),
        "lon_e7": round(float(seen.lon[row]) * 1e7),
        "ellipsoid_mm": round(float(seen.alt_m[row]) * 1e3),
        "sea_level_mm": round((float(seen.alt_m[row]) - GEOID_M) * 1e3),
        "accuracy_mm": ACCURACY_MM,
        "alt_accuracy_mm": ALT_ACCURACY_MM,
        "ground_mmps": round(float(seen.speed_mps[row]) * 1e3),
        "course_e5": round(float(seen.course_deg[row]) * 1e5),
        "speed_accuracy_mmps": SPEED_ACCURACY_MMPS,
        "course_accuracy_e5": 200_000,
        "pdop_e2": 150,
    }
