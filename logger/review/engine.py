"""The engine of a log: each channel's range, and its course in stretches short enough to draw.

SQLite does the sums, a stretch of rows at a time: the table is in order of time and has no index, and one
sort of millions of readings would take longer than the rest of the review.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import NamedTuple

STRETCHES = 4000
"""Twice the columns of a wide screen: a day is still told apart by ten seconds."""


class Stretch(NamedTuple):
    """The readings of one channel in one short stretch."""

    session: int
    t_us: int
    low: float
    mean: float
    high: float


@dataclass
class ChannelReport:
    """One channel over the whole log."""

    name: str
    unit: str
    count: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def take(self, session: int, t_us: int, low: float, high: float, total: float, count: int) -> None:
        """Add the sums of a stretch."""
        self.stretches.append(Stretch(session, t_us, low, total / count, high))
        self.count += count
        self.total += total
        self.low, self.high = min(self.low, low), max(self.high, high)


def engine_of(connection: sqlite3.Connection, readings: int) -> list[ChannelReport]:
    """Every channel that has readings. Raises sqlite3.Error where the log is damaged."""
    channels = {
        number: ChannelReport(name, unit)
        for number, name, unit in connection.execute("SELECT id, name, unit FROM channel ORDER BY id")
    }
    step = max(1, -(-readings // STRETCHES))
    for first in range(1, readings + 1, step):
        sums = connection.execute(
            "SELECT channel, session, min(t_us), min(value), max(value), total(value), count(*) FROM reading"
            " WHERE rowid BETWEEN ? AND ? AND value IS NOT NULL GROUP BY channel, session",
            (first, first + step - 1),
        )
        for number, session, t_us, low, high, total, count in sums:
            if number in channels:
                channels[number].take(session, t_us, low, high, total, count)
    return [channel for channel in channels.values() if channel.count]
