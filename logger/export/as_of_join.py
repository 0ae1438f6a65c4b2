"""A row a fix, with what else was known at that moment beside it: the way along the section, and the engine.

Readings come ten times a second and fixes when the receiver likes: beside a fix stands the newest value of each channel
that is not too old. Both tables are read once, side by side, in constant memory.
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
"""An older value is not beside a fix any more: slow engine messages come every few seconds, none less often."""
_SESSION = 2**44
"""Session number and session time in one number, which sorts as they do: so many microseconds are half a year."""

STAGE_COLUMNS = ("section", "distance_km", "limit_kmh")


class Row(NamedTuple):
    """A block of fixes; `beside` has a column for each of STAGE_COLUMNS and then for each channel, NaN for none."""

    fixes: FixBlock
    beside: Numbers


class Updates(NamedTuple):
    """Values as they became known: when (session and time), of which column, what."""

    key: Integers
    column: Integers
    value: Numbers


def channel_titles(connection: sqlite3.Connection) -> tuple[list[int], list[str]]:
    """The numbers of the log's channels, and what to call each: its name and its unit, and its source if need be."""
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
    """The fixes of a selection, and what stands beside each. Raises LogError."""
    channels, _ = channel_titles(connection)
    stage = _Newest(_stage(connection, selection), len(STAGE_COLUMNS))
    engine = _Newest(_engine(connection, selection, channels), len(channels))
    for fixes in fix_blocks(connection, selection, progress):
        key = fixes.session * _SESSION + fixes.t_us
        yield Row(fixes, np.concatenate((stage.at(key), engine.at(key)), axis=1))


def _engine(connection: sqlite3.Connection, selection: Selection, channels: list[int]) -> Iterator[Updates]:
    top = max(channels, default=0)
    column = np.full(top + 2, -1, dtype=np.int64)  # a channel that there is none of has no column either
    column[channels] = np.arange(len(channels))
    for session, t_us, channel, value in reading_blocks(connection, selection):
        yield Updates(session * _SESSION + t_us, column[np.clip(channel, 0, top + 1)], value)


def _stage(connection: sqlite3.Connection, selection: Selection) -> Iterator[Updates]:
    for session, t_us, section, distance_m, limit_kmh in progress_blocks(connection, selection):
        values = np.stack((section + 1, distance_m / 1000.0, limit_kmh), axis=1)
        key = np.repeat(session * _SESSION + t_us, len(STAGE_COLUMNS))
        yield Updates(key, np.tile(np.arange(len(STAGE_COLUMNS)), len(t_us)), values.ravel())


class _Newest:
    """The newest value of each column at given moments, out of a stream that is read no further than needed."""

    def __init__(self, stream: Iterator[Updates], columns: int) -> None:
        self._stream = stream
        self._columns = columns
        self._held = Updates(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))

    def at(self, key: Integers) -> Numbers:
        """A row a moment; the moments of a call are in order, and come after those of the call before."""
        held = [self._held]
        while not len(held[-1].key) or held[-1].key[-1] < key.max():
            found = next(self._stream, None)
            if found is None:
                break
            held.append(found)
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
