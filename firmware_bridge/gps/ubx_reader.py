"""Parse a UBX message (as text from the log) into a report on a fix.

Rule 1: a NAV-PVT with a field out of range is ignored and counted, although its checksum is valid: it neither makes a
fix nor denies NMEA's. Rule 2: there is a fix only if the receiver sets gnssFixOK and does not mark the position as
invalid.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from firmware_bridge.errors import WireError
from firmware_bridge.gps.fix_report import ALTITUDES_M, PVT, Report
from firmware_bridge.gps.jump_filter import RECEIVER_LIMIT_MPS
from firmware_bridge.gps.nmea_fields import DAY_US, day_number
from firmware_bridge.protocols import ubx
from firmware_bridge.protocols.nav_pvt import NavPvt, parse

WEEK_MS: Final = 604_800_000
NO_FIX, DEAD_RECKONING, FIX_2D, FIX_3D, COMBINED, TIME_ONLY = range(6)
"""Values of fixType. COMBINED uses satellites and dead reckoning."""
UNKNOWN_MM: Final = 0xFFFF_FFFF
"""Accuracy value for "cannot be estimated"."""
NO_COURSE_E5: Final = 18_000_000
"""A course whose accuracy is 180 degrees or worse is ignored; at standstill the receiver keeps an old one."""


def read(text: str, unreadable: Counter[str]) -> Report | None:
    """Return the report of a message from the log, or None if it does not concern a fix. Count unreadable ones."""
    try:
        kind, payload = ubx.from_text(text)
    except WireError:
        unreadable["UBX message"] += 1
        return None
    if kind != ubx.NAV_PVT:
        return None
    fields = parse(payload)
    if fields is None or not _is_valid(fields):
        unreadable["NAV-PVT"] += 1
        return None
    return _report(fields)


def _report(fields: NavPvt) -> Report:
    time_us, day = _moment(fields)
    quality = _quality(fields)
    if not quality:
        return Report(PVT, time_us, 0, satellites=fields.satellites, day=day)
    has_course = fields.course_accuracy_e5 < NO_COURSE_E5
    return Report(
        PVT,
        time_us,
        quality,
        fields.lat_e7 / 1e7,
        fields.lon_e7 / 1e7,
        fields.sea_level_mm / 1e3,
        fields.ground_mmps / 1e3,
        fields.course_e5 / 1e5 % 360.0 if has_course else None,
        fields.satellites,
        day=day,
        accuracy_m=_accuracy(fields.accuracy_mm),
        alt_accuracy_m=_accuracy(fields.alt_accuracy_mm),
        speed_accuracy_mps=_accuracy(fields.speed_accuracy_mmps),
    )


def _is_valid(fields: NavPvt) -> bool:
    """Return whether all fields are within the protocol's ranges."""
    low_m, high_m = ALTITUDES_M
    return (
        fields.itow_ms < WEEK_MS
        and fields.fix_type <= TIME_ONLY
        and (not fields.valid & 1 or day_number(fields.day, fields.month, fields.year) is not None)
        and (not fields.valid & 2 or (fields.hour < 24 and fields.minute < 60 and fields.second <= 60))
        and abs(fields.nano_ns) <= 1_000_000_000
        and abs(fields.lat_e7) <= 900_000_000
        and abs(fields.lon_e7) <= 1_800_000_000
        and abs(fields.course_e5) <= 36_000_000
        and (
            not _quality(fields)
            or (
                low_m <= fields.sea_level_mm / 1e3 <= high_m
                and 0 <= fields.ground_mmps / 1e3 <= RECEIVER_LIMIT_MPS
            )
        )
    )


def _moment(fields: NavPvt) -> tuple[int | None, int | None]:
    """Return UTC time of day in microseconds and days since 1970; None for those not marked valid.

    The seconds are rounded to a hundredth; `nano_ns` is the remainder and may be negative, so the true time may be on
    the day before. Second 60 is kept, as in NMEA.
    """
    day = day_number(fields.day, fields.month, fields.year) if fields.valid & 1 else None
    if not fields.valid & 2:
        return None, day
    seconds = (fields.hour * 60 + fields.minute) * 60 + fields.second
    time_us = seconds * 1_000_000 + round(fields.nano_ns / 1000)
    if time_us < 0:
        return time_us + DAY_US, None if day is None else day - 1
    if time_us >= DAY_US and fields.second < 60:
        return time_us - DAY_US, None if day is None else day + 1
    return time_us, day


def _quality(fields: NavPvt) -> int:
    """Return the GGA quality, as in u-blox' own GGA."""
    is_ok, is_differential, carrier = fields.flags & 1, fields.flags & 2, fields.flags >> 6
    if not is_ok or fields.fix_type in (NO_FIX, TIME_ONLY) or fields.flags3 & 1:
        return 0
    if fields.fix_type == DEAD_RECKONING:
        return 6
    if carrier in (1, 2):
        return 5 if carrier == 1 else 4
    return 2 if is_differential else 1


def _accuracy(thousandths: int) -> float | None:
    return None if thousandths == UNKNOWN_MM else thousandths / 1e3
