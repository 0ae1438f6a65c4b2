"""NMEA sentences -> one Fix an epoch, at any rate from 1 to 25 Hz and in any order of sentences.

Knows no bytes and no port; time is the sentences' own and the argument `t_us`. An epoch is the sentences that
share a UTC time of day, with those between them that carry none (VTG, GSA). It ends
  - at the first sentence with another time,
  - after a pause, or when it has lasted too long (a receiver whose clock stands still),
  - at once, when it has all the sentences that the last few epochs had: the crew need not wait for the next.
What comes for it after that is late and not believed. The pause is found in the sentences' own stamps as
well as by `tick`, so a log that is replayed makes the same fixes as were made live.

No fix is never a position: it makes a Fix of quality 0. Before a receiver's first fix its date is what its
battery kept, if it kept any, and dates nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final

from firmware_bridge.dating import EARLIEST_DATE, Calendar, date_can_be
from firmware_bridge.epoch import STATUS_KINDS, Epoch
from firmware_bridge.nmea_fields import DAY_US
from firmware_bridge.plausibility import Gate, Place
from firmware_bridge.records import Fix, Notice, Sentence
from firmware_bridge.report import Report, SentenceReader

PAUSE_US: Final = 200_000
"""A sentence of 82 characters takes 171 ms at 4800 baud, the slowest rate in use: a longer gap is a pause."""
LONGEST_EPOCH_US: Final = 1_500_000
"""The slowest receivers make an epoch a second, and a slow line may stretch its sentences beyond that."""
SAME_US: Final = 10_000
"""Times no further apart are of one epoch: NMEA has hundredths of a second, NAV-PVT nanoseconds."""
LATE_US: Final = 900_000
"""A sentence of the epoch just ended is late so long; after that its receiver's clock stands still."""
REMEMBERED: Final = 4
"""Times of so many ended epochs are known again: some receivers write one sentence an epoch or two behind."""
COMPLETE_AFTER: Final = 5
"""So many epochs alike tell what a whole one is; some sentences come only every second or fifth time."""
NOTICE_EVERY_US: Final = 10_000_000
"""Notices of one kind are this far apart; what happens between is in the next one's count."""


class FixBuilder:
    """`rejected` counts "jump", "null island" and "late"; `unreadable` fields by sentence and name."""

    def __init__(self) -> None:
        self.rejected: Counter[str] = Counter()
        self._reader = SentenceReader()
        self.unreadable = self._reader.unreadable
        self._gate = Gate()
        self._calendar = Calendar()
        self._epoch: Epoch | None = None
        self._ended: Epoch | None = None
        self._past: deque[int | None] = deque(maxlen=REMEMBERED)
        self._usual: set[str] = set()
        self._steady = 0
        self._times: dict[str, int] = {}
        self._has_fix = False
        self._now_us = 0
        self._unreadable_told = 0
        self._notices: list[Notice] = []
        self._noticed: dict[str, int] = {}

    def feed(self, sentence: Sentence) -> list[Fix]:
        """The fixes of the epochs that this sentence ended: mostly none, sometimes one, at most two."""
        t_us, text = sentence
        fixes = self.tick(t_us)
        report = self._reader.read(text)
        if report is None:
            if self._epoch is not None and text.startswith("$"):
                self._epoch.last_us = t_us
            return fixes
        if self._is_late(report, t_us):
            return fixes
        if self._epoch is not None and _begins_another(report, self._epoch):
            fixes += self._end()
        if self._epoch is None:
            self._epoch = Epoch(t_us)
        self._epoch.take(report)
        self._epoch.last_us = t_us
        if self._steady >= COMPLETE_AFTER and self._epoch.kinds == self._usual:
            fixes += self._end()
        return fixes

    def tick(self, t_us: int) -> list[Fix]:
        """The fix of an epoch that a pause has ended by `t_us`."""
        self._now_us = t_us
        epoch = self._epoch
        if epoch is None or (t_us - epoch.last_us <= PAUSE_US and t_us - epoch.t_us <= LONGEST_EPOCH_US):
            return []
        return self._end()

    def finish(self) -> list[Fix]:
        """The fix of the last epoch, when there are no more sentences."""
        return self._end()

    def take_notices(self) -> list[Notice]:
        """What there is to tell since the last call.

        "gps_jump" (a position rejected), "gps_moved" (a far one believed after all), "gps_date" (a date that
        cannot be), "gps_field" (how often which field could not be read).
        """
        if self.unreadable.total() > self._unreadable_told and self._notice("gps_field", self.unreadable):
            self._unreadable_told = self.unreadable.total()
        notices, self._notices = self._notices, []
        return notices

    def _is_late(self, report: Report, t_us: int) -> bool:
        """Whether a sentence belongs to an epoch that has ended, or bears a stamp that stands still."""
        kind, time_us, ended, epoch = report.kind, report.time_us, self._ended, self._epoch
        stands_still = time_us is not None and time_us == self._times.get(kind)
        if time_us is not None:
            self._times[kind] = time_us
        if ended is None:
            return False
        if time_us is None:
            if epoch is not None or kind in ended.kinds or t_us - ended.last_us > PAUSE_US:
                return False
            if kind == "GSA" and ended.hdop is not None:  # one more, and nothing new in it
                return True
        elif time_us == ended.time_us and (epoch is None or epoch.time_us is None):
            if t_us - ended.t_us >= LATE_US:
                return False
        elif not (_is_before(time_us, (epoch or ended).time_us) and (stands_still or time_us in self._past)):
            return False
        self.rejected["late"] += 1
        if time_us in (None, ended.time_us) and kind not in ended.kinds:  # so it had not been complete
            self._steady = 0
        if not stands_still:
            self._learn_date(time_us, report.day, t_us)
        return True

    def _end(self) -> list[Fix]:
        epoch = self._epoch
        if epoch is None:
            return []
        self._epoch, self._ended = None, epoch
        self._past.append(epoch.time_us)
        self._steady = self._steady + 1 if epoch.kinds == self._usual else 0
        self._usual = epoch.kinds
        if epoch.says_something:
            return [self._fix(epoch)]
        self._learn_date(epoch.time_us, epoch.day, epoch.t_us)
        return []

    def _learn_date(self, time_us: int | None, day: int | None, t_us: int) -> None:
        if self._has_fix and time_us is not None and day is not None:
            self._calendar.learn(time_us, day, t_us)

    def _fix(self, epoch: Epoch) -> Fix:
        time_us, t_us = epoch.time_us, epoch.t_us
        day = carried = None if time_us is None else self._calendar.day(time_us, t_us)
        if epoch.day is not None:
            day = epoch.day
        self._has_fix = not epoch.denied and self._believes(epoch, day)
        if not self._has_fix:
            day = carried
        self._learn_date(time_us, day, t_us)
        utc_us = None if time_us is None or day is None else day * DAY_US + time_us
        date_ok = utc_us is None or date_can_be(utc_us)
        if not date_ok:
            self._notice("gps_date", {"utc_us": utc_us, "earliest": EARLIEST_DATE.isoformat()})
        if not self._has_fix:
            nothing = (None, None, None, None, None)
            return Fix(t_us, utc_us, *nothing, 0, epoch.satellites, epoch.hdop, date_ok)
        return Fix(
            *(t_us, utc_us, epoch.lat, epoch.lon, epoch.alt_m, epoch.speed_mps, epoch.course_deg),
            *(epoch.quality or 0, epoch.satellites, epoch.hdop, date_ok),
            *(epoch.accuracy_m, epoch.alt_accuracy_m, epoch.speed_accuracy_mps),
        )

    def _believes(self, epoch: Epoch, day: int | None) -> bool:
        """Whether the epoch's position is one, and one where the car can be."""
        if epoch.lat is None or epoch.lon is None:
            return False
        if epoch.lat == 0.0 and epoch.lon == 0.0:  # what a firmware makes of "unknown"; nobody rallies there
            self.rejected["null island"] += 1
            return False
        admitted = self._gate.admits(Place(epoch.lat, epoch.lon, epoch.time_us, day, epoch.t_us))
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


def _begins_another(report: Report, epoch: Epoch) -> bool:
    """Whether `report` is not of this epoch: by its time; and before a receiver has the time, by its kind."""
    if report.time_us is None:
        return report.kind in STATUS_KINDS and report.kind in epoch.kinds
    if epoch.time_us is None:
        return epoch.says_something
    apart_us = (report.time_us - epoch.time_us + DAY_US // 2) % DAY_US - DAY_US // 2
    return abs(apart_us) > SAME_US


def _is_before(time_us: int, other_us: int | None) -> bool:
    """Of two times of day, the shorter way round the clock."""
    return other_us is not None and (time_us - other_us) % DAY_US > DAY_US // 2
