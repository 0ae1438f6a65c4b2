"""A date for a time of day, and the right one: GPS sentences carry the time always, the date only now and then.

Knows no sentences. `Calendar`: the last dated instant and the time that has passed since on the session's
clock say about when it is now; a bare time of day is then the instant nearest to that. So midnight, New Year
and 29 February need no cases. A leap second (23:59:60) has no number of its own in UTC microseconds and gets
the next day's first, as POSIX has it.

`Dates` corrects the week rollover. GPS counts weeks modulo 1,024; a receiver that has lost count reports a
date 1,024 weeks (19.6 years) back, or twice that. Rule 1: a date within 512 weeks of `REFERENCE_DATE`, or
later up to `LATEST_DATE`, is true. Rule 2: an earlier one gets 1,024 weeks added until it is not before
stagelog existed. Rule 3: a recording cannot hold a date later than the day on which it was written: in a file that
says when that was, an early date whose correction lies beyond it is true, and belongs to a log of that year.
"""

from __future__ import annotations

import datetime
from typing import Final, NamedTuple

from firmware_bridge.gps.nmea_fields import DAY_US

EPOCH: Final = datetime.date(1970, 1, 1)
ROLLOVER_DAYS: Final = 1024 * 7
"""GPS counts weeks with ten bits: a receiver that has lost count is this much off, or twice this."""
EARLIEST_DATE: Final = datetime.date(2025, 1, 1)
"""Before stagelog was written nothing was recorded with it: no corrected date lies before."""
REFERENCE_DATE: Final = datetime.date(2026, 1, 1)
"""About when this version was made: of the two dates 1,024 weeks apart the nearer one is true."""
LATEST_DATE: Final = EARLIEST_DATE + datetime.timedelta(days=ROLLOVER_DAYS)
"""From here on a date cannot be told from one that is 1,024 weeks ahead."""
OLDEST_LOG: Final = datetime.date(1990, 1, 1)
"""Earlier dates are what receivers report before they know the week (6 January 1980): no log is as old."""
MIDNIGHT_UNSURE_US: Final = 2_000_000
"""Receivers change the date up to an epoch or two after midnight: a first date so near to it is not believed."""
MIDNIGHT_SETTLED_US: Final = 10_000_000
"""By then the date is right: within it of midnight, a date that is one day off the known one is not believed."""

_NEAREST_DAY: Final = (REFERENCE_DATE - EPOCH).days - ROLLOVER_DAYS // 2
_EARLIEST_DAY: Final = (EARLIEST_DATE - EPOCH).days
_LATEST_DAY: Final = (LATEST_DATE - EPOCH).days
_OLDEST_DAY: Final = (OLDEST_LOG - EPOCH).days


class Dates(NamedTuple):
    """Which dates can be true. `written_day` is when a recording was written, in days since 1970; None: live."""

    written_day: int | None = None

    @classmethod
    def of(cls, written: str | None) -> Dates:
        """The dates of a recording that was written on an ISO date; of a live one, if that is empty or none."""
        try:
            return cls((datetime.date.fromisoformat(written) - EPOCH).days) if written else cls()
        except ValueError:
            return cls()

    def true_day(self, day: int) -> int | None:
        """The day that a receiver means by `day`; None where no number of weeks makes it one that can be."""
        if day >= _NEAREST_DAY:
            return day if day < _LATEST_DAY else None
        corrected = day - (day - _EARLIEST_DAY) // ROLLOVER_DAYS * ROLLOVER_DAYS
        if self.written_day is None:
            return corrected if corrected < _NEAREST_DAY + ROLLOVER_DAYS else None
        if corrected <= self.written_day + 1:  # a day's grace for time zones
            return corrected
        return day if day >= _OLDEST_DAY else None

    def can_be(self, utc_us: int) -> bool:
        """Whether a UTC in a log sets clocks: one that needed no correction, or got it when it was recorded."""
        day = utc_us // DAY_US
        return self.true_day(day) == day


class Calendar:
    """Remembers one dated instant, on both clocks."""

    def __init__(self) -> None:
        self.is_set = False  # whether a date is known
        self._utc_us = 0
        self._t_us = 0

    def learn(self, time_us: int, day: int, t_us: int) -> None:
        """Takes it that the time of day `time_us`, which arrived at `t_us`, was of that day since 1970.

        Not around midnight, where a receiver may have one of the two and not yet the other.
        """
        if not MIDNIGHT_SETTLED_US <= time_us <= DAY_US - MIDNIGHT_SETTLED_US:
            expected_us = self.utc_us(time_us, t_us)
            if expected_us is None:
                if min(time_us, abs(DAY_US - time_us)) < MIDNIGHT_UNSURE_US:
                    return
            elif abs(day * DAY_US + time_us - expected_us) == DAY_US:
                return
        self.is_set, self._utc_us, self._t_us = True, day * DAY_US + time_us, t_us

    def utc_us(self, time_us: int, t_us: int) -> int | None:
        """The instant of a bare time of day that arrived at `t_us`; None while no date is known."""
        if not self.is_set:
            return None
        passed_us = t_us - self._t_us if t_us > self._t_us else 0
        return (self._utc_us + passed_us - time_us + DAY_US // 2) // DAY_US * DAY_US + time_us

    def about_us(self, t_us: int) -> int | None:
        """What UTC should be at `t_us`; None while no date is known."""
        return self._utc_us + max(0, t_us - self._t_us) if self.is_set else None
