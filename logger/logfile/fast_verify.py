"""Screen a closed log's large tables by column; `verify` then reads only suspect ones row by row.

Frames and readings are nearly all rows of a log, and nearly every log is whole. This screen checks thousands of rows
at a time. A table is suspect if a row fails the screen or cannot be read. A false suspicion costs only time; the
screen never passes a faulty table. Sentences are screened the same way, one by one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from firmware_bridge.errors import LogError
from logger.logfile.rows import BUSES_PER_PORT, MAX_FRAME_BYTES
from logger.logfile.sqlite_pages import BLOB, DOUBLE, Cells, Integers, table_of
from logger.logfile.value_ranges import RANGES

_MAX_SOURCES = 1 << 15
"""Per table; a log has some dozens. A table with more is checked row by row."""
_SHORTEST_SENTENCE = len("$G*00")
_HEX = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)

_Column = Callable[[str], int]
_Screen = Callable[[Cells, _Column], Integers | None]
"""Checks a group of rows: returns each row's source number (time must not run back within a source), or None if a row
is invalid."""


def whole_tables(connection: sqlite3.Connection, progress: Callable[[float], None]) -> set[str]:
    """The tables among `frame` and `reading` in which there is no problem.

    Their rows are all valid, belong to existing sessions and channels, and time runs forward in every source.
    `progress` is called with the share done, 0 to 1.
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
        return False  # the row-by-row check reports the reason
    return True


class _Order:
    """The newest time of each source in the current session."""

    def __init__(self, sessions: set[Any]) -> None:
        self._sessions = sessions
        self._session: int | None = None
        self._latest = np.zeros(_MAX_SOURCES, dtype=np.int64)

    def holds(self, session: Integers, source: Integers, t_us: Integers) -> bool:
        """Whether the next rows belong to existing sessions, in order, and no source goes back in time."""
        if source.min(initial=0) < 0 or source.max(initial=0) >= _MAX_SOURCES:
            return False
        begins = np.flatnonzero(np.diff(session)) + 1
        return not len(session) or all(
            self._enter(int(session[first])) and self._runs_forward(source[first:last], t_us[first:last])
            for first, last in pairwise([0, *begins.tolist(), len(session)])
        )

    def _enter(self, session: int) -> bool:
        if session != self._session:
            if session not in self._sessions or (self._session is not None and session < self._session):
                return False
            self._session = session
            self._latest[:] = 0
        return True

    def _runs_forward(self, source: Integers, t_us: Integers) -> bool:
        """Check rows of one session, sorted by source, each against the row before it or the source's newest time."""
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
    is_bytes = (kind >= BLOB) & (kind <= BLOB + 2 * MAX_FRAME_BYTES) & (kind & 1 == 0)
    can_id, begin = cells.kinds[column("can_id")], cells.starts[column("can_id")]
    below_zero = (can_id <= DOUBLE) & (
        cells.data.take(begin, mode="clip") > 0x7F
    )  # the top bit of any number is its sign
    if below_zero.any() or not is_bytes.all():
        return None
    return cells.whole(column("bus")) // BUSES_PER_PORT


def _channels(cells: Cells, column: _Column, known: set[Any]) -> Integers | None:
    channel = cells.whole(column("channel"))
    used = np.flatnonzero(np.bincount(channel.clip(0, _MAX_SOURCES)))
    return channel if known.issuperset(used.tolist()) else None


def suspect_sentences(sentences: Sequence[object]) -> list[int]:
    """Indices of sentences that fail the screen: `$`, letters, `*`, a correct checksum in two capital hex digits."""
    texts = [str(text) for text in sentences]
    letters = np.frombuffer("".join(texts).encode("latin-1", "replace"), dtype=np.uint8)
    length = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    usual = np.flatnonzero(length >= _SHORTEST_SENTENCE)
    star = np.cumsum(length)[usual] - 3
    first = star - length[usual] + 4
    # reduceat takes index pairs; the stretch between a star and the next sentence is skipped ([::2]).
    sums = np.bitwise_xor.reduceat(letters, np.column_stack([first, star]).ravel())[::2]
    expected = np.column_stack([np.full(len(usual), ord("*")), _HEX[sums >> 4], _HEX[sums & 15]])
    holds = (letters[star[:, None] + np.arange(3)] == expected).all(axis=1)
    return sorted(set(range(len(texts))).difference(usual[holds].tolist()))
