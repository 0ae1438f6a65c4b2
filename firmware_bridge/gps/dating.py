"""Assign dates to GPS times of day, and correct the GPS week rollover.

GPS sentences always carry the time, but the date only now and then. `Calendar`: the last dated instant plus the time
elapsed since on the session's clock gives the approximate UTC; a bare time of day is then the instant nearest to
it. So midnight, New Year and 29 February need no special cases. A leap second (23:59:60) has no number of its own in
UTC microseconds and gets that of the next day's first second, as in POSIX.

`Dates` corrects the week rollover. GPS counts weeks modulo 1,024; a receiver that has lost count reports a
date 1,024 weeks (19.6 years) back, or twice that. Rule 1: a date within 512 weeks of `REFERENCE_DATE`, or
later up to `LATEST_DATE`, is true. Rule 2: an earlier one gets 1,024 weeks added until it is not before
stagelog existed. Rule 3: a recording cannot hold a date later than the day on which it was written. If a file states
that day, an early date whose correction would be later is true, and the log is of that year.
"""

from __future__ import annotations

import datetime
from typing import Final, NamedTuple

from firmware_bridge.gps.nmea_fields import DAY_US

EPOCH: Final = datetime.date(1970, 1, 1)
ROLLOVER_DAYS: Final = 1024 * 7
"""GPS counts weeks with ten bits: a receiver that has lost count is this much off, or twice this."""
EARLIEST_DATE: Final = datetime.date(2025, 1, 1)
"""When stagelog was first written: no corrected date is earlier."""
REFERENCE_DATE: Final = datetime.date(2026, 1, 1)
"""Approximate date of this version: of two dates 1,024 weeks apart, the one nearer to it is true."""
LATEST_DATE: Final = EARLIEST_DATE + datetime.timedelta(days=ROLLOVER_DAYS)
"""From this date on, a true date cannot be distinguished from one that is 1,024 weeks ahead."""
OLDEST_LOG: Final = datetime.date(1990, 1, 1)
"""Earlier dates come from receivers that do not know the week yet (6 January 1980): no log is this old."""
MIDNIGHT_UNSURE_US: Final = 2_000_000
"""Receivers change the date up to two epochs after midnight: a first date this near to midnight is ignored."""
MIDNIGHT_SETTLED_US: Final = 10_000_000
"""Within this time of midnight, a date one day off the known one is ignored; after it the date is right."""
FOLLOWS_US: Final = 5_000_000
"""A time of day further than this from the expected one does not follow it."""

_NEAREST_DAY: Final = (REFERENCE_DATE - EPOCH).days - ROLLOVER_DAYS // 2
_EARLIEST_DAY: Final = (EARLIEST_DATE - EPOCH).days
_LATEST_DAY: Final = (LATEST_DATE - EPOCH).days
_OLDEST_DAY: Final = (OLDEST_LOG - EPOCH).days


class Dates(NamedTuple):
    """Decide which dates can be true. `written_day`: when a recording was written, in days since 1970; None: live."""

    written_day: int | None = None

    @classmethod
    def of(cls, written: str | None) -> Dates:
        """Return the dates of a recording written on an ISO date; of a live one if it is empty or invalid."""
        try:
            return cls((datetime.date.fromisoformat(written) - EPOCH).days) if written else cls()
        except ValueError:
            return cls()

    def true_day(self, day: int) -> int | None:
        """Return the true day for a receiver's `day`; None if no rollover correction makes it plausible."""
        if day >= _NEAREST_DAY:
            return day if day < _LATEST_DAY else None
        corrected = day - (day - _EARLIEST_DAY) // ROLLOVER_DAYS * ROLLOVER_DAYS
        if self.written_day is None:
            return corrected if corrected < _NEAREST_DAY + ROLLOVER_DAYS else None
        if corrected <= self.written_day + 1:  # one day of tolerance for time zones
            return corrected
        return day if day >= _OLDEST_DAY else None

    def can_be(self, utc_us: int) -> bool:
        """Return whether a UTC in a log may set clocks: it needs no correction, or was corrected when recorded."""
        day = utc_us // DAY_US
        return self.true_day(day) == day


class Calendar:
    """Estimate of the current date, from one dated instant on both clocks."""

    def __init__(self) -> None:
        self.is_set = False  # whether a date is known
        self._utc_us = 0
        self._t_us = 0
        self._off_us = 0  # by how much the last date that did not count contradicted the known one

    def learn(self, time_us: int, day: int, t_us: int) -> bool:
        """Take a date: the time of day `time_us`, which arrived at `t_us`, was on `day` (days since 1970).

        Return whether it counts. It does not around midnight, where a receiver may have updated the time but not yet
        the date, and not where only the date contradicts the known one, until a second sentence agrees: a checksum lets
        one damaged line in 256 through.
        """
        utc_us = day * DAY_US + time_us
        about_us = self.about_us(t_us)
        off_us = 0
        if about_us is not None and abs(utc_us - about_us) > DAY_US // 2:
            off_us = utc_us - (self.utc_us(time_us, t_us) or utc_us)
        if not MIDNIGHT_SETTLED_US <= time_us <= DAY_US - MIDNIGHT_SETTLED_US:
            is_first = about_us is None and min(time_us, abs(DAY_US - time_us)) < MIDNIGHT_UNSURE_US
            if is_first or abs(off_us) == DAY_US:
                return False
        before_us, self._off_us = self._off_us, off_us
        if off_us and off_us != before_us and self._follows(utc_us - off_us, t_us):
            return False
        self.is_set, self._utc_us, self._t_us, self._off_us = True, utc_us, t_us, 0
        return True

    def _follows(self, utc_us: int, t_us: int) -> bool:
        """Return whether the time follows the last one. If not, the clock was set, or another recording begins."""
        return abs(utc_us - (self.about_us(t_us) or 0)) <= FOLLOWS_US

    def utc_us(self, time_us: int, t_us: int) -> int | None:
        """Return the UTC of a bare time of day that arrived at `t_us`; None while no date is known."""
        if not self.is_set:
            return None
        passed_us = t_us - self._t_us if t_us > self._t_us else 0
        return (self._utc_us + passed_us - time_us + DAY_US // 2) // DAY_US * DAY_US + time_us

    def about_us(self, t_us: int) -> int | None:
        """Return the expected UTC at `t_us`; None while no date is known."""
        return self._utc_us + max(0, t_us - self._t_us) if self.is_set else None
