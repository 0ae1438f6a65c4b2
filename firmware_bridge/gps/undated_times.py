"""Session times of the fixes of a receiver that sends no date, such as GGA or GLL alone.

Its fixes have no UTC, so drive time follows their session times. Arrivals would be wrong by every stall of this
computer: ten positions that arrive together are no drive. So a fix is stamped by its time of day, at the shortest delay
of the newest fixes, as UTC is (utc.py). It never comes before the last one, nor after its arrival.
"""

from __future__ import annotations

from collections import deque

from firmware_bridge.gps.assembly import BREAK_US
from firmware_bridge.gps.cadence import apart_us
from firmware_bridge.gps.utc import IN_LINE_US, WINDOW_FIXES


class UndatedTimes:
    """Session times from times of day."""

    def __init__(self) -> None:
        self._delays_us: deque[int] = deque(
            maxlen=WINDOW_FIXES
        )  # arrivals, relative to the time since the first
        self._short_us: int | None = None  # a delay that is much shorter, if the last one was
        self._time_us = 0
        self._since_us = 0  # time since the first, by the receiver

    def t_us(self, time_us: int, arrival_us: int, last_us: int) -> int:
        """Return the session time of a fix with this time of day, which arrived at `arrival_us`; the last fix had
        `last_us`."""
        self._since_us += apart_us(time_us, self._time_us)
        self._time_us = time_us
        delay_us = arrival_us - self._since_us
        shortest_us = min(self._delays_us, default=delay_us)
        if abs(delay_us - shortest_us) > BREAK_US:
            self._delays_us.clear()  # the receiver's clock was set
        elif delay_us < shortest_us - IN_LINE_US:
            before_us, self._short_us = self._short_us, delay_us
            if before_us is None or abs(delay_us - before_us) > IN_LINE_US:
                return arrival_us  # a damaged time, unless the next one agrees
            self._delays_us.clear()
        self._short_us = None
        self._delays_us.append(delay_us)
        return min(arrival_us, max(last_us + 1, self._since_us + min(self._delays_us)))
