"""Report on a fix from one NMEA sentence or UBX message, and the value ranges that both readers share."""

from __future__ import annotations

from typing import Final, NamedTuple

ALTITUDES_M: Final = (-1_000.0, 100_000.0)
"""From below the Dead Sea, with a poor fix, to above any balloon."""

PVT: Final = "PVT"
"""Kind of the report of a UBX NAV-PVT (ubx_reader.py), the receiver's full solution."""


class Report(NamedTuple):
    """Values from one sentence or UBX message; only UBX gives accuracies (one standard deviation).

    `time_us` is UTC time of day, from 86,400 s on in a leap second; `day` counts from 1970-01-01. `quality` is
    GGA's: 0 is no fix, more is a fix, None means the sentence does not report it.
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
