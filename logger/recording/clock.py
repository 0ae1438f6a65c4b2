"""UTC from GPS: the one place where session time and UTC are tied together.

A receiver names an epoch some time after it, when its first sentence has crossed the cable; how long after
cannot be told without a pulse-per-second wire. The shortest delay of the last minute is the best that can be
known, and the error says how far off that may be. The system's own clock is never read: a Pi has no battery
behind it.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from firmware_bridge.records import Fix
from logger.recording.rows import ClockRow

_WINDOW_EPOCHS = 64
"""Epochs over which the shortest delay is sought: 6 s at 10 Hz, a minute at 1 Hz."""
_UNKNOWN_DELAY_US = 150_000
"""A receiver's first sentence of an epoch leaves it some 20 to 300 ms late: half the width either way."""
_RESTATE_US = 60_000_000
"""The clock is written again at least once a minute, so that any stretch of a log has one near it."""
_MOVED_US = 20_000
"""A change of the best estimate by more than this is written at once."""
_IN_LINE_US = 500_000
"""An epoch that is told further off is a glitch, a backlog that came all at once, or the receiver's change of mind."""
_AGREED_EPOCHS, _AGREED_US = 5, 3_000_000
"""A change of mind is so many in a row that agree with each other, and that for so long: a backlog takes no time."""


class _Told(NamedTuple):
    """UTC minus session time, as an epoch that arrived at `t_us` tells it."""

    t_us: int
    offset_us: int


class GpsClock:
    """Estimates UTC minus session time from fixes."""

    def __init__(self) -> None:
        self._offsets: deque[int] = deque(maxlen=_WINDOW_EPOCHS)
        self._strange: list[_Told] = []
        self._written: ClockRow | None = None

    def feed(self, fix: Fix) -> ClockRow | None:
        """Take a fix; return a row when the clock became known, moved, or a minute has passed."""
        if fix.utc_us is None or not fix.date_ok or fix.lat is None:
            return None  # without a position a receiver may be telling its own unset clock
        offset = fix.utc_us - fix.t_us
        if self._is_strange(_Told(fix.t_us, offset)):
            return None
        self._offsets.append(offset)
        best = max(self._offsets)
        written = self._written
        due = (
            written is None
            or fix.t_us - written.t_us >= _RESTATE_US
            or abs(written.utc_us - written.t_us - best) > _MOVED_US
        )
        if not due:
            return None
        error = _UNKNOWN_DELAY_US + best - min(self._offsets)
        self._written = ClockRow(fix.t_us, fix.t_us + best, error, "gps")
        return self._written

    def _is_strange(self, told: _Told) -> bool:
        """Whether an epoch is out of line; when enough of them agree, what was in line before is forgotten instead."""
        if not self._offsets or abs(told.offset_us - max(self._offsets)) <= _IN_LINE_US:
            self._strange.clear()
            return False
        if self._strange and abs(told.offset_us - self._strange[0].offset_us) > _IN_LINE_US:
            self._strange.clear()
        self._strange.append(told)
        if len(self._strange) < _AGREED_EPOCHS or told.t_us - self._strange[0].t_us < _AGREED_US:
            return True
        self._offsets.clear()
        self._offsets.extend(each.offset_us for each in self._strange[:-1])
        self._strange.clear()
        return False

    @property
    def error_s(self) -> float | None:
        """How far off UTC may be, or None while it is not known."""
        return None if self._written is None else self._written.error_us / 1e6

    def utc_us(self, t_us: int) -> int | None:
        """UTC at a moment of the session, or None while no fix has told it."""
        if not self._offsets:
            return None
        return t_us + max(self._offsets)
