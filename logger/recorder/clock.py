"""Log UTC as learned from GPS: the clock rows, which tie session time to UTC.

How it is learned, and which fixes count, gps/utc.py decides; here, when a row of it is due. The error of a
row says how far off it may be.
"""

from __future__ import annotations

from firmware_bridge.gps.utc import UtcOffset
from firmware_bridge.records import Fix
from logger.logfile.rows import ClockRow

_UNKNOWN_DELAY_US = 150_000
"""A receiver's first sentence of an epoch leaves it some 20 to 300 ms late: half the width either way."""
_RESTATE_US = 60_000_000
"""The clock is written again at least once a minute, so that any stretch of a log has one near it."""
_MOVED_US = 20_000
"""A change of the best estimate by more than this is written at once."""


class GpsClock:
    """Estimates UTC minus session time from fixes."""

    def __init__(self) -> None:
        self._offset = UtcOffset()
        self._written: ClockRow | None = None

    def feed(self, fix: Fix) -> ClockRow | None:
        """Take a fix; return a row when the clock became known, moved, or a minute has passed."""
        if not self._offset.feed(fix) or self._offset.us is None:
            return None
        best, written = self._offset.us, self._written
        due = (
            written is None
            or fix.t_us - written.t_us >= _RESTATE_US
            or abs(written.utc_us - written.t_us - best) > _MOVED_US
        )
        if not due:
            return None
        error = _UNKNOWN_DELAY_US + self._offset.spread_us
        self._written = ClockRow(fix.t_us, fix.t_us + best, error, "gps")
        return self._written

    @property
    def error_s(self) -> float | None:
        """How far off UTC may be, or None while it is not known."""
        return None if self._written is None else self._written.error_us / 1e6

    def utc_us(self, t_us: int) -> int | None:
        """UTC at a moment of the session, or None while no fix has given it."""
        return None if self._offset.us is None else t_us + self._offset.us
