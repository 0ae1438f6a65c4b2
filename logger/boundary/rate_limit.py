"""So many a second: how often somebody may do something, without a history of what was done.

Time is an argument, in seconds of any steady clock.
"""

from __future__ import annotations


class Allowance:
    """At most `most` in each whole second."""

    def __init__(self, most: int) -> None:
        self._left = self._most = most
        self._second: int | None = None

    def take(self, now_s: float) -> bool:
        """Whether once more is allowed now."""
        if int(now_s) != self._second:
            self._second, self._left = int(now_s), self._most
        self._left -= 1
        return self._left >= 0
