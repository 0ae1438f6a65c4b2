"""The engine of a log: each channel's range, and its course in stretches short enough to draw.

SQLite does the sums, a stretch of rows at a time: the table is in order of time and has no index, and one sort
of millions of readings would take longer. SQLite lets go of Python's lock meanwhile, so threads share the work.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from logger.review.salvage import log_connection

STRETCHES = 4000
"""Twice the columns of a wide screen: a day is still told apart by ten seconds."""

MOST_WORKERS = 4
"""Threads: the cores of a Pi. Each has a connection of its own."""


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


def engine_of(path: Path, readings: int) -> list[ChannelReport]:
    """Every channel of a log that has readings. Raises LogError where the log is damaged."""
    with log_connection(path) as connection:
        rows = connection.execute("SELECT id, name, unit FROM channel ORDER BY id").fetchall()
    channels = {number: ChannelReport(name, unit) for number, name, unit in rows}
    step = max(1, -(-readings // STRETCHES))
    stretches = range(1, readings + 1, step)
    share = max(1, -(-len(stretches) // min(MOST_WORKERS, os.cpu_count() or 1)))
    parts = [stretches[at : at + share] for at in range(0, len(stretches), share)]
    with ThreadPoolExecutor(MOST_WORKERS) as pool:
        for sums in pool.map(partial(_sums, path, step), parts):
            for number, session, t_us, low, high, total, count in sums:
                if number in channels:
                    channels[number].take(session, t_us, low, high, total, count)
    return [channel for channel in channels.values() if channel.count]


def _sums(path: Path, step: int, firsts: range) -> list[tuple[int, int, int, float, float, float, int]]:
    """Channel, session, begin, least, greatest, sum and count, for every stretch that begins at one of the rows."""
    sums = []
    with log_connection(path) as connection:
        for first in firsts:
            sums += connection.execute(
                "SELECT channel, session, min(t_us), min(value), max(value), total(value), count(*) FROM reading"
                " WHERE rowid BETWEEN ? AND ? AND value IS NOT NULL GROUP BY channel, session",
                (first, first + step - 1),
            ).fetchall()
    return sums
