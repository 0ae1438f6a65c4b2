"""How the review writes times: UTC as ISO 8601, elapsed times as standings print them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)


def utc_text(utc_us: float | None) -> str | None:
    """ISO 8601 with milliseconds and Z; None for a time that is not known or that no calendar holds."""
    if utc_us is None or not math.isfinite(utc_us):
        return None
    try:
        moment = _EPOCH + timedelta(microseconds=round(utc_us))
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_day(utc_us: float | None) -> str:
    """Hours, minutes and seconds of UTC, or a dash."""
    text = utc_text(utc_us)
    return "-" if text is None else text[11:19]


def elapsed_text(seconds: float | None) -> str:
    """h:mm:ss, in whole seconds as standings count them, or a dash."""
    if seconds is None:
        return "-"
    whole = whole_s(seconds)
    sign = "-" if whole < 0 else ""
    whole = abs(whole)
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def gap_text(seconds: float | None) -> str:
    """A difference as "+49 s", "+4:00:00", or a dash."""
    if seconds is None:
        return "-"
    whole = whole_s(seconds)
    sign = "-" if whole < 0 else "+"
    return f"{sign}{abs(whole)} s" if abs(whole) < 100 else f"{sign}{elapsed_text(abs(whole))}"


def whole_s(seconds: float) -> int:
    """The nearest whole second: GPS tells an instant to a few hundredths, either way."""
    return math.floor(seconds + 0.5)
