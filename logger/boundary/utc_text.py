"""Format UTC as every document has it: ISO 8601 with milliseconds and Z."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def utc_text(utc_us: float | None) -> str | None:
    """Format microseconds since 1970; None for a time that is unknown or beyond the calendar."""
    if utc_us is None or not math.isfinite(utc_us):
        return None
    try:
        moment = _EPOCH + timedelta(microseconds=round(utc_us))
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
