"""Strict parsers for NMEA fields: times of day, dates, angles, decimals.

Text is ASCII. Each parser returns None for text that is not a value of its type; the caller decides what follows.
"""

from __future__ import annotations

import datetime
import math
import re
from functools import lru_cache
from typing import Final

DAY_US: Final = 86_400_000_000
FIRST_TWO_DIGIT_YEAR: Final = 80
"""GPS time begins in 1980: 80-99 mean 1980-1999, 00-79 mean 2000-2079."""

_DATE = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})")


@lru_cache(maxsize=4)  # the sentences of an epoch share their time, those of a day their date
def time_of_day_us(text: str) -> int | None:
    """Parse `hhmmss` with any decimals, to the microsecond; second 60 is a leap second. None if not a time."""
    whole, _, decimals = text.partition(".")
    if len(whole) != 6 or not (whole + decimals).isdigit():
        return None
    hours, rest = divmod(int(whole), 10_000)
    minutes, seconds = divmod(rest, 100)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    fraction = int(decimals[:6].ljust(6, "0")) if decimals else 0
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction


def day_number(day: int, month: int, year: int) -> int | None:
    """Return the days from 1970 to a civil date; None if it does not exist or lies before 1980 (GPS time)."""
    try:
        days = (datetime.date(year, month, day) - datetime.date(1970, 1, 1)).days
    except ValueError:
        return None
    return days if year >= 1980 else None


@lru_cache(maxsize=4)
def two_digit_date(text: str) -> int | None:
    """Parse `ddmmyy` as days from 1970; None if not a date."""
    if not (match := _DATE.fullmatch(text)):
        return None
    year = int(match[3])
    return day_number(int(match[1]), int(match[2]), year + (1900 if year >= FIRST_TWO_DIGIT_YEAR else 2000))


@lru_cache(maxsize=16)  # RMC and VTG share speed and course, and the dilution seldom changes
def decimal(text: str) -> float | None:
    """Parse a plain decimal number; None for anything else, also where `float` accepts it (nan, 1e9, 1_0)."""
    digits = text.replace(".", "", 1)
    if digits.isdigit() or (text[:1] in ("+", "-") and digits[1:].isdigit()):
        number = float(text)
        return number if math.isfinite(number) else None  # hundreds of digits overflow
    return None


def angle_deg(text: str, hemisphere: str, sides: str, limit: float) -> float | None:
    """Parse `dddmm.mmm` and a hemisphere, one of the two `sides` (the positive one first), as signed degrees."""
    if not text.replace(".", "", 1).isdigit() or len(hemisphere) != 1 or hemisphere not in sides:
        return None
    degrees, minutes = divmod(float(text), 100.0)
    angle = degrees + minutes / 60.0
    # Firmware that rounds 59.99999 up writes 60 minutes; hundreds of digits overflow to a value out of range.
    if not (minutes <= 60.0 and angle <= limit):
        return None
    return angle if hemisphere == sides[0] else -angle
