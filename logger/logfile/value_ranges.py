"""The range of values that a recorder writes, by column.

SQLite keeps any number in any column. A value out of range comes from a damaged page or from a log made to do harm;
taken for a measurement it overflows an average, dates a row in the year 10^13, or starts a loop over a million years.
Readers treat it as unknown, or refuse the log, and `verify` reports it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from firmware_bridge.errors import LogError
from firmware_bridge.records import ALL_FLAGS, EXTENDED_MASK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DAY_US: Final = 86_400_000_000
_GPS_EPOCH_US: Final = 315_964_800_000_000
"""6 January 1980: GPS time starts here."""
_END_US: Final = 7_258_118_400_000_000
"""The year 2200."""
_MAX_NUMBERED: Final = 2**31 - 1
"""Sessions are numbered from 1."""

RANGES: Final[dict[str, tuple[float, float]]] = {
    "session": (0, _MAX_NUMBERED),
    # A log that `replay` made from another program's file keeps that file's times, which may be UTC.
    "t_us": (-_DAY_US, _END_US),
    "utc_us": (_GPS_EPOCH_US, _END_US),
    "error_us": (0, _END_US),
    "lat": (-90.0, 90.0),
    "lon": (-180.0, 180.0),
    "alt_m": (-100_000.0, 100_000.0),
    # Receivers report up to plausibility.RECEIVER_LIMIT_MPS, or twice that when wrong; readers check the rest.
    "speed_mps": (-10_000.0, 10_000.0),
    "course_deg": (-360.0, 720.0),
    "quality": (-1_000.0, 1_000.0),
    "satellites": (0.0, 10_000.0),
    "hdop": (0.0, 1e6),
    "accuracy_m": (0.0, 1e9),
    "alt_accuracy_m": (0.0, 1e9),
    "speed_accuracy_mps": (0.0, 1e9),
    "bus": (0, 2**15 - 1),
    "can_id": (0, ALL_FLAGS | EXTENDED_MASK),
    # An engine value may be any number that a DBC scales to.
    "value": (-1e30, 1e30),
    "section": (0, 10_000),
    # A hundred times around the earth.
    "distance_m": (-4e9, 4e9),
    "elapsed_s": (-1e9, 1e9),
    "average_mps": (-10_000.0, 10_000.0),
    "limit_kmh": (0.0, 10_000.0),
}
"""Both ends are included. A column not listed here may hold any number."""

_FREE_US: Final = 86_400_000_000
"""One day: a recorder left on overnight with silent sources writes hardly any rows. Its replay takes 6 s."""
_ROW_US: Final = 10_000_000
"""A recorder writes `progress` every second; this allows ten times as long per row."""


def require_rows_for(session: int, span_us: float, rows: int) -> None:
    """Raise LogError if a session's times span more than its rows can: processing it would not end."""
    if span_us > max(_FREE_US, rows * _ROW_US):
        what = f"session {session} lasts {span_us / _DAY_US:,.0f} days by its times, and has {rows} rows"
        raise LogError(what, hint="run `stagelog verify` for details")


def holds(name: str, value: object) -> bool:
    """Whether a value is an integer within its column's range."""
    minimum, maximum = RANGES[name]
    return type(value) is int and minimum <= value <= maximum


def set_unknown_nan(name: str, values: NDArray[np.float64]) -> int:
    """Set values out of the column's range to NaN, in place; returns how many there were."""
    minimum, maximum = RANGES.get(name, (-math.inf, math.inf))
    odd = (values < minimum) | (values > maximum)
    count = int(odd.sum())
    if count:
        values[odd] = math.nan
    return count


def require(table: str, name: str, values: NDArray[np.int64]) -> None:
    """Raise LogError for an integer out of its column's range."""
    if name not in RANGES or not len(values):
        return
    minimum, maximum = RANGES[name]
    low, high = int(values.min()), int(values.max())
    if low < minimum or high > maximum:
        odd = low if low < minimum else high
        raise LogError(f"{table}: a row has {odd} as {name}", hint="run `stagelog verify` for details")
