"""How a receiver works, learned from its recent epochs: which sentences an epoch has, and how far apart they come.

Knows kinds of sentences, times of day and arrivals, no values. It answers two questions: whether an epoch has
all the sentences that are due in it, so that nobody need wait for another; and how long to wait for one that
is missing. A kind may come in every epoch or, at a lower rate, in every tenth: then it is due where its own
interval has passed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from firmware_bridge.nmea_fields import DAY_US

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
_INTERVALS: Final = 4
"""Intervals remembered; the shortest counts, so that a lost sentence changes nothing."""


def apart_us(time_us: int, other_us: int) -> int:
    """From `other_us` to `time_us`, two times of day: the shorter way round the clock.

    A leap second (from DAY_US on) lies a second before the next day's first, which has the same number.
    """
    if other_us >= DAY_US and time_us < DAY_US // 2:
        other_us -= 1_000_000
    elif time_us >= DAY_US and other_us < DAY_US // 2:
        time_us -= 1_000_000
    return (time_us - other_us + DAY_US // 2) % DAY_US - DAY_US // 2


class _Habit:
    """Of one kind: when it came last, its latest intervals, and in how many epochs it was missing since."""

    __slots__ = ("intervals", "last_us", "missed")

    def __init__(self, time_us: int) -> None:
        self.last_us = time_us
        self.intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.missed = 0


class Cadence:
    """What is known of a receiver's epochs."""

    def __init__(self) -> None:
        self._habits: dict[str, _Habit] = {}
        self._steps: deque[int] = deque(maxlen=_INTERVALS)
        self._waits: deque[int] = deque(maxlen=REMEMBERED_WAITS)
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
        self._waits.append(wait_us)
        self._set_patience()
        habit = self._habits.get(kind)
        if habit is None:
            self._habits[kind] = _Habit(time_us)
            return
        habit.missed = 0
        interval_us = apart_us(time_us, habit.last_us)
        if interval_us > SAME_US:
            habit.intervals.append(interval_us)
            habit.last_us = time_us

    def ended(self, kinds: set[str], time_us: int) -> None:
        """An epoch has ended with these sentences."""
        for kind, habit in self._habits.items():
            if kind not in kinds and self._is_due(habit, time_us):
                habit.missed += 1

    def is_whole(self, kinds: set[str], time_us: int) -> bool:
        """Whether an epoch has all that is due in it; False while the receiver is not known."""
        return self.known and not any(
            kind not in kinds and self._is_due(habit, time_us) for kind, habit in self._habits.items()
        )

    def restart(self, time_us: int) -> None:
        """The receiver's clock was set: intervals go on from its next epoch, at `time_us`."""
        self._newest_us = None
        for habit in self._habits.values():
            habit.last_us = time_us

    def _is_due(self, habit: _Habit, time_us: int) -> bool:
        if not habit.intervals:
            return habit.missed < LONELY_FOR
        if habit.missed >= FORGOTTEN_AFTER:
            return False
        interval_us = min(habit.intervals)
        if not self._steps or 2 * interval_us <= 3 * min(self._steps):
            return True
        past_interval_us = (apart_us(time_us, habit.last_us) + SAME_US) % interval_us
        return past_interval_us <= 2 * SAME_US

    def _set_patience(self) -> None:
        self.patience_us = PAUSE_US + max(self._waits, default=0) if self.known else LEARN_US
