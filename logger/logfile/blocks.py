"""Read a log's tables as numpy columns, one block of rows at a time, in constant memory.

A log that no process writes is read from SQLite's pages (`sqlite_pages`); any other log through SQL. Python's sqlite3
spends more time on building a tuple per row than SQLite spends on reading the row. So SQLite joins each column of a
block into one text (`group_concat`), and numpy parses the text in one call. Each block is a separate statement and
nothing is held between blocks, so the WAL of a log that is being recorded can be checkpointed. Rows are only ever
added, so the blocks together are the log as it was when reading began.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import LogError
from logger.logfile import value_ranges
from logger.logfile.columns import present
from logger.logfile.reader import last_row
from logger.logfile.rows import MAX_FRAME_BYTES
from logger.logfile.selection import Integers, Selection, Times
from logger.logfile.sqlite_pages import Table, table_of

Block = TypeVar("Block")

Progress = Callable[[float], None]
Numbers = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_ROWS = 16_384
"""Rows per block: enough to hide a block's fixed cost, few enough to stay in the processor's cache."""


_OWN_TIME_US = 2_000_000
"""An epoch reaches the log some tenths of a second late. A UTC time further from the clock than this is not used."""
_WHOLE = {"session", "t_us", "bus", "can_id", "channel"}
"""Integer columns, never NULL. The others are doubles, with NaN for NULL."""
_EXACT = "iif({0} IS NULL, 'nan', printf('%!.17g', {0}))"
"""Prints a double with enough digits to read back the same value."""
_NO_BYTES = (np.empty(0, dtype=np.int64), b"")


class FrameBlock(NamedTuple):
    """Frames as columns. `data` holds all bytes end to end; a frame's begin at `start` and are `length` long."""

    session: Integers
    t_us: Integers
    utc: Times
    bus: Integers
    can_id: Integers
    length: Integers
    start: Integers
    data: Bytes

    def matrix(self, rows: Integers, width: int) -> Bytes:
        """The first `width` bytes of the given frames, one row per frame, padded with zeros."""
        offset = np.arange(width)
        index = self.start[rows, None] + offset
        data = self.data
        if index.max(initial=0) >= len(data):  # the last frames have no bytes after them
            data = np.append(data, np.zeros(width, dtype=np.uint8))
        matrix: Bytes = data[index]
        length = self.length[rows]
        if length.min(initial=width) < width:
            matrix[offset >= length[:, None]] = 0
        return matrix


class FixBlock(NamedTuple):
    """Fixes as columns; an unknown value is NaN. `utc` is the epoch's own time where it agrees with the clock."""

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
    accuracy_m: Numbers
    alt_accuracy_m: Numbers
    speed_accuracy_mps: Numbers

    def rows(self, which: slice | Integers | Mask) -> FixBlock:
        """The selected fixes."""
        return FixBlock._make(column[which] for column in self)


def frame_blocks(
    connection: sqlite3.Connection, selection: Selection, progress: Progress
) -> Iterator[FrameBlock]:
    """Yield the frames of a selection in row order. Raises LogError."""
    names = ("t_us", "bus", "can_id")
    for (session, t_us, bus, can_id), length, data in _blocks(
        connection, "frame", names, selection, progress, "data"
    ):
        if (longest := int(length.max())) > MAX_FRAME_BYTES:
            raise LogError(f"frame: a row has {longest} bytes", hint="run `stagelog verify` for details")
        utc = selection.clock.utc(session, t_us)
        start = np.cumsum(length) - length
        yield FrameBlock(session, t_us, utc, bus, can_id, length, start, np.frombuffer(data, dtype=np.uint8))


def joined(blocks: Iterable[FrameBlock], count: int) -> Iterator[FrameBlock]:
    """Join each `count` consecutive blocks to one, for work that takes longer for each array than for its rows.

    Where reading fails, what was read comes first.
    """
    for parts in _gathered(blocks, count):
        block = FrameBlock._make(np.concatenate(columns) for columns in zip(*parts, strict=True))
        yield block._replace(start=np.cumsum(block.length) - block.length)


def _gathered(blocks: Iterable[Block], count: int) -> Iterator[list[Block]]:
    """Each `count` consecutive blocks. Where reading fails, what was read comes first."""
    parts: list[Block] = []
    try:
        for block in blocks:
            parts.append(block)
            if len(parts) == count:
                yield parts
                parts = []
    except (sqlite3.Error, LogError):
        if parts:
            yield parts
        raise
    if parts:
        yield parts


def fix_blocks(
    connection: sqlite3.Connection, selection: Selection, progress: Progress
) -> Iterator[FixBlock]:
    """Yield the fixes of a selection in row order, including fixes without a position. Raises LogError."""
    known = FixBlock._fields[3:]
    names = ("t_us", "utc_us", *present(connection, "fix", known))
    for (session, t_us, utc_us, *others), *_ in _blocks(connection, "fix", names, selection, progress):
        others += [
            np.full(len(t_us), np.nan) for _ in known[len(others) :]
        ]  # columns of later versions come last
        utc = selection.clock.utc(session, t_us)
        own = np.nan_to_num(utc_us).astype(np.int64).astype("datetime64[us]")
        agrees = np.abs(own - utc) < np.timedelta64(_OWN_TIME_US, "us")  # false for NaT
        yield FixBlock(session, t_us, np.where(agrees, own, utc), *others)


def reading_blocks(
    connection: sqlite3.Connection,
    selection: Selection,
    progress: Progress = lambda _done: None,
    at_once: int = 1,
) -> Iterator[tuple[Integers, Integers, Integers, Numbers]]:
    """Yield the readings of a selection, `at_once` blocks together: session, t_us, channel, value. Raises LogError."""
    blocks = _blocks(connection, "reading", ("t_us", "channel", "value"), selection, progress)
    for parts in _gathered(blocks, at_once):
        session, t_us, channel, value = (
            np.concatenate(columns) for columns in zip(*(columns for columns, *_ in parts), strict=True)
        )
        yield session, t_us, channel, value


def progress_blocks(
    connection: sqlite3.Connection, selection: Selection
) -> Iterator[tuple[Integers, Integers, Numbers, Numbers, Numbers]]:
    """Yield what the crew saw: session, t_us, section (from 0), distance in metres, limit in km/h. Raises LogError."""
    names = ("t_us", "section", "distance_m", "limit_kmh")
    for (session, t_us, section, distance_m, limit_kmh), *_ in _blocks(
        connection, "progress", names, selection
    ):
        yield session, t_us, section, distance_m, limit_kmh


class _Rows(NamedTuple):
    """A block of rows, from the pages or from SQL: session, the named columns, and one column of bytes end to end."""

    columns: list[NDArray[Any]]
    length: Integers
    data: bytes


def _blocks(
    connection: sqlite3.Connection,
    table: str,
    names: Sequence[str],
    selection: Selection,
    progress: Progress = lambda _done: None,
    blob: str = "",
) -> Iterator[_Rows]:
    """Yield the rows of a selection: from the file's pages if no process writes it, otherwise through SQL."""
    pages = table_of(connection, table)
    required = {"session", "t_us", *names, *([blob] if blob else [])}
    read = (
        _by_pages(pages, names, selection, blob)
        if pages is not None and required.issubset(pages.columns)
        else _by_sql(connection, table, names, selection, blob)  # SQL reports a missing column by name
    )
    for rows, done in read:
        progress(done)
        if len(rows.columns[0]):
            for name, column in zip(("session", *names), rows.columns, strict=True):
                if name in _WHOLE:
                    value_ranges.require(table, name, column)
                else:
                    value_ranges.set_unknown_nan(name, column)
            yield rows


def _by_pages(
    table: Table, names: Sequence[str], selection: Selection, blob: str
) -> Iterator[tuple[_Rows, float]]:
    indices = [table.columns.index(name) for name in ("session", *names)]
    for cells, done in table.cells():
        chosen = cells
        if selection.spans is not None:
            session, t_us = (cells.whole(table.columns.index(name)) for name in ("session", "t_us"))
            chosen = cells.rows(selection.holds(session, t_us))
        columns: list[NDArray[Any]] = [
            chosen.whole(index) if table.columns[index] in _WHOLE else chosen.numbers(index)
            for index in indices
        ]
        yield _Rows(columns, *(chosen.bytes(table.columns.index(blob)) if blob else _NO_BYTES)), done


def _by_sql(
    connection: sqlite3.Connection, table: str, names: Sequence[str], selection: Selection, blob: str
) -> Iterator[tuple[_Rows, float]]:
    texts = [f"group_concat({name if name in _WHOLE else _EXACT.format(name)})" for name in names]
    texts.append(
        f"group_concat(length({blob})), CAST(group_concat({blob}, '') AS BLOB)" if blob else "NULL, NULL"
    )
    rows_of = f"FROM {table} WHERE rowid BETWEEN ? AND ? AND ({selection.condition})"
    sql = f"SELECT count(*), min(session), max(session), {', '.join(texts)} {rows_of}"
    rows = last_row(connection, table)
    for first in range(1, rows + 1, _ROWS):
        ends = (first, min(rows, first + _ROWS - 1))
        count, low, high, *joined, lengths, data = connection.execute(sql, ends).fetchone()
        columns: list[NDArray[Any]] = [np.full(count, low or 0)]
        try:
            if low != high:  # a new session begins here
                sessions = connection.execute(f"SELECT group_concat(session) {rows_of}", ends).fetchone()[0]
                columns = [_array(sessions)]
            columns += [_array(text, name in _WHOLE) for name, text in zip(names, joined, strict=True)]
            length = _array(lengths)
        except ValueError as error:
            what = f"a row of {table} has text where a number must be"
            raise LogError(what, hint="run `stagelog verify` for details") from error
        if any(len(column) != count for column in columns) or (blob and len(length) != count):
            raise LogError(
                f"a row of {table} lacks a required value", hint="run `stagelog verify` for details"
            )
        yield _Rows(columns, length, data or b""), ends[1] / rows


def _array(text: str | None, is_whole: bool = True) -> NDArray[Any]:
    return np.fromstring(text or "", dtype=np.int64 if is_whole else np.float64, sep=",")
