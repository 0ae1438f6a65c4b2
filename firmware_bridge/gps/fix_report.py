"""What one sentence or UBX message reports about a fix, and the ranges that both readers share."""

from __future__ import annotations

from typing import Final, NamedTuple

ALTITUDES_M: Final = (-1_000.0, 100_000.0)
"""From below the Dead Sea, with a poor fix, to above any balloon."""

PVT: Final = "PVT"
"""The kind of a UBX NAV-PVT's report (ubx_reader.py): the receiver's own solution, which the sentences excerpt."""


class Report(NamedTuple):
    """One sentence's word, or one UBX message's, which alone knows its accuracy (one standard deviation).

    `time_us` is UTC time of day, past 86,400 s in a leap second; `day` counts from 1970-01-01. `quality` is
    GGA's: 0 denies a fix, more claims one, None does not speak of it.
    """

    kind: str
    time_us: int | None = None
    quality: int | None = None
    lat: float | None = None
    lon: float | None = None
    alt_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    day: int | None = None
    accuracy_m: float | None = None
    alt_accuracy_m: float | None = None
    speed_accuracy_mps: float | None = None
