"""Current values for alarm conditions: the car's channels, the recorder's health, the age of GPS.

Receivers at 4800 baud send a fix every 2 s, some every 5 s: they are slow, not lost. So the age of the last fix is
measured against the receiver's own cycle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from firmware_bridge.record_columns import ReadingColumns
from firmware_bridge.records import Channel
from logger.stage.odometer import EXPIRED_US

READING_EXPIRED_US = 5_000_000
"""A reading this old has expired."""
GPS_START_US = 60_000_000
"""Time allowed for the first fix after power-on before missing GPS raises an alarm."""
USUAL_US = 1_000_000
"""Most receivers send at least one fix per second."""
SLOWEST_US = 12_500_000
"""A longer interval between fixes is a loss of GPS, not a receiver's cycle. The slowest cycle that MediaTek receivers
can be set to is 10 s; the rest is its jitter."""
INTERVALS = 3
"""The receiver's cycle is the shortest of this many recent intervals, so that one gap does not count as a cycle."""


Newest = Mapping[str, tuple[int, Channel, float]]
"""Time, channel and value of the newest reading by channel name."""


class AlarmValues:
    """The newest value of each name."""

    def __init__(self) -> None:
        self._engine: dict[str, tuple[int, Channel, float]] = {}
        self.fixes = FixCycle()
        self._health: dict[str, float] = {}
        self._begins_us = 0

    @property
    def engine(self) -> Newest:
        """The newest readings, as a copy."""
        return self._engine.copy()

    def readings(self, names: Iterable[str], readings: ReadingColumns) -> None:
        """Take readings; `names` are those of their channels."""
        fields = zip(readings.times_us, readings.channels, readings.values, strict=True)
        self._engine.update(zip(names, fields, strict=True))

    def health(self, name: str, value: float | None) -> None:
        """Set a health value of the recorder, such as `can_age_s`; None if unknown."""
        if value is None:
            self._health.pop(name, None)
        else:
            self._health[name] = value

    def begin(self, t_us: int) -> None:
        """Start the log at `t_us`: the age of GPS counts from here."""
        self._begins_us = t_us

    def at(self, t_us: int, speedless_us: int, names: Iterable[str] | None = None) -> dict[str, float | None]:
        """Return the values that have not expired at `t_us`, of the channels only those in `names` if it is given.

        `speedless_us`: how long fixes have had no speed.
        """
        oldest_us = t_us - READING_EXPIRED_US
        engine = self._engine
        values: dict[str, float | None] = {
            name: engine[name][2]
            for name in (engine if names is None else names)
            if name in engine and engine[name][0] > oldest_us
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
    """The receiver's cycle, measured from the arrivals of fixes with a position."""

    def __init__(self) -> None:
        self._last_us: int | None = None
        self._intervals_us: deque[int] = deque(maxlen=INTERVALS)

    def located(self, t_us: int) -> None:
        """Take a fix with a position, whose first sentence arrived at `t_us`."""
        if self._last_us is not None:
            self._intervals_us.append(t_us - self._last_us)
        self._last_us = t_us

    def overdue_us(self, t_us: int) -> int | None:
        """Return the time since the last position, minus twice the cycle's excess over 1 s; None before the first.

        Twice, because a fix is complete only at its cycle's last sentence, and the next takes another cycle.
        """
        if self._last_us is None:
            return None
        cycle_us = min(self._intervals_us, default=0)
        slow_us = cycle_us - USUAL_US if USUAL_US < cycle_us <= SLOWEST_US else 0
        return max(0, t_us - self._last_us - 2 * slow_us)
