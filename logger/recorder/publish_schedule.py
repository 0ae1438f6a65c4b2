"""Decide when the live state is published: `rate_hz` times per second on average, with each new fix if that fits."""

from __future__ import annotations

_EARLY = 0.5
"""The part of a period by which a new fix may be early: receivers send at an uneven pace, and the crew should not see
a fix late because of that."""
_LATE = 0.3
"""The part of a period that a publication without a new fix waits for one, so that the next fix is not late."""
_NEAR_US = 70_000
"""A publication this near to the next engine readings waits for them. An engine value that came right after the last
ones is then at most 140 ms old, of the 150 ms within which the crew sees it, and a fix is delayed by at most 70 ms."""
_NEAR = 0.6
"""The most of that, as a part of a period."""


class PublishSchedule:
    """Publications are due every period; one that comes early or late does not move the following ones.

    A fix goes out with the publication that is due next, up to half a period before its time. Without fixes the live
    state is published at the same rate, for the engine and the clock.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_us = int(1e6 / rate_hz)
        self._near_us = min(_NEAR_US, _NEAR * self._period_us)
        self._due_us = 0
        self._has_fix = False

    def is_due(self, now_us: int, has_fix: bool, to_readings_us: int) -> bool:
        """Whether to publish now; `has_fix` is whether this round has a new fix, `to_readings_us` is the time until the
        next engine readings."""
        self._has_fix |= has_fix
        after_us = (-_EARLY if self._has_fix else _LATE) * self._period_us
        if now_us < self._due_us + after_us or 0 < to_readings_us <= self._near_us:
            return False
        # After a stall the schedule continues from now: missed publications are not made up for.
        self._due_us = max(self._due_us, now_us - self._period_us // 2) + self._period_us
        self._has_fix = False
        return True

    def wait_us(self, now_us: int) -> int:
        """Time until the next publication if no fix comes."""
        return max(0, self._due_us + int(_LATE * self._period_us) - now_us)
