"""The long tables of a closed log, screened by columns: is there anything in them for `verify` to tell?

Frames and readings are nearly all rows of a log, and nearly every log is whole. So verify has them looked at here
first, thousands of rows at a time, and goes through a table row by row only when it is under suspicion: something was
found, or could not be read. The one mistake that is allowed here is to suspect a whole table, which costs time and
nothing else. Sentences are screened the same way, each by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from firmware_bridge.errors import LogError
from logger.logfile.rows import BUSES_A_PORT, MOST_FRAME_BYTES
from logger.logfile.sqlite_pages import BLOB, DOUBLE, Cells, Integers, table_of
from logger.logfile.value_ranges import RANGES

_MOST_SOURCES = 1 << 15
"""Of a table; a log has some dozens. What needs more is gone through row by row."""
_SHORTEST_SENTENCE = len("$G*00")
_HEX = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)

_Column = Callable[[str], int]
_Screen = Callable[[Cells, _Column], Integers | None]
"""Looks at some rows: the number of each one's source, whose times are in order; None when a row cannot be true."""


def whole_tables(connection: sqlite3.Connection, progress: Callable[[float], None]) -> set[str]:
    """Those of the tables `frame` and `reading` in which there is nothing to tell.

    They hold only rows that can be true, of sessions and channels that there are, and with time running forward in
    every source. `progress` is called with the share done, 0 to 1.
    """
    try:
        sessions, channels = _ids(connection, "session"), _ids(connection, "channel")
    except sqlite3.Error:
        return set()
    screens: dict[str, _Screen] = {"frame": _adapters, "reading": partial(_channels, known=channels)}
    whole = set()
    for number, (table, screen) in enumerate(screens.items()):
        if _is_whole(connection, table, screen, _Order(sessions)):
            whole.add(table)
        progress((number + 1) / len(screens))
    return whole


def _ids(connection: sqlite3.Connection, table: str) -> set[Any]:
    return {row[0] for row in connection.execute(f"SELECT id FROM {table}")}  # noqa: S608 - names are ours


def _is_whole(connection: sqlite3.Connection, name: str, screen: _Screen, order: _Order) -> bool:
    try:
        table = table_of(connection, name)
        if table is None:
            return False
        column = table.columns.index
        for cells, _ in table.cells():
            source = screen(cells, column)
            session, t_us = cells.whole(column("session")), cells.whole(column("t_us"))
            if (
                source is None
                or t_us.max(initial=0) > RANGES["t_us"][1]
                or not order.holds(session, source, t_us)
            ):
                return False
    except (LogError, sqlite3.Error, OSError, ValueError, IndexError):
        return False  # SQLite says in its own words what is wrong
    return True


class _Order:
    """The newest time of each source in the session that the rows have come to."""

    def __init__(self, sessions: set[Any]) -> None:
        self._sessions = sessions
        self._session: int | None = None
        self._latest = np.zeros(_MOST_SOURCES, dtype=np.int64)

    def holds(self, session: Integers, source: Integers, t_us: Integers) -> bool:
        """Whether the next rows are of sessions that there are, in their order, and no source goes back in time."""
        if source.min(initial=0) < 0 or source.max(initial=0) >= _MOST_SOURCES:
            return False
        begins = np.flatnonzero(np.diff(session)) + 1
        return not len(session) or all(
            self._enters(int(session[first])) and self._goes_on(source[first:last], t_us[first:last])
            for first, last in pairwise([0, *begins.tolist(), len(session)])
        )

    def _enters(self, session: int) -> bool:
        if session != self._session:
            if session not in self._sessions or (self._session is not None and session < self._session):
                return False
            self._session = session
            self._latest[:] = 0
        return True

    def _goes_on(self, source: Integers, t_us: Integers) -> bool:
        """Rows of one session, sorted by source: each against the one before it, the first against the newest."""
        order = np.argsort(source.astype(np.int16), kind="stable")
        source, t_us = source[order], t_us[order]
        firsts = np.flatnonzero(np.diff(source, prepend=-1))
        lasts = np.append(firsts[1:], len(source)) - 1
        before = np.roll(t_us, 1)
        before[firsts] = self._latest[source[firsts]]
        self._latest[source[lasts]] = t_us[lasts]
        return bool((before <= t_us).all())


def _adapters(cells: Cells, column: _Column) -> Integers | None:
    kind = cells.kinds[column("data")]
    is_bytes = (kind >= BLOB) & (kind <= BLOB + 2 * MOST_FRAME_BYTES) & (kind & 1 == 0)
    can_id, begin = cells.kinds[column("can_id")], cells.starts[column("can_id")]
    below_zero = (can_id <= DOUBLE) & (
        cells.data.take(begin, mode="clip") > 0x7F
    )  # any number's top bit is its sign
    if below_zero.any() or not is_bytes.all():
        return None
    return cells.whole(column("bus")) // BUSES_A_PORT


def _channels(cells: Cells, column: _Column, known: set[Any]) -> Integers | None:
    channel = cells.whole(column("channel"))
    there = np.flatnonzero(np.bincount(channel.clip(0, _MOST_SOURCES)))
    return channel if known.issuperset(there.tolist()) else None


def doubtful(sentences: Sequence[object]) -> list[int]:
    """Which sentences do not plainly hold: `$`, some letters, `*` and their checksum in two capital digits."""
    texts = [str(text) for text in sentences]
    letters = np.frombuffer("".join(texts).encode("latin-1", "replace"), dtype=np.uint8)
    length = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    usual = np.flatnonzero(length >= _SHORTEST_SENTENCE)
    star = np.cumsum(length)[usual] - 3
    first = star - length[usual] + 4
    # Between two indices each; what lies between a star and the next sentence is of no interest.
    sums = np.bitwise_xor.reduceat(letters, np.column_stack([first, star]).ravel())[::2]
    told = np.column_stack([np.full(len(usual), ord("*")), _HEX[sums >> 4], _HEX[sums & 15]])
    holds = (letters[star[:, None] + np.arange(3)] == told).all(axis=1)
    return sorted(set(range(len(texts))).difference(usual[holds].tolist()))
