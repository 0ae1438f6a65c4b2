"""Fixed-window rate limiter, with no history of past calls.

Time is an argument, in seconds of any steady clock.
"""

from __future__ import annotations


class RateLimit:
    """Allow at most `max_per_s` calls in each whole second."""

    def __init__(self, max_per_s: int) -> None:
        self._left = self._max_per_s = max_per_s
        self._second: int | None = None

    def take(self, now_s: float) -> bool:
        """Whether one more call is allowed now."""
        if int(now_s) != self._second:
            self._second, self._left = int(now_s), self._max_per_s
        self._left -= 1
        return self._left >= 0
