"""A date for a time of day: GPS sentences carry the time always, the date only now and then.

Knows no sentences. The idea: the last dated instant and the time that has passed since on the session's
clock say about when it is now; a bare time of day is then the instant nearest to that. So midnight, New Year
and 29 February need no cases. A leap second (23:59:60) has no number of its own in UTC microseconds and gets
the next day's first, as POSIX has it.
"""

from __future__ import annotations

import datetime
from typing import Final

from firmware_bridge.nmea_fields import DAY_US

EARLIEST_DATE: Final = datetime.date(2025, 1, 1)
"""Before stagelog was written nothing was recorded with it."""
ROLLOVER_DAYS: Final = 1024 * 7
"""GPS counts weeks with ten bits: a receiver that has lost count is this much off, or twice this."""

_EARLIEST_US: Final = (EARLIEST_DATE - datetime.date(1970, 1, 1)).days * DAY_US
_LATEST_US: Final = _EARLIEST_US + ROLLOVER_DAYS * DAY_US


def date_can_be(utc_us: int) -> bool:
    """False for a date before `EARLIEST_DATE` (week rollover), or later than a true one can be told."""
    return _EARLIEST_US <= utc_us < _LATEST_US


class Calendar:
    """Remembers one dated instant, on both clocks."""

    def __init__(self) -> None:
        self._utc_us: int | None = None
        self._t_us = 0

    def learn(self, time_us: int, day: int, t_us: int) -> None:
        """Takes it that the time of day `time_us`, which arrived at `t_us`, was of that day since 1970."""
        self._utc_us, self._t_us = day * DAY_US + time_us, t_us

    def day(self, time_us: int, t_us: int) -> int | None:
        """The day of a bare time of day that arrived at `t_us`; None while no date is known."""
        if self._utc_us is None:
            return None
        about_us = self._utc_us + max(0, t_us - self._t_us)
        return (about_us - time_us + DAY_US // 2) // DAY_US
