"""Immutable snapshot of the live computation at one moment, for display.

`LiveStage.snapshot` creates it, `logger.live` renders it. Units are those of the computation: metres, metres per
second, microseconds of drive time (timing.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from firmware_bridge.records import Fix
from logger.stage.alarm_values import Newest
from logger.stage.alarms import AlarmRule, Raised
from logger.stage.course import Course, Mark
from logger.stage.itinerary import Stage
from logger.stage.limits import Limit
from logger.stage.odometer import Past
from logger.stage.run import Run, Trip
from logger.stage.speed_trace import Trace
from logger.stage.steps import Control


class Snapshot(NamedTuple):
    """The drive at session time `t_us`, drive time `now_us`."""

    t_us: int
    now_us: int
    zero_utc_us: int | None
    """UTC at drive time 0; None while UTC is not known."""
    stage: Stage | None
    courses: Sequence[Course]
    course: Course | None
    """The section being driven or waited for."""
    run: Run
    next_mark: Mark | None
    controls: Sequence[Control]
    fix: Fix | None
    """The last one, with or without a position."""
    speed_mps: float | None
    speed_source: str | None
    past: Past
    """The odometer at `now_us`; less than `total_m` if the odometer is already further."""
    total_m: float
    estimated_m: float
    odometer_us: int | None
    """When the odometer last took a fix or a wheel speed."""
    limit: Limit
    warn_within_kmh: float
    trips: Sequence[Trip]
    due_us: int | None
    """When the next section starts by the crew's schedule or a neutralisation."""
    planned_us: int | None
    """When the next section starts by the itinerary."""
    engine: Newest
    """The newest reading of each channel, however old."""
    alarms: Sequence[tuple[AlarmRule, Raised]]
    alarm_values: Mapping[str, float | None]
    """The values for alarm conditions that have not expired; empty without an alarm."""
    trace: Trace

    def utc_us(self, at_us: int) -> int | None:
        """Return the UTC at a drive time."""
        return None if self.zero_utc_us is None else self.zero_utc_us + at_us
