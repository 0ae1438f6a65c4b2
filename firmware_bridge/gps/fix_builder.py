"""NMEA sentences -> one Fix an epoch.

Knows no bytes and no port; time is the sentences' own and the argument `t_us`. `assembly` gathers the epochs; here
each gets its date, and its position is believed or not. No fix is never a position: it makes a Fix of quality
0. Before a receiver's first fix its date is what its battery kept, if it kept any, and dates nothing. No UTC
comes twice, and none before the last, unless the receiver's own clock is set back.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from firmware_bridge.gps.assembly import STILL_US, Assembly
from firmware_bridge.gps.dating import EPOCH, Calendar, Dates
from firmware_bridge.gps.epoch import Epoch
from firmware_bridge.gps.jump_filter import Gate, Place
from firmware_bridge.gps.sentence_reader import SentenceReader
from firmware_bridge.records import Fix, Notice, Sentence, new_record

NOTICE_EVERY_US: Final = 10_000_000
"""Notices of one kind are this far apart; what happens between is in the next one's count."""
UNLOCATED_UTC_US: Final = 3_600_000_000
"""Without a fix a receiver's time is its own clock's: further than this from what it should be it is none."""
SAID_US: Final = 3_000_000
"""A date that ZDA gave before the first fix counts for a fix that comes within this."""


class FixBuilder:
    """`rejected` counts "jump", "null island", "late", "repeated", "stray"; `unreadable` fields by sentence and name.

    `dates` says which dates can be: those of a recording, where it is not live; `has_arrivals` is False where the
    sentences' stamps are not their arrivals (assembly.py).
    """

    def __init__(self, dates: Dates = Dates(), *, has_arrivals: bool = True) -> None:  # noqa: B008 - immutable
        self.rejected: Counter[str] = Counter()
        self._reader = SentenceReader()
        self.unreadable = self._reader.unreadable
        self._dates, self._has_arrivals = dates, has_arrivals
        self._assembly = Assembly(self.rejected, has_arrivals=has_arrivals)
        self._gate = Gate()
        self._calendar = Calendar()
        self._date_ok = True
        self._corrected: tuple[int, int | None] | None = None
        self._said: tuple[int, int, int] | None = None
        self._has_fix = False
        self._newest_us = 0
        self._now_us = 0
        self._unreadable_told = 0
        self._notices: list[Notice] = []
        self._noticed: dict[str, int] = {}

    def feed(self, sentence: Sentence) -> list[Fix]:
        """The fixes of the epochs that this sentence ended: mostly none, sometimes one."""
        t_us, text = sentence
        self._now_us = t_us
        report = self._reader.read(text)
        if report is None or report.kind == "ZDA":
            fixes = self.tick(t_us)
            if not text.startswith("!"):
                self._assembly.heard(t_us)
            if report is not None and report.time_us is not None and report.day is not None:
                self._said = report.time_us, report.day, t_us
                if self._has_fix:
                    self._learn(*self._said)
            return fixes
        ended = self._assembly.feed(report, t_us)
        fixes = self._fixes(ended) if ended else []
        if self._assembly.repeated_us == t_us and t_us - self._newest_us > STILL_US:
            self._notice("gps_repeated", {"sentences": self.rejected["repeated"]})
        if not self._calendar.is_set and self._has_fix and report.day is not None and report.quality:
            self._learn(report.time_us or 0, report.day, t_us)  # its epoch ended without it
        return fixes

    def tick(self, t_us: int) -> list[Fix]:
        """The fixes of the epochs that a pause has ended by `t_us`."""
        self._now_us = t_us
        return self._fixes(self._assembly.tick(t_us))

    def finish(self) -> list[Fix]:
        """The fixes of the last epochs, when there are no more sentences."""
        return self._fixes(self._assembly.finish())

    def restarted(self) -> FixBuilder:
        """A builder for the same stream from here on, which knows nothing of what has come."""
        return FixBuilder(self._dates, has_arrivals=self._has_arrivals)

    def take_notices(self) -> list[Notice]:
        """What there is to report since the last call.

        "gps_jump" (a position rejected), "gps_moved" (a far one believed after all), "gps_date" (a date that was
        corrected, or cannot be), "gps_field" (how often which field could not be read), "gps_repeated" (the
        receiver stands still: it sends an epoch that has ended again).
        """
        if self.unreadable.total() > self._unreadable_told and self._notice("gps_field", self.unreadable):
            self._unreadable_told = self.unreadable.total()
        notices, self._notices = self._notices, []
        return notices

    def _learn(self, time_us: int, day: int, t_us: int) -> None:
        """Dates the calendar by a sentence, with the week corrected where its count has rolled over."""
        true_day = self._dates.true_day(day)
        self._date_ok = true_day is not None
        self._calendar.learn(time_us, day if true_day is None else true_day, t_us)
        if true_day == day:
            self._corrected = None
        elif self._corrected != (day, true_day):
            self._corrected = day, true_day
            self._notice(
                "gps_date", {"said": _iso(day), "taken": None if true_day is None else _iso(true_day)}
            )

    def _fixes(self, epochs: Sequence[Epoch]) -> list[Fix]:
        if epochs and not self._calendar.is_set:
            for epoch in epochs:  # the first to give a date dates those that ended together with it
                if epoch.day is not None and epoch.dated_us is not None and not epoch.denied:
                    self._learn(epoch.dated_us, epoch.day, epoch.t_us)
                    break
        fixes = []
        for epoch in epochs:
            if epoch.quality is not None:  # others say nothing of a fix
                fixes.append(self._fix(epoch))
        return fixes

    def _fix(self, epoch: Epoch) -> Fix:
        time_us = epoch.time_us
        # One whose first sentence was lost came after another.
        t_us = self._newest_us = max(epoch.t_us, self._newest_us)
        had_fix, self._has_fix = self._has_fix, not epoch.denied and self._believes(epoch)
        if self._has_fix:
            if not had_fix and self._said is not None and abs(t_us - self._said[2]) <= SAID_US:
                self._learn(*self._said)
            if epoch.day is not None and epoch.dated_us is not None:
                self._learn(epoch.dated_us, epoch.day, t_us)
        utc_us = None if time_us is None else self._calendar.utc_us(time_us, t_us)
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

    def _is_off(self, utc_us: int, t_us: int) -> bool:
        """Whether the clock of a receiver without a fix is too far from what it should be."""
        about_us = self._calendar.about_us(t_us)
        return about_us is None or abs(utc_us - about_us) > UNLOCATED_UTC_US

    def _believes(self, epoch: Epoch) -> bool:
        """Whether the epoch's position is one, and one where the car can be."""
        if epoch.lat is None or epoch.lon is None:
            return False
        if epoch.lat == 0.0 and epoch.lon == 0.0:  # what a firmware makes of "unknown"; nobody rallies there
            self.rejected["null island"] += 1
            return False
        admitted = self._gate.admits(Place(epoch.lat, epoch.lon, epoch.time_us, epoch.day, epoch.t_us))
        if self._gate.jump_m:
            if not admitted:
                self.rejected["jump"] += 1
            place = {"lat": epoch.lat, "lon": epoch.lon, "distance_m": round(self._gate.jump_m)}
            kind = "gps_moved" if admitted else "gps_jump"
            self._notice(kind, {**place, "rejected": self.rejected["jump"]})
        return admitted

    def _notice(self, kind: str, detail: Mapping[str, Any]) -> bool:
        """Notes it, unless one of its kind was noted a moment ago; whether it did."""
        due = self._now_us - self._noticed.get(kind, -NOTICE_EVERY_US) >= NOTICE_EVERY_US
        if due:
            self._noticed[kind] = self._now_us
            self._notices.append(Notice(self._now_us, kind, dict(detail)))
        return due


def _iso(day: int) -> str:
    return (EPOCH + datetime.timedelta(days=day)).isoformat()
