"""Counts of implausible speeds by source, for a report at intervals.

A receiver with a wrong scale sends ten per second for hours; the log gets one event per interval, and none is lost.
"""

from __future__ import annotations

from collections import Counter

EVERY_US = 10_000_000
"""Least interval between two reports."""


class RejectedSpeeds:
    """The speeds rejected since the last report."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._due_us = 0

    def add(self, source: str) -> None:
        """Count a speed of this source."""
        self._counts[source] += 1

    def take(self, now_us: int, *, is_last: bool = False) -> dict[str, int]:
        """Return the counts and forget them; none before the next report is due, unless it is the last."""
        if not self._counts or (now_us < self._due_us and not is_last):
            return {}
        counts, self._counts = dict(self._counts), Counter()
        self._due_us = now_us + EVERY_US
        return counts
