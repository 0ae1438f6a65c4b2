"""A log's tables as numpy columns, a block of rows at a time: constant memory, whatever the log's length.

Python's sqlite3 spends more on making a tuple of objects out of a row than SQLite on reading it. So SQLite itself
writes a block's columns as one text each (`group_concat`), which numpy reads in one go: three times faster than rows.

Each block is a statement of its own. Between blocks nothing is held, so that the WAL of a log that is being recorded
can be folded in; rows are only ever added, so the blocks together are the log as it stood at the beginning.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import LogError
from logger.export.selection import Integers, Selection, Times

Progress = Callable[[float], None]
Numbers = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

_ROWS = 16_384
"""Rows a block: enough that a block's fixed cost does not count, few enough to stay in the processor's cache."""


class FrameBlock(NamedTuple):
    """Frames, row for row. `data` holds their bytes end to end; a frame's begin at `start` and are `length` long."""

    session: Integers
    t_us: Integers
    utc: Times
    bus: Integers
    can_id: Integers
    length: Integers
    start: Integers
    data: Bytes

    def matrix(self, rows: Integers, width: int) -> Bytes:
        """The first `width` bytes of some frames, a row each, zeros where a frame is shorter."""
        padded = np.append(self.data, np.zeros(width, dtype=np.uint8))
        place = np.arange(width)
        found: Bytes = padded[self.start[rows, None] + place]
        found[place >= self.length[rows, None]] = 0
        return found


class FixBlock(NamedTuple):
    """Fixes, row for row; what is not known is NaN. `utc` is the epoch's own time where the clock bears it out."""

    session: Integers
    t_us: Integers
    utc: Times
    lat: Numbers
    lon: Numbers
    alt_m: Numbers
    speed_mps: Numbers
    course_deg: Numbers
    quality: Numbers
    satellites: Numbers
    hdop: Numbers

    def rows(self, which: slice | Integers | Mask) -> FixBlock:
        """Some of the fixes."""
        return FixBlock._make(column[which] for column in self)


def frame_blocks(
    connection: sqlite3.Connection, selection: Selection, progress: Progress
) -> Iterator[FrameBlock]:
    """The frames of a selection, in order of rows. Raises LogError."""
    integers = dict.fromkeys(("session", "t_us", "bus", "can_id", "length(data)"), np.int64)
    for found, data in _blocks(connection, "frame", integers, selection, progress, "data"):
        session, t_us, bus, can_id, length = found.values()
        start = np.cumsum(length) - length
        utc = selection.clock.utc(session, t_us)
        yield FrameBlock(session, t_us, utc, bus, can_id, length, start, np.frombuffer(data, dtype=np.uint8))


_OWN_TIME_US = 2_000_000
"""An epoch reaches the log some tenths of a second late; one that is further off the clock is no time to go by."""


def fix_blocks(
    connection: sqlite3.Connection, selection: Selection, progress: Progress
) -> Iterator[FixBlock]:
    """The fixes of a selection, in order of rows, those without a position too. Raises LogError."""
    columns = {name: np.int64 if name in {"session", "t_us"} else np.float64 for name in FixBlock._fields}
    columns = {"utc_us" if name == "utc" else name: kind for name, kind in columns.items()}
    for found, _ in _blocks(connection, "fix", columns, selection, progress):
        session, t_us, utc_us, *others = found.values()
        utc = selection.clock.utc(session, t_us)
        own = np.nan_to_num(utc_us).astype(np.int64).astype("datetime64[us]")
        borne_out = np.abs(own - utc) < np.timedelta64(_OWN_TIME_US, "us")  # never so for "not a time"
        yield FixBlock(session, t_us, np.where(borne_out, own, utc), *others)


def reading_blocks(
    connection: sqlite3.Connection, selection: Selection
) -> Iterator[tuple[Integers, Integers, Integers, Numbers]]:
    """The readings of a selection: session, t_us, channel, value (to 15 digits). Raises LogError."""
    columns = {"session": np.int64, "t_us": np.int64, "channel": np.int64, "value": np.float64}
    for found, _ in _blocks(connection, "reading", columns, selection, lambda _done: None):
        session, t_us, channel, value = found.values()
        yield session, t_us, channel, value


def progress_blocks(
    connection: sqlite3.Connection, selection: Selection
) -> Iterator[tuple[Integers, Integers, Numbers, Numbers, Numbers]]:
    """What the crew saw: session, t_us, section (from 0), distance in metres, limit in km/h. Raises LogError."""
    names = ("session", "t_us", "section", "distance_m", "limit_kmh")
    columns = {name: np.int64 if name in {"session", "t_us"} else np.float64 for name in names}
    for found, _ in _blocks(connection, "progress", columns, selection, lambda _done: None):
        session, t_us, section, distance_m, limit_kmh = found.values()
        yield session, t_us, section, distance_m, limit_kmh


def _blocks(
    connection: sqlite3.Connection,
    table: str,
    columns: Mapping[str, type],
    selection: Selection,
    progress: Progress,
    blob: str = "NULL",
) -> Iterator[tuple[Columns, bytes]]:
    """Columns of a table, by name, and the bytes of a blob column end to end."""
    texts = ", ".join(
        f"group_concat({name})" if kind is np.int64 else f"group_concat(coalesce({name}, 'nan'))"
        for name, kind in columns.items()
    )
    sql = (
        f"SELECT count(*), {texts}, CAST(group_concat({blob}, '') AS BLOB) FROM {table}"  # noqa: S608 - our own names
        f" WHERE rowid BETWEEN ? AND ? AND ({selection.condition})"
    )
    rows = connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()[0]  # noqa: S608
    for first in range(1, rows + 1, _ROWS):
        count, *found, data = connection.execute(sql, (first, min(rows, first + _ROWS - 1))).fetchone()
        progress(min(1.0, (first + _ROWS) / rows))
        if count:
            arrays: Columns = {
                name: np.fromstring(text or "", dtype=kind, sep=",")
                for (name, kind), text in zip(columns.items(), found, strict=True)
            }
            if any(len(array) != count for array in arrays.values()):
                raise LogError(
                    f"a row of {table} has no value where there must be one",
                    mend="`stagelog verify` says more",
                )
            yield arrays, data or b""
