"""The engine of a log: each channel's range, and its course in stretches short enough to draw.

The table is in order of time and has no index, so it is read once, in order, into arrays of bounded size; numpy
does the sums. (SQLite's own GROUP BY sorts, and takes four times as long.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logger.review.evidence import Floats

STRETCHES = 4000
"""Twice the columns of a wide screen: a day is still told apart by ten seconds."""

STRETCHES_AT_ONCE = 200
"""Stretches read together: a few megabytes of a long day."""


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
    most = max(channels, default=0) + 1
    for first in range(1, readings + 1, step * STRETCHES_AT_ONCE):
        rows = connection.execute(
            "SELECT ifnull(channel, 0), ifnull(value, 9e999) FROM reading WHERE rowid BETWEEN ? AND ? ORDER BY rowid",
            (first, first + step * STRETCHES_AT_ONCE - 1),
        )
        flat = np.fromiter(chain.from_iterable(rows), dtype=np.float64).reshape(-1, 2)
        stretch, values = np.arange(len(flat)) // step, flat[:, 1]
        key = stretch * most + flat[:, 0].astype(np.int64)
        known = np.isfinite(values)
        begun: dict[int, tuple[int, int]] = {}
        for at, number, low, high, total, count in _sums(key[known], values[known], most):
            if at not in begun:
                row = "SELECT session, t_us FROM reading WHERE rowid = ?"
                begun[at] = connection.execute(row, (first + at * step,)).fetchone()
            session, t_us = begun[at]
            if number in channels:
                channels[number].take(session, t_us, low, high, total, count)
    return [channel for channel in channels.values() if channel.count]


def _sums(
    key: NDArray[np.int64], values: Floats, most: int
) -> Iterator[tuple[int, int, float, float, float, int]]:
    """Stretch, channel, least, greatest, sum and count of each key's values."""
    order = np.argsort(key, kind="stable")
    key, values = key[order], values[order]
    if not len(key):
        return
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    lows, highs = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    totals, counts = np.add.reduceat(values, starts), np.diff([*starts, len(key)])
    for number, low, high, total, count in zip(
        *(column.tolist() for column in (key[starts], lows, highs, totals, counts)), strict=True
    ):
        yield number // most, number % most, low, high, total, count
