"""Clock rows: map session time to UTC learned from GPS fixes.

firmware_bridge/gps/utc.py estimates UTC and selects the fixes; this module decides when a row is due. The error of a
row is the bound of its uncertainty.
"""

from __future__ import annotations

from firmware_bridge.gps.utc import UtcOffset
from firmware_bridge.records import Fix
from logger.logfile.rows import ClockRow

_UNKNOWN_DELAY_US = 150_000
"""A receiver sends the first sentence of an epoch some 20 to 300 ms late: half the range either way."""
_REPEAT_US = 60_000_000
"""Write the clock at least once a minute, so that any part of a log has a clock row nearby."""
_MOVED_US = 20_000
"""Write a change of the estimate larger than this at once."""


class GpsClock:
    """Estimates UTC minus session time from fixes."""

    def __init__(self) -> None:
        self._offset = UtcOffset()
        self._written: ClockRow | None = None

    def feed(self, fix: Fix) -> ClockRow | None:
        """Take a fix. Returns a row when UTC becomes known, when it moved, or once a minute."""
        if not self._offset.feed(fix) or self._offset.us is None:
            return None
        best, written = self._offset.us, self._written
        due = (
            written is None
            or fix.t_us - written.t_us >= _REPEAT_US
            or abs(written.utc_us - written.t_us - best) > _MOVED_US
        )
        if not due:
            return None
        error = _UNKNOWN_DELAY_US + self._offset.spread_us
        self._written = ClockRow(fix.t_us, fix.t_us + best, error, "gps")
        return self._written

    @property
    def error_s(self) -> float | None:
        """The uncertainty of UTC in seconds; None while UTC is unknown."""
        return None if self._written is None else self._written.error_us / 1e6

    def utc_us(self, t_us: int) -> int | None:
        """UTC at session time `t_us`; None while no fix has given it."""
        return None if self._offset.us is None else t_us + self._offset.us
