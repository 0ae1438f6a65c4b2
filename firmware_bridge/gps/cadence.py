"""How a receiver works, learned from its recent epochs: which sentences an epoch has, and how far apart they come.

Knows kinds of sentences, times of day and arrivals, no values. It answers two questions: whether an epoch has
all the sentences that are due in it, so that nobody need wait for another; and how long to wait for one that
is missing. A kind may come in every epoch or, at a lower rate, in every tenth: then it is due where its own
interval has passed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from firmware_bridge.gps.nmea_fields import DAY_US

SAME_US: Final = 10_000
"""Times no further apart are of one epoch (gpsd's tolerance): some receivers truncate one and round the other."""
PAUSE_US: Final = 200_000
"""A sentence of 82 characters takes 171 ms at 4800 baud, the slowest rate in use: a longer gap is a pause."""
LEARN_US: Final = 1_300_000
"""How long an epoch is held while its receiver is not known: RMC may come a second after its GGA."""
LEARN_EPOCHS: Final = 5
"""A receiver is known after so many epochs (and LEARN_US); some sentences come only every second or fifth time."""
HELD_EPOCHS: Final = 32
"""So many epochs may be open, and so many are enough to know a receiver: 1.3 s at 25 Hz."""
LONGEST_WAIT_US: Final = 2_500_000
"""Nothing is waited for any longer: what comes later than a 2 s cycle behind its epoch is not of use."""
REMEMBERED_WAITS: Final = 64
"""Waits are learned from so many sentences: a dozen epochs or more."""
FORGOTTEN_AFTER: Final = 5
"""A kind that was due and missing in so many epochs in a row is not sent any more."""
LONELY_FOR: Final = 60
"""... and one that came only once, in so many: at 10 Hz it may yet come every 5 s."""
_HALF_DAY_US: Final = DAY_US // 2
_INTERVALS: Final = 4
"""Intervals remembered; the shortest counts, so that a lost sentence changes nothing."""


def apart_us(time_us: int, other_us: int) -> int:
    """From `other_us` to `time_us`, two times of day: the shorter way round the clock.

    A leap second (from DAY_US on) lies a second before the next day's first, which has the same number.
    """
    ahead_us = time_us - other_us
    if -_HALF_DAY_US <= ahead_us < _HALF_DAY_US:
        return ahead_us
    if other_us >= DAY_US and time_us < _HALF_DAY_US:
        other_us -= 1_000_000
    elif time_us >= DAY_US and other_us < _HALF_DAY_US:
        time_us -= 1_000_000
    return (time_us - other_us + _HALF_DAY_US) % DAY_US - _HALF_DAY_US


class _Habit:
    """Of one kind: when it came last, its latest intervals, and in how many epochs it was missing since."""

    __slots__ = ("interval_us", "intervals", "last_us", "missed")

    def __init__(self, time_us: int) -> None:
        self.last_us = time_us
        self.intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.interval_us: int | None = None  # the shortest of them
        self.missed = 0


class Cadence:
    """What is known of a receiver's epochs."""

    def __init__(self) -> None:
        self._habits: dict[str, _Habit] = {}
        self._steps: deque[int] = deque(maxlen=_INTERVALS)
        self._step_us: int | None = None  # the shortest of them
        self._waits: deque[int] = deque(maxlen=REMEMBERED_WAITS)
        self._longest_wait_us = 0
        self._always: frozenset[str] = frozenset()
        self._seldom: list[tuple[str, int, _Habit]] = []  # kinds with their intervals
        self._is_sorted = True  # into these two
        self._newest_us: int | None = None
        self._first_t_us = 0
        self._epochs = 0
        self.known = False
        self.patience_us = LEARN_US

    def begun(self, time_us: int, t_us: int) -> None:
        """A new epoch has begun, with a sentence that arrived at `t_us`."""
        if self._newest_us is None:
            self._first_t_us = t_us
        elif (step_us := apart_us(time_us, self._newest_us)) > SAME_US:
            self._steps.append(step_us)
            if step_us != self._step_us:
                self._step_us, self._is_sorted = min(self._steps), False
        self._newest_us = time_us
        self._epochs += 1
        if not self.known:
            learned = self._epochs > LEARN_EPOCHS and t_us - self._first_t_us > LEARN_US
            self.known = learned or self._epochs > HELD_EPOCHS
            self._set_patience()

    def came(self, kind: str, time_us: int, wait_us: int) -> None:
        """A sentence of the epoch `time_us` came, `wait_us` after the one before it."""
        if wait_us > LONGEST_WAIT_US:
            return
        waits, longest_us = self._waits, self._longest_wait_us
        leaving_us = waits[0] if len(waits) == REMEMBERED_WAITS else None
        waits.append(wait_us)
        if wait_us > longest_us or wait_us != leaving_us == longest_us:
            self._longest_wait_us = max(waits)
            self._set_patience()
        habit = self._habits.get(kind)
        if habit is None:
            self._habits[kind], self._is_sorted = _Habit(time_us), False
            return
        if habit.missed:
            habit.missed, self._is_sorted = 0, False
        interval_us = time_us - habit.last_us
        if interval_us == habit.interval_us:
            habit.last_us = time_us
            habit.intervals.append(interval_us)
        elif (interval_us := apart_us(time_us, habit.last_us)) > SAME_US:
            habit.last_us = time_us
            habit.intervals.append(interval_us)
            habit.interval_us, self._is_sorted = min(habit.intervals), False

    def ended(self, kinds: set[str], time_us: int) -> None:
        """An epoch has ended with these sentences."""
        if (due := self._due(time_us)) <= kinds:
            return
        for kind in due - kinds:
            self._habits[kind].missed += 1
        self._is_sorted = False

    def is_whole(self, kinds: set[str], time_us: int) -> bool:
        """Whether an epoch has all that is due in it; False while the receiver is not known."""
        if not self.known:
            return False
        plain = self._is_sorted and not self._seldom  # as with most receivers
        return (self._always if plain else self._due(time_us)) <= kinds

    def restart(self, time_us: int) -> None:
        """The receiver's clock was set: intervals go on from its next epoch, at `time_us`."""
        self._newest_us = None
        for habit in self._habits.values():
            habit.last_us = time_us

    def _due(self, time_us: int) -> frozenset[str]:
        """The kinds that an epoch has."""
        if not self._is_sorted:
            self._sort()
        if not self._seldom:
            return self._always
        return self._always.union(
            kind
            for kind, interval_us, habit in self._seldom
            if (apart_us(time_us, habit.last_us) + SAME_US) % interval_us <= 2 * SAME_US
        )

    def _sort(self) -> None:
        """Which kinds come in every epoch, and which at a rate of their own."""
        always, self._seldom, self._is_sorted = set(), [], True
        for kind, habit in self._habits.items():
            interval_us = habit.interval_us
            if habit.missed >= (LONELY_FOR if interval_us is None else FORGOTTEN_AFTER):
                continue
            if interval_us is None or self._step_us is None or 2 * interval_us <= 3 * self._step_us:
                always.add(kind)
            else:
                self._seldom.append((kind, interval_us, habit))
        self._always = frozenset(always)

    def _set_patience(self) -> None:
        self.patience_us = PAUSE_US + self._longest_wait_us if self.known else LEARN_US
