"""Format UTC as every document has it: ISO 8601 with milliseconds and Z."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - without a time zone, its text has none


def utc_text(utc_us: float | None) -> str | None:
    """Format microseconds since 1970; None for a time that is unknown or beyond the calendar."""
    if utc_us is None or not math.isfinite(utc_us):
        return None
    seconds, ms = divmod(round(utc_us) // 1000, 1000)
    text = _second_text(seconds)
    return text and f"{text}.{ms:03d}Z"


@lru_cache(maxsize=16)
def _second_text(seconds: int) -> str | None:
    """The text of a whole second, which several documents share; None beyond the calendar."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return None
