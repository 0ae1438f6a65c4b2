"""Fixed-window rate limiter, with no history of past calls.

Time is an argument, in seconds of any steady clock.
"""

from __future__ import annotations


class Allowance:
    """Allow at most `most` calls in each whole second."""

    def __init__(self, most: int) -> None:
        self._left = self._most = most
        self._second: int | None = None

    def take(self, now_s: float) -> bool:
        """Whether one more call is allowed now."""
        if int(now_s) != self._second:
            self._second, self._left = int(now_s), self._most
        self._left -= 1
        return self._left >= 0
