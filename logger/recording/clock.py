"""UTC from GPS: the one place where session time and UTC are tied together.

A receiver names an epoch some time after it, when its first sentence has crossed the cable; how long after
cannot be told without a pulse-per-second wire. The shortest delay of the last minute is the best that can be
known, and the error says how far off that may be. The system's own clock is never read: a Pi has no battery
behind it.
"""

from __future__ import annotations

from collections import deque

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


class GpsClock:
    """Estimates UTC minus session time from fixes."""

    def __init__(self) -> None:
        self._offsets: deque[int] = deque(maxlen=_WINDOW_EPOCHS)
        self._written: ClockRow | None = None

    def feed(self, fix: Fix) -> ClockRow | None:
        """Take a fix; return a row when the clock became known, moved, or a minute has passed."""
        if fix.utc_us is None or not fix.date_ok or fix.lat is None:
            return None  # without a position a receiver may be telling its own unset clock
        offset = fix.utc_us - fix.t_us
        if self._offsets and abs(offset - self._offsets[-1]) > 10 * _RESTATE_US:
            self._offsets.clear()  # the receiver has changed its mind about the date: start again
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

    @property
    def error_s(self) -> float | None:
        """How far off UTC may be, or None while it is not known."""
        return None if self._written is None else self._written.error_us / 1e6

    def utc_us(self, t_us: int) -> int | None:
        """UTC at a moment of the session, or None while no fix has told it."""
        if not self._offsets:
            return None
        return t_us + max(self._offsets)
