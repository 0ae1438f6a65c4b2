"""Format times for tables: time of day, elapsed times and gaps as in printed standings."""

from __future__ import annotations

import math

from logger.boundary.utc_text import utc_text


def time_of_day(utc_us: float | None) -> str:
    """UTC as hh:mm:ss, or a dash."""
    text = utc_text(utc_us)
    return "-" if text is None else text[11:19]


def elapsed_text(seconds: float | None) -> str:
    """Elapsed time as h:mm:ss in whole seconds, or a dash."""
    if seconds is None:
        return "-"
    whole = whole_s(seconds)
    sign = "-" if whole < 0 else ""
    whole = abs(whole)
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def tenths_text(seconds: float | None) -> str:
    """Elapsed time as h:mm:ss.t, or a dash."""
    if seconds is None:
        return "-"
    tenths = math.floor(abs(seconds) * 10 + 0.5)
    return f"{'-' if seconds < 0 and tenths else ''}{elapsed_text(tenths // 10)}.{tenths % 10}"


def gap_tenths_text(seconds: float) -> str:
    """A time difference in tenths as "+3.8 s" or "+0:02:03.4"."""
    sign = "-" if seconds < 0 else "+"
    tenths = math.floor(abs(seconds) * 10 + 0.5)
    return f"{sign}{tenths / 10:.1f} s" if tenths < 1000 else f"{sign}{tenths_text(tenths / 10)}"


def gap_text(seconds: float | None) -> str:
    """A time difference as "+49 s" or "+4:00:00", or a dash."""
    if seconds is None:
        return "-"
    whole = whole_s(seconds)
    sign = "-" if whole < 0 else "+"
    return f"{sign}{abs(whole)} s" if abs(whole) < 100 else f"{sign}{elapsed_text(abs(whole))}"


def whole_s(seconds: float) -> int:
    """Round to the nearest second: GPS times are accurate to a few hundredths in both directions."""
    return math.floor(seconds + 0.5)
