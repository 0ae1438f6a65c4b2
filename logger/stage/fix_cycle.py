"""How long ago the last position was, beside how often the receiver makes one: what "gps lost" goes by.

Receivers at 4800 baud make a fix every 2 s, some every 5 s: they are slow, not lost.
"""

from __future__ import annotations

from collections import deque

USUAL_US = 1_000_000
"""Receivers make a fix a second or more."""
SLOWEST_US = 12_500_000
"""Fixes further apart are no cycle of a receiver: it was lost between them. The slowest cycle that MediaTek's
receivers can be set to is 10 s; its fixes come a little more or less apart."""
INTERVALS = 3
"""The shortest of the latest intervals is the receiver's cycle: a gap between two fixes is none."""


class FixCycle:
    """The arrivals of the fixes with a position."""

    def __init__(self) -> None:
        self._last_us: int | None = None
        self._intervals_us: deque[int] = deque(maxlen=INTERVALS)

    def located(self, t_us: int) -> None:
        """A fix with a position, whose first sentence arrived at `t_us`."""
        if self._last_us is not None:
            self._intervals_us.append(t_us - self._last_us)
        self._last_us = t_us

    def overdue_us(self, t_us: int) -> int | None:
        """Time since the last position, less what the receiver's cycle takes beyond a second; None before the first.

        Less that twice: a fix is known when its cycle's last sentence is here, and the next one takes a cycle again.
        """
        if self._last_us is None:
            return None
        cycle_us = min(self._intervals_us, default=0)
        slow_us = cycle_us - USUAL_US if USUAL_US < cycle_us <= SLOWEST_US else 0
        return max(0, t_us - self._last_us - 2 * slow_us)
