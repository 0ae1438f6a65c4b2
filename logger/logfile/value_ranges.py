"""The least and the greatest number that a recorder writes, by column.

SQLite keeps any number in any column. One beyond these comes from a damaged page or from somebody who made the log to
do harm; taken for a measurement it overflows an average, dates a row in the year 10^13, or makes a loop of a million
years. Readers take it as not known, or refuse the log, and `verify` reports it.
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
"""6 January 1980: no satellite told the time before."""
_END_US: Final = 7_258_118_400_000_000
"""The year 2200."""
_MOST_NUMBERED: Final = 2**31 - 1
"""Sessions are counted from 1."""

RANGES: Final[dict[str, tuple[float, float]]] = {
    "session": (0, _MOST_NUMBERED),
    # A log that `replay` made of another program's file has that file's times, which may be UTC.
    "t_us": (-_DAY_US, _END_US),
    "utc_us": (_GPS_EPOCH_US, _END_US),
    "error_us": (0, _END_US),
    "lat": (-90.0, 90.0),
    "lon": (-180.0, 180.0),
    "alt_m": (-100_000.0, 100_000.0),
    # Receivers report up to plausibility.RECEIVER_LIMIT_MPS, twice that when they are wrong; readers judge the rest.
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
    # Around the earth a hundred times.
    "distance_m": (-4e9, 4e9),
    "elapsed_s": (-1e9, 1e9),
    "average_mps": (-10_000.0, 10_000.0),
    "limit_kmh": (0.0, 10_000.0),
}
"""Both ends belong to the range. A column that is not here may hold any number."""

_FREE_US: Final = 86_400_000_000
"""A day: a recorder left on overnight with silent sources writes hardly a row. A replay of it takes 6 s."""
_ROW_US: Final = 10_000_000
"""A recorder writes `progress` every second: ten times as long for each row there is."""


def require_rows_for(session: int, span_us: float, rows: int) -> None:
    """Raise LogError where a session's times reach further than its rows can: to go through it would take for ever."""
    if span_us > max(_FREE_US, rows * _ROW_US):
        what = f"session {session} lasts {span_us / _DAY_US:,.0f} days by its times, and has {rows} rows"
        raise LogError(what, hint="`stagelog verify` says more")


def holds(name: str, value: object) -> bool:
    """Whether a value is a whole number within its column's range."""
    least, most = RANGES[name]
    return type(value) is int and least <= value <= most


def known_only(name: str, values: NDArray[np.float64]) -> int:
    """Make what is out of a column's range NaN, which stands for not known, in place; return how many were."""
    least, most = RANGES.get(name, (-math.inf, math.inf))
    odd = (values < least) | (values > most)
    count = int(odd.sum())
    if count:
        values[odd] = math.nan
    return count


def require(table: str, name: str, values: NDArray[np.int64]) -> None:
    """Raise LogError for a whole number out of its column's range."""
    if name not in RANGES or not len(values):
        return
    least, most = RANGES[name]
    low, high = int(values.min()), int(values.max())
    if low < least or high > most:
        odd = low if low < least else high
        raise LogError(f"{table}: a row has {odd} as {name}", hint="`stagelog verify` says more")
