"""Group sentences into epochs, at any rate from 1 to 25 Hz and in any order of sentences.

An epoch is the sentences whose times of day are within 10 ms, plus those that carry no time (VTG, GSA). Only a
sentence that reports a fix begins an epoch: the time in ZDA may differ. Several epochs may be open at once, because
RMC may come an epoch after its GGA; they end in the order of their times, each time once. An epoch ends
  - when it has all the sentences that are due in it (`cadence`), so that the crew does not wait for the next epoch;
  - when a later one ends;
  - after a pause longer than its receiver's usual ones. Until these are known: after a short pause if the epoch has
    everything that a fix can have, or when the next epoch begins. The very first epoch ends within a second.
A time that does not follow the last one is damage, or a clock that was set: the next one shows which.
A sentence for an epoch that has ended is counted as "late", or as "repeated" if the epoch already had it. Pauses are
detected from the sentences' timestamps as well as by `tick`, so a replayed log gives the same epochs as live.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from firmware_bridge.gps.cadence import HELD_EPOCHS, PAUSE_US, SAME_US, Cadence, apart_us
from firmware_bridge.gps.epoch import STATUS_KINDS, Epoch
from firmware_bridge.gps.fix_report import Report
from firmware_bridge.gps.vtg_order import VtgOrder

LONGEST_EPOCH_US: Final = 6_000_000
"""Receivers at 4800 baud with all sentences enabled take up to 5 s for an epoch, without a pause."""
STILL_US: Final = 900_000
"""A sentence repeated this long after its epoch is not a second copy: its receiver's clock stands still."""
FIRST_US: Final = 1_000_000
"""The crew sees the first fix within a second, even if RMC of its epoch is still to come."""
BREAK_US: Final = 5_000_000
"""A time further ahead than this (beyond the time elapsed), or further back, does not follow the last one."""
HELD_SENTENCES: Final = 8
"""Bound on sentences of one time held until the next time: more than an epoch has."""


class Assembly:
    """Build epochs. `dropped` counts "late" and "repeated" sentences, and "stray" ones without an epoch.

    `has_arrivals` is False if the timestamps are the sentences' own times, so that pauses mean nothing.
    """

    def __init__(self, dropped: Counter[str], *, has_arrivals: bool = True) -> None:
        self.dropped = dropped
        self.repeated_us: int | None = None  # when the last repeated sentence arrived
        self._cadence = Cadence()
        self._open: list[Epoch] = []
        self._newest: Epoch | None = None  # the one with the latest time, open or ended
        self._past: deque[Epoch] = deque(maxlen=HELD_EPOCHS)  # ended epochs with a time
        self._last: Epoch | None = None  # the last epoch that ended, with a time or without
        self._ended: list[Epoch] = []  # since the last call
        self._reports: dict[str, Report] = {}  # the last of each kind
        self._current: Epoch | None = None  # the epoch of the last sentence with a time
        self._current_us = 0
        self._held: list[tuple[Report, int]] = []  # sentences of one time that does not follow the last
        self._vtg: tuple[Report, int, bool] | None = (
            None  # the last VTG, its arrival, whether an epoch took it
        )
        self._vtgs = 0  # since the last sentence with a time
        self._vtg_order = VtgOrder(has_arrivals=has_arrivals)

    def feed(self, report: Report, t_us: int) -> list[Epoch]:
        """Take a report; return the epochs that it ends, oldest first (usually none or one)."""
        if self._open:
            self._end_silent(t_us)
        kind, time_us = report.kind, report.time_us
        if kind == "VTG":
            self._take_vtg(report, t_us)
        elif kind not in STATUS_KINDS:
            self._follow(report, t_us)
        elif time_us is None:
            self._take_untimed(report, t_us)
        elif not self._held or self._judge_held(report, time_us, t_us):
            self._take_timed(report, time_us, t_us)
        return self._take_ended() if self._ended else []

    def heard(self, t_us: int) -> None:
        """Take the arrival of a sentence unrelated to fixes: it does not count as a pause."""
        if self._open:
            epoch = self._open[-1]
            epoch.waited_us = max(epoch.waited_us, t_us - epoch.last_us)
            epoch.last_us = t_us

    def tick(self, t_us: int) -> list[Epoch]:
        """Return the epochs that a pause has ended by `t_us`."""
        self._end_silent(t_us)
        return self._take_ended()

    def finish(self) -> list[Epoch]:
        """Return the open epochs at the end of the input."""
        self._end_all()
        past_us = self._past[-1].time_us if self._past else None
        if self._held and past_us is not None and apart_us(self._held[0][0].time_us or 0, past_us) > 0:
            self._accept_held()
            self._end_all()
        return self._take_ended()

    def _end_silent(self, t_us: int) -> None:
        """End the epochs whose pause has been too long."""
        for number in range(len(self._open), 0, -1):
            epoch = self._open[number - 1]
            pause_limit_us = self._cadence.pause_limit_us
            if not self._cadence.known and epoch.is_full:
                pause_limit_us = PAUSE_US if epoch is self._open[-1] else 0
            elif self._last is None:
                pause_limit_us = min(FIRST_US, pause_limit_us)
            if t_us - epoch.last_us > pause_limit_us or t_us - epoch.t_us > LONGEST_EPOCH_US:
                self._end(number)
                return

    def _take_timed(self, report: Report, time_us: int, t_us: int) -> None:
        newest, epoch = self._newest, None
        ahead_us = SAME_US + 1 if newest is None else apart_us(time_us, newest.time_us or 0)
        if ahead_us <= SAME_US:
            epoch = newest if ahead_us >= -SAME_US else self._of_time(time_us)
        if epoch is None and (SAME_US < ahead_us <= BREAK_US or self._follows_on(time_us, t_us)):
            epoch = self._begin(time_us, t_us)
        if epoch is None:
            self._hold(report, t_us)
        elif epoch in self._open:
            if self._vtg is not None:
                self._settle_vtg(epoch, t_us)
            self._current, self._current_us = epoch, t_us
            self._take(epoch, report, t_us)
        else:
            self._take_late(epoch, report, t_us)
        self._reports[report.kind] = report

    def _begin(self, time_us: int, t_us: int) -> Epoch:
        """Open the epoch of a new time: the next epoch, or an earlier one whose first sentences were lost."""
        if self._open and self._open[-1].time_us is None:
            self._end_all()
        place = len(self._open)
        while place and apart_us(time_us, self._open[place - 1].time_us or 0) < 0:
            place -= 1
        epoch = Epoch(t_us)
        epoch.time_us = time_us
        if place == len(self._open):
            self._cadence.begun(time_us, t_us)
            self._newest = epoch
        self._open.insert(place, epoch)
        if len(self._open) > HELD_EPOCHS:
            self._end(1)
        return epoch

    def _of_time(self, time_us: int) -> Epoch | None:
        """Return the epoch of a time of day, open or ended; both lists are in the order of time."""
        for epochs in (self._open, self._past):
            for epoch in reversed(epochs):
                if epoch.time_us is None:
                    continue
                ahead_us = apart_us(time_us, epoch.time_us)
                if ahead_us > SAME_US:
                    break
                if ahead_us >= -SAME_US:
                    return epoch
        return None

    def _follows_on(self, time_us: int, t_us: int) -> bool:
        """Return whether a new time lies after the last epoch that ended, and near the newest one."""
        past, newest = self._past[-1] if self._past else None, self._newest
        if newest is None or newest.time_us is None:
            return True
        ahead_us = apart_us(time_us, newest.time_us)
        if ahead_us > 0:
            return ahead_us <= BREAK_US + t_us - newest.t_us
        return ahead_us >= -BREAK_US and (past is None or apart_us(time_us, past.time_us or 0) > 0)

    def _hold(self, report: Report, t_us: int) -> None:
        if len(self._held) < HELD_SENTENCES:
            self._held.append((report, t_us))

    def _is_epoch_held(self) -> bool:
        """Return whether a whole epoch of several sentences is held: damage would not give all of them one time."""
        kinds = {report.kind for report, _ in self._held}
        return len(kinds) > 1 and bool(self._past) and kinds == self._past[-1].kinds & STATUS_KINDS

    def _judge_held(self, report: Report, time_us: int, t_us: int) -> bool:
        """Judge the held sentences by this report's time: late if it follows the last epoch, else the clock was set.
        Return False if the report has their time and is held too."""
        if abs(apart_us(time_us, self._held[0][0].time_us or 0)) <= SAME_US:
            self._hold(report, t_us)
            if self._is_epoch_held():
                self._accept_held()
            return False
        if self._of_time(time_us) or self._follows_on(time_us, t_us):
            self.dropped["late"] += len(self._held)
            self._held = []
        else:
            self._accept_held()
        return True

    def _accept_held(self) -> None:
        """Accept the held sentences: the receiver's clock was set, or another receiver continues. Restart epochs."""
        held, self._held = self._held, []
        self._end_all()
        self._past.clear()
        self._newest = None
        for report, t_us in held:
            assert report.time_us is not None  # noqa: S101 - held reports have a time
            if report is held[0][0]:
                self._cadence.restart(report.time_us)
            self._take_timed(report, report.time_us, t_us)

    def _take(self, epoch: Epoch, report: Report, t_us: int) -> None:
        wait_us, epoch.last_us = t_us - epoch.last_us, t_us
        if epoch.waited_us:
            wait_us, epoch.waited_us = max(wait_us, epoch.waited_us), 0
        is_news, time_us = epoch.take(report), epoch.time_us
        if time_us is None:
            return
        if is_news:
            self._cadence.came(report.kind, time_us, wait_us)
        if self._cadence.is_whole(epoch.kinds, time_us):
            self._end(self._open.index(epoch) + 1)

    def _take_late(self, epoch: Epoch, report: Report, t_us: int) -> None:
        """Take a sentence of an epoch that has ended. If it keeps repeating, the receiver's clock stands still."""
        if report.kind not in epoch.kinds:  # the epoch ended incomplete
            self._learn_late(epoch, report.kind, t_us)
            return
        self.dropped["repeated"] += 1
        self.repeated_us = t_us
        before = self._reports.get(report.kind)
        moves = report.quality == 0 or before is None or (report.lat, report.lon) != (before.lat, before.lon)
        if moves and t_us - epoch.t_us >= STILL_US:
            self._take_untimed(report._replace(time_us=None), t_us)

    def _take_untimed(self, report: Report, t_us: int) -> None:
        """Take a sentence that reports a fix without a time, as before a receiver knows the time."""
        epoch = self._open[-1] if self._open else None
        if epoch is not None and report.kind not in epoch.kinds:
            self._take(epoch, report, t_us)
            return
        last = self._last
        is_close = epoch is None and last is not None and t_us - last.last_us <= PAUSE_US
        if is_close and last is not None and report.kind not in last.kinds:
            self.dropped["late"] += 1
            return
        self._end_all()
        self._open.append(Epoch(t_us))
        self._current = None
        self._take(self._open[-1], report, t_us)

    def _take_vtg(self, report: Report, t_us: int) -> None:
        if self._last is None and not self._open:
            self._vtg_order.came_first()
        self._vtg = report, t_us, False
        self._vtgs += 1
        if not self._vtg_order.leads:
            self._follow(report, t_us)

    def _settle_vtg(self, epoch: Epoch, t_us: int) -> None:
        """Decide at the next timed sentence whether the last VTG belongs to its burst or to the one before."""
        assert self._vtg is not None  # noqa: S101 - the caller has checked
        report, vtg_us, is_taken = self._vtg
        self._vtg = None
        before_us, after_us = vtg_us - self._current_us, t_us - vtg_us
        if not is_taken and self._vtg_order.is_of_next(before_us, after_us, self._cadence.pause_limit_us):
            epoch.take(report)
        is_one, self._vtgs = self._vtgs == 1, 0
        if self._current is not None and self._current is not epoch and is_one:
            self._vtg_order.learn(before_us, after_us)

    def _follow(self, report: Report, t_us: int) -> None:
        """Add a sentence without a time to the epoch of the last timed sentence."""
        epoch = self._current or (self._open[-1] if self._open else None)
        if epoch is None or (report.kind == "VTG" and "VTG" in epoch.kinds):
            self.dropped["stray"] += 1  # its epoch's own sentences were lost
        elif epoch in self._open:
            if self._vtg is not None and report.kind == "VTG":
                self._vtg = report, t_us, True
            self._take(epoch, report, t_us)
        elif report.kind == "VTG" and epoch.speed_mps is None:
            self._learn_late(epoch, "VTG", t_us)
        elif report.kind == "GSA" and epoch.hdop is None:
            self._learn_late(epoch, "GSA", t_us)

    def _learn_late(self, epoch: Epoch, kind: str, t_us: int) -> None:
        self.dropped["late"] += 1
        epoch.kinds.add(kind)
        if epoch.time_us is not None:
            self._cadence.came(kind, epoch.time_us, t_us - epoch.last_us)

    def _end_all(self) -> None:
        self._end(len(self._open))

    def _end(self, count: int) -> None:
        """End the oldest `count` open epochs."""
        ended, self._open = self._open[:count], self._open[count:]
        self._ended += ended
        for epoch in ended:
            self._last = epoch
            if epoch.time_us is not None:
                self._past.append(epoch)
                self._cadence.ended(epoch.kinds, epoch.time_us)

    def _take_ended(self) -> list[Epoch]:
        ended, self._ended = self._ended, []
        return ended
