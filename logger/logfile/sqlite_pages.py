"""Read a closed log's tables straight from SQLite's pages, with numpy, hundreds of pages at a time.

SQLite returns one row at a time, which costs more than the processing of a long day's rows. Its file format is
documented and stable (sqlite.org/fileformat2.html). The part that a log's large tables use:

    page   [kind:1] [free:2] [cells:2] [content:2] [fragments:1] ([right child:4], inner pages only) [cell at:2] ...
    leaf's cell    [payload bytes:varint] [rowid:varint] [header bytes:1] [kind of column:varint] ... [column] ...
    inner's cell   [left child:4] [key:varint]

    kind of column   0 null, 1 to 6 an integer of 1, 2, 3, 4, 6, 8 bytes, 7 a double, 8 and 9 the integers 0 and 1,
                     from 12 on bytes, and from 13 on text, of (kind - 12) / 2 bytes

All numbers are big-endian; a column shorter than eight bytes is the top of the eight bytes that start at it. Only a
file without a WAL that no process writes is read this way; anything unusual is refused, and SQL reads it instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import LogError
from logger.logfile.connect import has_wal

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LEAF, INNER = 0x0D, 0x05
NULL, DOUBLE, ZERO, ONE, BLOB = 0, 7, 8, 9, 12
_BYTE = 1
_LEAF_HEAD, _INNER_HEAD = 8, 12
_BYTES = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0, *((kind - BLOB) // 2 for kind in range(BLOB, 256))])
"""Length of a column by its kind, for the common kinds."""
_FOUR_BYTES = np.array([1 << 24, 1 << 16, 1 << 8, 1])
_WORD = 8
_TOGETHER_BYTES = 1 << 19
"""Pages read at a time: their rows' numbers fit in the processor's cache."""
_MAX_LEVELS = 20
"""SQLite's own limit."""
_GAP_PAGES = 16
"""A gap of at most this many pages of other tables is read too: that costs less than another call."""
_MAX_BYTES = 1 << 22
"""Most bytes read in one call."""


class Cells(NamedTuple):
    """Some rows: per column, the kind of each row's value and its offset in `data`."""

    data: Bytes
    kinds: list[Integers]
    starts: list[Integers]

    def rows(self, which: Mask) -> Cells:
        """The selected rows."""
        return Cells(self.data, *([part[which] for part in parts] for parts in (self.kinds, self.starts)))

    def numbers(self, column: int) -> Numbers:
        """A column of doubles; NULL is NaN. Raises LogError for a value that is not a number."""
        kind, word = self._words(column)
        if (kind == DOUBLE).all():
            return word.view(np.float64)
        values = np.where(kind == DOUBLE, word.view(np.float64), _integers(kind, word))
        values[kind == NULL] = np.nan
        return values

    def whole(self, column: int) -> Integers:
        """A column of integers. Raises LogError for any other value."""
        kinds = self.kinds[column]
        is_byte = kinds == _BYTE
        if (is_byte | (kinds & ~1 == ZERO)).all():  # true for sessions, buses and most channels
            byte = self.data.take(self.starts[column], mode="clip").view(np.int8)
            return np.where(is_byte, byte, kinds & 1)
        kind, word = self._words(column)
        if ((kind == NULL) | (kind == DOUBLE)).any():
            raise _damaged("a required integer is missing")
        return _integers(kind, word)

    def bytes(self, column: int) -> tuple[Integers, bytes]:
        """A column of bytes: each row's length, and all bytes end to end. Raises LogError for any other value."""
        kind = self.kinds[column]
        if ((kind < BLOB) | (kind % 2 != BLOB % 2)).any():
            raise _damaged("required bytes are missing")
        length = (kind - BLOB) // 2
        shift = np.repeat(self.starts[column] - (np.cumsum(length) - length), length)
        return length, self.data[shift + np.arange(len(shift))].tobytes()

    def _words(self, column: int) -> tuple[Integers, Integers]:
        kind = self.kinds[column]
        if kind.max(initial=0) > ONE:
            raise _damaged("bytes where a number must be")
        # A view of the eight bytes that start at each offset, aligned or not.
        words: NDArray[Any] = np.ndarray((len(self.data) - _WORD + 1,), ">i8", self.data, strides=(1,))
        return kind, words[self.starts[column]].astype(np.int64)


def _integers(kind: Integers, word: Integers) -> Integers:
    bits = 8 * _BYTES[kind]
    if len(kind) and NULL < kind[0] < ZERO and (kind == kind[0]).all():
        return word >> np.int64(64 - bits[0])
    return np.where(bits > 0, word >> np.where(bits > 0, 64 - bits, 0), (kind == ONE).astype(np.int64))


class Table:
    """A table of a log that no process writes. `columns` are its column names, in order."""

    def __init__(self, path: Path, page_bytes: int, root: int, columns: tuple[str, ...]) -> None:
        self._path, self._page_bytes, self._root = path, page_bytes, root
        self.columns = columns

    def cells(self) -> Iterator[tuple[Cells, float]]:
        """Yield the rows in order, many at a time, with the share of the table that is done. Raises LogError."""
        together = max(1, _TOGETHER_BYTES // self._page_bytes)
        with self._path.open("rb", buffering=0) as file:
            try:
                leaves = self._leaves(file)
                for first in range(0, len(leaves), together):
                    pages = self._pages(file, leaves[first : first + together])
                    yield self._rows(pages), min(1.0, (first + together) / len(leaves))
            except (IndexError, ValueError) as error:
                raise _damaged("numbers out of range") from error

    def _leaves(self, file: BinaryIO) -> Integers:
        """The pages that hold rows: the lowest level of the table's B-tree, which has the same depth everywhere."""
        level = np.array([self._root], dtype=np.int64)
        for _ in range(_MAX_LEVELS):
            if self._pages(file, level[:1])[0, 0] == LEAF:
                return level
            pages = self._pages(file, level)
            if (pages[:, 0] != INNER).any():
                raise _damaged("a page of another kind")
            level = _children(pages)
            if len(level) > self._path.stat().st_size // self._page_bytes:
                break
        raise _damaged("pages that form a loop")

    def _pages(self, file: BinaryIO, numbers: Integers) -> Bytes:
        """Pages by number (from 1), one array row each."""
        if numbers.min() < 1 or numbers.max() * self._page_bytes > self._path.stat().st_size:
            raise _damaged("a page that is not in the file")
        pages = np.empty((len(numbers), self._page_bytes), dtype=np.uint8)
        steps, parts = np.diff(numbers), np.diff(numbers * self._page_bytes // _MAX_BYTES)
        ends = np.flatnonzero((steps <= 0) | (steps > _GAP_PAGES) | (parts != 0)) + 1
        for first, last in zip([0, *ends], [*ends, len(numbers)], strict=True):
            run = numbers[first:last] - numbers[first]
            file.seek((int(numbers[first]) - 1) * self._page_bytes)
            read = file.read((int(run[-1]) + 1) * self._page_bytes)
            if len(read) < (int(run[-1]) + 1) * self._page_bytes:
                raise _damaged("the file ends before its last page")
            block = np.frombuffer(read, dtype=np.uint8).reshape(-1, self._page_bytes)
            block.take(run, axis=0, out=pages[first:last], mode="clip")
        return pages

    def _rows(self, pages: Bytes) -> Cells:
        if (pages[:, 0] != LEAF).any():
            raise _damaged("a page of another kind")
        data = np.concatenate([pages.ravel(), np.zeros(_WORD, dtype=np.uint8)])
        page, at = _cells(pages, _LEAF_HEAD)
        payload, at = _varints(data, at)
        at = _past_varints(data, at)
        if (at + payload > page + self._page_bytes).any():
            raise _damaged("a row that does not fit on its page")
        begin = at + data[at]
        at = at + 1
        kinds, starts = [], []
        for _ in self.columns:
            kind, at = _varints(data, at)
            kinds.append(kind)
            starts.append(begin)
            begin = begin + _lengths(kind)
        if kinds and ((at != starts[0]) | (begin > page + self._page_bytes)).any():
            raise _damaged("rows with a wrong number of columns")
        return Cells(data, kinds, starts)


def _cells(pages: Bytes, head: int) -> tuple[Integers, Integers]:
    """Every cell of some pages: the offset of its page, and its own offset."""
    counts = pages[:, 3] * np.int64(256) + pages[:, 4]
    page = np.repeat(np.arange(len(pages)) * pages.shape[1], counts)
    number = np.arange(len(page)) - np.repeat(np.cumsum(counts) - counts, counts)
    pointer = page + head + 2 * number
    data = pages.ravel()
    return page, page + data[pointer] * np.int64(256) + data[pointer + 1]


def _children(pages: Bytes) -> Integers:
    """The child pages of some inner pages, in order."""
    page, at = _cells(pages, _INNER_HEAD)
    left = pages.ravel()[at[:, None] + np.arange(4)] @ _FOUR_BYTES
    right = pages[:, 8:_INNER_HEAD] @ _FOUR_BYTES
    cells = np.searchsorted(page, np.arange(1, len(pages) + 1) * pages.shape[1])
    return np.insert(left, cells, right)


def _lengths(kind: Integers) -> Integers | int:
    """Lengths of columns of these kinds; a single number if all are the same."""
    if kind.max(initial=0) == kind.min(initial=BLOB) < BLOB:
        return int(_BYTES[kind[0]])
    length = _BYTES.take(kind, mode="clip")
    if kind.max(initial=0) < len(_BYTES):
        return length
    return np.where(kind < len(_BYTES), length, (kind - BLOB) // 2)


def _damaged(what: str) -> LogError:
    return LogError(f"damaged: {what}", hint="run `stagelog verify` for details")


def _varints(data: Bytes, at: Integers) -> tuple[Integers, Integers]:
    """Decode the varints at some offsets (seven bits per byte, the top bit set in all but the last); also their
    ends."""
    byte = data.take(at, mode="clip")
    value, at = byte.astype(np.int64), at + 1
    if byte.max(initial=0) <= 0x7F:
        return value, at
    long = more = np.flatnonzero(byte > 0x7F)
    value[long] &= 0x7F
    while len(more):
        byte = data.take(at[more], mode="clip")
        value[more] = value[more] << 7 | byte & 0x7F
        at[more] += 1
        more = more[byte > 0x7F]
    if value[long].min(initial=0) < 0:
        raise _damaged("a number with too many bytes")
    return value, at


def _past_varints(data: Bytes, at: Integers) -> Integers:
    """The ends of the varints at some offsets."""
    more = np.ones(len(at), dtype=np.bool_)
    while more.any():
        byte, at = data.take(at, mode="clip"), at + more
        more &= byte > 0x7F
    return at


def table_of(connection: sqlite3.Connection, name: str) -> Table | None:
    """A table of the log that a connection has open; None if only SQL can read it."""
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    if not path.name or has_wal(path) or path.with_name(path.name + "-journal").exists():
        return None
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    root = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
    ).fetchone()
    columns = tuple(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))
    if root is None:
        return None
    table = Table(path, page_bytes, int(root[0]), columns)
    try:
        next(table.cells(), None)
    except LogError:
        return None
    return table
