"""As-of join of fixes with stage progress and engine channels: one row per fix.

Readings arrive ten times per second, fixes at the receiver's rate: a fix gets the newest value of each channel that is
not too old. Each table is read once, in parallel, in constant memory.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from logger.logfile.blocks import FixBlock, Numbers, Progress, fix_blocks, progress_blocks, reading_blocks
from logger.logfile.reader import channels_of
from logger.logfile.selection import Integers, Selection

OLDEST_US = 10_000_000
"""Maximum age of a joined value: the slowest engine messages come every few seconds."""
_SESSION = 2**44
"""Factor to combine session number and session time (us) in one sort key; it is half a year."""

STAGE_COLUMNS = ("section", "distance_km", "limit_kmh")


class Row(NamedTuple):
    """A block of fixes; `beside` has one column per STAGE_COLUMNS and then per channel, NaN for none."""

    fixes: FixBlock
    beside: Numbers


class Updates(NamedTuple):
    """New values in order of time: sort key of session and time, column, value."""

    key: Integers
    column: Integers
    value: Numbers


def channel_titles(connection: sqlite3.Connection) -> tuple[list[int], list[str]]:
    """Numbers and column titles of the log's channels: name, unit, and the source if the title is not unique."""
    channels = channels_of(connection)
    titles = [
        f"{channel.name} [{channel.unit}]" if channel.unit else channel.name for channel in channels.values()
    ]
    counts = Counter(titles)
    unique = [
        title if counts[title] == 1 else f"{title} {channel.source}"
        for title, channel in zip(titles, channels.values(), strict=True)
    ]
    return list(channels), unique


def rows(connection: sqlite3.Connection, selection: Selection, progress: Progress) -> Iterator[Row]:
    """Yield the fixes of a selection with the joined values. Raises LogError."""
    channels, _ = channel_titles(connection)
    engine = _Newest(_engine(connection, selection, channels), len(channels))
    for fixes, beside in stage_rows(connection, selection, progress):
        yield Row(fixes, np.concatenate((beside, engine.at(_key(fixes))), axis=1))


def stage_rows(connection: sqlite3.Connection, selection: Selection, progress: Progress) -> Iterator[Row]:
    """Yield the fixes of a selection with the STAGE_COLUMNS only. Raises LogError."""
    stage = _Newest(_stage(connection, selection), len(STAGE_COLUMNS))
    for fixes in fix_blocks(connection, selection, progress):
        yield Row(fixes, stage.at(_key(fixes)))


def _key(fixes: FixBlock) -> Integers:
    return fixes.session * _SESSION + fixes.t_us


def _engine(connection: sqlite3.Connection, selection: Selection, channels: list[int]) -> Iterator[Updates]:
    top = max(channels, default=0)
    column = np.full(top + 2, -1, dtype=np.int64)  # an unknown channel has no column
    column[channels] = np.arange(len(channels))
    for session, t_us, channel, value in reading_blocks(connection, selection):
        yield Updates(session * _SESSION + t_us, column[np.clip(channel, 0, top + 1)], value)


def _stage(connection: sqlite3.Connection, selection: Selection) -> Iterator[Updates]:
    for session, t_us, section, distance_m, limit_kmh in progress_blocks(connection, selection):
        values = np.stack((section + 1, distance_m / 1000.0, limit_kmh), axis=1)
        key = np.repeat(session * _SESSION + t_us, len(STAGE_COLUMNS))
        yield Updates(key, np.tile(np.arange(len(STAGE_COLUMNS)), len(t_us)), values.ravel())


class _Newest:
    """The newest value of each column at given times, from a stream read only as far as needed."""

    def __init__(self, stream: Iterator[Updates], columns: int) -> None:
        self._stream = stream
        self._columns = columns
        self._held = Updates(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))

    def at(self, key: Integers) -> Numbers:
        """One row per key. Keys are sorted and follow those of the previous call."""
        held = [self._held]
        while not len(held[-1].key) or held[-1].key[-1] < key.max():
            updates = next(self._stream, None)
            if updates is None:
                break
            held.append(updates)
        known = Updates._make(np.concatenate(part) for part in zip(*held, strict=True))
        values = np.full((len(key), self._columns), np.nan)
        order = np.argsort(known.column, kind="stable")
        bounds = np.searchsorted(known.column[order], np.arange(self._columns + 1))
        for column in range(self._columns):
            own = order[bounds[column] : bounds[column + 1]]
            if len(own):
                newest = np.searchsorted(known.key[own], key, side="right") - 1
                fresh = (newest >= 0) & (key - known.key[own[newest]] <= OLDEST_US)
                values[fresh, column] = known.value[own[newest[fresh]]]
        keep = known.key >= key.max() - OLDEST_US
        self._held = Updates._make(part[keep] for part in known)
        return values
