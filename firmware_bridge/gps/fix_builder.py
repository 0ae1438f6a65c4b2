"""Build one Fix per epoch from NMEA sentences and UBX messages.

Sans-I/O: times are the sentences' own and the argument `t_us`. `assembly` groups the sentences into epochs; this
module gives each epoch its date and accepts or rejects its position. An epoch without a fix becomes a Fix of quality
0 without a position. Before a receiver's first fix its date comes from its backup battery, if any, and is not
used. UTC strictly increases from fix to fix, unless the receiver's own clock is set back.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from firmware_bridge.gps.assembly import STILL_US, Assembly
from firmware_bridge.gps.dating import EPOCH, Calendar, Dates
from firmware_bridge.gps.epoch import Epoch
from firmware_bridge.gps.jump_filter import JumpFilter, Place
from firmware_bridge.gps.sentence_reader import SentenceReader
from firmware_bridge.records import Fix, Notice, Sentence, new_record

if TYPE_CHECKING:
    from firmware_bridge.gps.undated_times import UndatedTimes

NOTICE_EVERY_US: Final = 10_000_000
"""Minimum interval between notices of one kind; the next one's count includes what happened meanwhile."""
UNLOCATED_UTC_US: Final = 3_600_000_000
"""Without a fix a receiver reports its own clock; a time further than this from the expected UTC is ignored."""
ZDA_VALID_US: Final = 3_000_000
"""A date from ZDA before the first fix is used if the fix comes within this time."""


class FixBuilder:
    """Builder of fixes for one receiver.

    `rejected` counts "jump", "null island", "late", "repeated", "stray"; `unreadable` counts fields by sentence and
    name. `dates` decides which dates can be true (for a recording: by when it was written); `has_arrivals` is False
    if the sentences' timestamps are not their arrivals (assembly.py).
    """

    def __init__(self, dates: Dates = Dates(), *, has_arrivals: bool = True) -> None:  # noqa: B008 - immutable
        self.rejected: Counter[str] = Counter()
        self._reader = SentenceReader()
        self.unreadable = self._reader.unreadable
        self._dates, self._has_arrivals = dates, has_arrivals
        self._assembly = Assembly(self.rejected, has_arrivals=has_arrivals)
        self._jump_filter = JumpFilter()
        self._calendar = Calendar()
        self._date_ok = True
        self._corrected: tuple[int, int | None] | None = None
        self._undated: UndatedTimes | None = None
        self._zda: tuple[int, int, int] | None = None
        self._has_fix = False
        self._newest_us = 0
        self._stamped_us = 0
        self._now_us = 0
        self._unreadable_reported = 0
        self._notices: list[Notice] = []
        self._noticed: dict[str, int] = {}

    def feed(self, sentence: Sentence) -> list[Fix]:
        """Take a sentence; return the fixes of the epochs that it ended (usually none or one)."""
        t_us, text = sentence
        self._now_us = t_us
        report = self._reader.read(text)
        if report is None or report.kind == "ZDA":
            fixes = self.tick(t_us)
            if not text.startswith("!"):
                self._assembly.heard(t_us)
            if report is not None and report.time_us is not None and report.day is not None:
                self._zda = report.time_us, report.day, t_us
                if self._has_fix:
                    self._learn(*self._zda)
            return fixes
        ended = self._assembly.feed(report, t_us)
        fixes = self._fixes(ended) if ended else []
        if self._assembly.repeated_us == t_us and t_us - self._newest_us > STILL_US:
            self._notice("gps_repeated", {"sentences": self.rejected["repeated"]})
        if not self._calendar.is_set and self._has_fix and report.day is not None and report.quality:
            self._learn(report.time_us or 0, report.day, t_us)  # its epoch ended without it
        return fixes

    def tick(self, t_us: int) -> list[Fix]:
        """Return the fixes of the epochs that a pause has ended by `t_us`."""
        self._now_us = t_us
        return self._fixes(self._assembly.tick(t_us))

    def finish(self) -> list[Fix]:
        """Return the fixes of the last epochs, at the end of the input."""
        return self._fixes(self._assembly.finish())

    def restarted(self) -> FixBuilder:
        """Return a new builder for the rest of the same stream, without the state of this one."""
        return FixBuilder(self._dates, has_arrivals=self._has_arrivals)

    def take_notices(self) -> list[Notice]:
        """Return the notices since the last call.

        "gps_jump" (a position rejected), "gps_moved" (a distant position accepted after all), "gps_date" (a date
        corrected, or implausible), "gps_field" (counts of unreadable fields), "gps_repeated" (the receiver repeats
        an epoch that has ended).
        """
        if self.unreadable.total() > self._unreadable_reported and self._notice("gps_field", self.unreadable):
            self._unreadable_reported = self.unreadable.total()
        notices, self._notices = self._notices, []
        return notices

    def _learn(self, time_us: int, day: int, t_us: int) -> None:
        """Set the calendar from a sentence's date, corrected for week rollover."""
        true_day = self._dates.true_day(day)
        if not self._calendar.learn(time_us, day if true_day is None else true_day, t_us):
            return
        self._date_ok = true_day is not None
        if true_day == day:
            self._corrected = None
        elif self._corrected != (day, true_day):
            self._corrected = day, true_day
            self._notice(
                "gps_date", {"said": _iso(day), "taken": None if true_day is None else _iso(true_day)}
            )

    def _fixes(self, epochs: Sequence[Epoch]) -> list[Fix]:
        if epochs and not self._calendar.is_set:
            for epoch in epochs:  # the first date applies to all epochs that ended together
                if epoch.day is not None and epoch.dated_us is not None and not epoch.denied:
                    self._learn(epoch.dated_us, epoch.day, epoch.t_us)
                    break
        fixes = []
        for epoch in epochs:
            if epoch.quality is not None:  # otherwise nothing was reported about a fix
                fixes.append(self._fix(epoch))
        return fixes

    def _fix(self, epoch: Epoch) -> Fix:
        time_us = epoch.time_us
        # An epoch whose first sentence was lost may have arrived after a later one.
        t_us = self._newest_us = max(epoch.t_us, self._newest_us)
        had_fix, self._has_fix = self._has_fix, not epoch.denied and self._accepts(epoch)
        if self._has_fix:
            if not had_fix and self._zda is not None and abs(t_us - self._zda[2]) <= ZDA_VALID_US:
                self._learn(*self._zda)
            if epoch.day is not None and epoch.dated_us is not None:
                self._learn(epoch.dated_us, epoch.day, t_us)
        utc_us = None if time_us is None else self._calendar.utc_us(time_us, t_us)
        if utc_us is None and time_us is not None:
            t_us = self._undated_us(time_us, t_us)
        self._stamped_us = t_us
        if not self._has_fix:
            if utc_us is not None and self._is_off(utc_us, t_us):
                utc_us = None
            nothing = (None, None, None, None, None)
            return Fix(
                t_us, utc_us, *nothing, 0, epoch.satellites, epoch.hdop, utc_us is None or self._date_ok
            )
        values = (
            *(t_us, utc_us, epoch.lat, epoch.lon, epoch.alt_m, epoch.speed_mps, epoch.course_deg),
            *(epoch.quality or 0, epoch.satellites, epoch.hdop, utc_us is None or self._date_ok),
            *(epoch.accuracy_m, epoch.alt_accuracy_m, epoch.speed_accuracy_mps),
        )
        return new_record(Fix, values)

    def _undated_us(self, time_us: int, arrival_us: int) -> int:
        if self._undated is None:
            from firmware_bridge.gps.undated_times import UndatedTimes  # noqa: PLC0415 - most receivers send dates

            self._undated = UndatedTimes()
        return self._undated.t_us(time_us, arrival_us, self._stamped_us)

    def _is_off(self, utc_us: int, t_us: int) -> bool:
        """Return whether the clock of a receiver without a fix is too far from the expected UTC."""
        about_us = self._calendar.about_us(t_us)
        return about_us is None or abs(utc_us - about_us) > UNLOCATED_UTC_US

    def _accepts(self, epoch: Epoch) -> bool:
        """Return whether the epoch has a position that the car can have reached."""
        if epoch.lat is None or epoch.lon is None:
            return False
        if epoch.lat == 0.0 and epoch.lon == 0.0:  # some firmware sends this for "unknown"
            self.rejected["null island"] += 1
            return False
        admitted = self._jump_filter.admits(Place(epoch.lat, epoch.lon, epoch.time_us, epoch.day, epoch.t_us))
        if self._jump_filter.jump_m:
            if not admitted:
                self.rejected["jump"] += 1
            place = {"lat": epoch.lat, "lon": epoch.lon, "distance_m": round(self._jump_filter.jump_m)}
            kind = "gps_moved" if admitted else "gps_jump"
            self._notice(kind, {**place, "rejected": self.rejected["jump"]})
        return admitted

    def _notice(self, kind: str, detail: Mapping[str, Any]) -> bool:
        """Add a notice unless one of its kind was added recently; return whether it was added."""
        due = self._now_us - self._noticed.get(kind, -NOTICE_EVERY_US) >= NOTICE_EVERY_US
        if due:
            self._noticed[kind] = self._now_us
            self._notices.append(Notice(self._now_us, kind, dict(detail)))
        return due


def _iso(day: int) -> str:
    return (EPOCH + datetime.timedelta(days=day)).isoformat()
