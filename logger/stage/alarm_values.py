"""What alarms may ask for beside speed and limit: the car's channels, the recorder's health, the silence of GPS.

Receivers at 4800 baud make a fix every 2 s, some every 5 s: they are slow, not lost. So the silence is measured against
how often the receiver makes a fix.
"""

from __future__ import annotations

from collections import deque

from firmware_bridge.records import Reading
from logger.stage.odometer import EXPIRED_US

READING_EXPIRED_US = 5_000_000
"""A reading as old as this is not known any more."""
GPS_START_US = 60_000_000
"""A receiver that has just been switched on may take so long before its silence is worth an alarm."""
USUAL_US = 1_000_000
"""Receivers make a fix a second or more."""
SLOWEST_US = 12_500_000
"""Fixes further apart are no cycle of a receiver: it was lost between them. The slowest cycle that MediaTek's
receivers can be set to is 10 s; its fixes come a little more or less apart."""
INTERVALS = 3
"""The shortest of the latest intervals is the receiver's cycle: a gap between two fixes is none."""


class AlarmValues:
    """The newest of every value; `engine` holds the readings by channel."""

    def __init__(self) -> None:
        self.engine: dict[str, Reading] = {}
        self.fixes = FixCycle()
        self._health: dict[str, float] = {}
        self._begins_us = 0

    def health(self, name: str, value: float | None) -> None:
        """Set a value of the recorder, such as `can_age_s`; None if it is not known."""
        if value is None:
            self._health.pop(name, None)
        else:
            self._health[name] = value

    def begin(self, t_us: int) -> None:
        """The log begins at `t_us`: GPS was not missing before it."""
        self._begins_us = t_us

    def at(self, t_us: int, speedless_us: int) -> dict[str, float | None]:
        """The values at a moment, without those too old. `speedless_us`: for how long fixes have had no speed."""
        oldest_us = t_us - READING_EXPIRED_US
        values: dict[str, float | None] = {
            name: reading.value for name, reading in self.engine.items() if reading.t_us > oldest_us
        }
        values |= self._health
        overdue_us = self.fixes.overdue_us(t_us)
        if overdue_us is None and t_us - self._begins_us >= GPS_START_US:
            overdue_us = t_us - self._begins_us
        if overdue_us is not None:
            values["gps_age_s"] = overdue_us / 1e6
            if overdue_us < EXPIRED_US:
                values["gps_speed_age_s"] = speedless_us / 1e6
        return values


class FixCycle:
    """The arrivals of the fixes with a position."""

    def __init__(self) -> None:
        self._last_us: int | None = None
        self._intervals_us: deque[int] = deque(maxlen=INTERVALS)

    def located(self, t_us: int) -> None:
        """A fix with a position, whose first sentence arrived at `t_us`."""
        if self._last_us is not None:
            self._intervals_us.append(t_us - self._last_us)
        self._last_us = t_us

    def overdue_us(self, t_us: int) -> int | None:
        """Time since the last position, less what the receiver's cycle takes beyond a second; None before the first.

        Less that twice: a fix is known when its cycle's last sentence is here, and the next one takes a cycle again.
        """
        if self._last_us is None:
            return None
        cycle_us = min(self._intervals_us, default=0)
        slow_us = cycle_us - USUAL_US if USUAL_US < cycle_us <= SLOWEST_US else 0
        return max(0, t_us - self._last_us - 2 * slow_us)
