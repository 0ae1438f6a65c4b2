"""Learn a receiver's sentence pattern: the sentences of an epoch, and their intervals.

Uses kinds of sentences, times of day and arrivals, no values. It decides whether an epoch has all the sentences
that are due in it, so that it can end at once, and how long to wait for a missing one. A kind may come in every
epoch or, at a lower rate, in every tenth: then it is due when its own interval has passed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from firmware_bridge.gps.nmea_fields import DAY_US

SAME_US: Final = 10_000
"""Times within this belong to one epoch (gpsd's tolerance): some receivers truncate one and round the other."""
PAUSE_US: Final = 200_000
"""A sentence of 82 characters takes 171 ms at 4800 baud, the slowest rate in use: a longer gap is a pause."""
LEARN_US: Final = 1_300_000
"""How long an epoch is held until its receiver is known: RMC may come a second after its GGA."""
LEARN_EPOCHS: Final = 5
"""A receiver is known after this many epochs and LEARN_US; some sentences come only every second or fifth time."""
HELD_EPOCHS: Final = 32
"""Bound on open epochs, and enough epochs to know a receiver: 1.3 s at 25 Hz."""
LONGEST_WAIT_US: Final = 2_500_000
"""Longest wait for a sentence: one that comes more than a 2 s cycle after its epoch is of no use."""
REMEMBERED_WAITS: Final = 64
"""Number of sentences whose waits are remembered: a dozen epochs or more."""
FORGOTTEN_AFTER: Final = 5
"""A kind that was due and missing in this many epochs in a row is no longer sent."""
LONELY_FOR: Final = 60
"""The same for a kind that came only once: at 10 Hz it may still come every 5 s."""
_HALF_DAY_US: Final = DAY_US // 2
_INTERVALS: Final = 4
"""Intervals remembered; the shortest counts, so that a lost sentence changes nothing."""


def apart_us(time_us: int, other_us: int) -> int:
    """Return the difference from `other_us` to `time_us`, two times of day, in the shorter direction.

    A leap second (from DAY_US on) lies one second before the next day's first second, which has the same number.
    """
    ahead_us = time_us - other_us
    if -_HALF_DAY_US <= ahead_us < _HALF_DAY_US:
        return ahead_us
    if other_us >= DAY_US and time_us < _HALF_DAY_US:
        other_us -= 1_000_000
    elif time_us >= DAY_US and other_us < _HALF_DAY_US:
        time_us -= 1_000_000
    return (time_us - other_us + _HALF_DAY_US) % DAY_US - _HALF_DAY_US


class _Pattern:
    """Pattern of one kind: its last time, its latest intervals, and the number of epochs that lacked it since."""

    __slots__ = ("interval_us", "intervals", "last_us", "missed")

    def __init__(self, time_us: int) -> None:
        self.last_us = time_us
        self.intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.interval_us: int | None = None  # the shortest of them
        self.missed = 0


class Cadence:
    """The sentence pattern of one receiver. `pause_limit_us`: the longest pause within an epoch."""

    def __init__(self) -> None:
        self._patterns: dict[str, _Pattern] = {}
        self._steps: deque[int] = deque(maxlen=_INTERVALS)
        self._step_us: int | None = None  # the shortest of them
        self._waits: deque[int] = deque(maxlen=REMEMBERED_WAITS)
        self._longest_wait_us = 0
        self._always: frozenset[str] = frozenset()
        self._seldom: list[tuple[str, int, _Pattern]] = []  # kinds with their intervals
        self._is_sorted = True  # whether `_always` and `_seldom` are up to date
        self._newest_us: int | None = None
        self._first_t_us = 0
        self._epochs = 0
        self.known = False
        self.pause_limit_us = LEARN_US

    def begun(self, time_us: int, t_us: int) -> None:
        """Take the begin of an epoch, with a sentence that arrived at `t_us`."""
        if self._newest_us is None:
            self._first_t_us = t_us
        elif (step_us := apart_us(time_us, self._newest_us)) > SAME_US:
            self._steps.append(step_us)
            if step_us != self._step_us:
                self._change_step(min(self._steps))
        self._newest_us = time_us
        self._epochs += 1
        if not self.known:
            learned = self._epochs > LEARN_EPOCHS and t_us - self._first_t_us > LEARN_US
            self.known = learned or self._epochs > HELD_EPOCHS
            self._set_pause_limit()

    def _change_step(self, step_us: int) -> None:
        """Take another interval of epochs. The kinds of every epoch stay so when a receiver gets faster."""
        before_us, self._step_us, self._is_sorted = self._step_us, step_us, False
        if before_us is None or step_us >= before_us:
            return
        for pattern in self._patterns.values():
            if pattern.interval_us is not None and 2 * pattern.interval_us <= 3 * before_us:
                pattern.interval_us = None
                pattern.intervals.clear()

    def came(self, kind: str, time_us: int, wait_us: int) -> None:
        """Take a sentence of the epoch `time_us`, which arrived `wait_us` after the previous one."""
        if wait_us > LONGEST_WAIT_US:
            return
        waits, longest_us = self._waits, self._longest_wait_us
        leaving_us = waits[0] if len(waits) == REMEMBERED_WAITS else None
        waits.append(wait_us)
        if wait_us > longest_us or wait_us != leaving_us == longest_us:
            self._longest_wait_us = max(waits)
            self._set_pause_limit()
        pattern = self._patterns.get(kind)
        if pattern is None:
            self._patterns[kind], self._is_sorted = _Pattern(time_us), False
            return
        if pattern.missed:
            pattern.missed, self._is_sorted = 0, False
        interval_us = time_us - pattern.last_us
        if interval_us == pattern.interval_us:
            pattern.last_us = time_us
            pattern.intervals.append(interval_us)
        elif (interval_us := apart_us(time_us, pattern.last_us)) > SAME_US:
            pattern.last_us = time_us
            pattern.intervals.append(interval_us)
            pattern.interval_us, self._is_sorted = min(pattern.intervals), False

    def ended(self, kinds: set[str], time_us: int) -> None:
        """Take the end of an epoch that had these kinds of sentences."""
        if (due := self._due(time_us)) <= kinds:
            return
        for kind in due - kinds:
            self._patterns[kind].missed += 1
        self._is_sorted = False

    def is_whole(self, kinds: set[str], time_us: int) -> bool:
        """Return whether an epoch has all sentences due in it; False until the receiver is known."""
        if not self.known:
            return False
        plain = self._is_sorted and not self._seldom  # as with most receivers
        return (self._always if plain else self._due(time_us)) <= kinds

    def restart(self, time_us: int) -> None:
        """Restart the intervals at `time_us`, after the receiver's clock was set."""
        self._newest_us = None
        for pattern in self._patterns.values():
            pattern.last_us = time_us

    def _due(self, time_us: int) -> frozenset[str]:
        """Return the kinds that are due in an epoch."""
        if not self._is_sorted:
            self._sort()
        if not self._seldom:
            return self._always
        return self._always.union(
            kind
            for kind, interval_us, pattern in self._seldom
            if (apart_us(time_us, pattern.last_us) + SAME_US) % interval_us <= 2 * SAME_US
        )

    def _sort(self) -> None:
        """Sort the kinds into those of every epoch and those at a lower rate."""
        always, self._seldom, self._is_sorted = set(), [], True
        for kind, pattern in self._patterns.items():
            interval_us = pattern.interval_us
            if pattern.missed >= (LONELY_FOR if interval_us is None else FORGOTTEN_AFTER):
                continue
            if interval_us is None or self._step_us is None or 2 * interval_us <= 3 * self._step_us:
                always.add(kind)
            else:
                self._seldom.append((kind, interval_us, pattern))
        self._always = frozenset(always)

    def _set_pause_limit(self) -> None:
        self.pause_limit_us = PAUSE_US + self._longest_wait_us if self.known else LEARN_US
