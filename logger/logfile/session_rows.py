"""Find each session's range of rows in a table by binary search.

It reads a log of a thousand sessions once, not a thousand times. There is no index by session. A recorder writes
sessions one after the other, so the rows of each are contiguous. In a log with another row order, which no recorder
writes, rows may be missed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from firmware_bridge.errors import LogError

MAX_SESSIONS = 5_000
"""A car that loses power every ten seconds of a twelve-hour stage has 4,300."""


def require_few(sessions: Sequence[int]) -> None:
    """Raise LogError for more sessions than a drive has: each one restarts the computation."""
    if len(sessions) > MAX_SESSIONS:
        what = f"it has {len(sessions):,} sessions; at most {MAX_SESSIONS:,} can be recomputed"
        raise LogError(
            what, hint="run `stagelog review` without other rules or sections: it reads the recorded values"
        )


class SessionRows:
    """The row ranges of each session. Not thread-safe, as its connection is not."""

    def __init__(self, connection: sqlite3.Connection, sessions: Sequence[int]) -> None:
        """`sessions` are all session numbers, in order. Raises LogError if there are too many."""
        require_few(sessions)
        self.connection = connection
        self._next = dict(zip(sessions, [*sessions[1:], None], strict=True))
        self._firsts: dict[tuple[str, int | None], int] = {}

    def condition(self, table: str, session: int) -> str:
        """SQL that is true for the rows of a session."""
        first, after = self._span(table, session)
        return f"session = {session:d} AND rowid >= {first:d} AND rowid < {after:d}"

    def count(self, table: str, session: int) -> int:
        """The number of rows of a session."""
        first, after = self._span(table, session)
        return after - first

    def _span(self, table: str, session: int) -> tuple[int, int]:
        first = self._first(table, session, 1)
        return first, self._first(table, self._next[session], first)

    def _first(self, table: str, session: int | None, low: int) -> int:
        """The first row at or after `low` that belongs to a session or a later one; for None, one past the last row."""
        if (table, session) not in self._firsts:
            self._firsts[table, session] = self._search(table, session, low)
        return self._firsts[table, session]

    def _search(self, table: str, session: int | None, low: int) -> int:
        if session is None:
            query = f"SELECT coalesce(max(rowid), 0) FROM {table}"  # noqa: S608
            return 1 + int(self.connection.execute(query).fetchone()[0])
        step = 1
        high = low
        while (row := self._before(table, session, high)) is not None:
            low = row + 1
            high = low + step
            step *= 2
        while low < high:
            middle = (low + high) // 2
            row = self._before(table, session, middle)
            if row is None:
                high = middle
            else:
                low = row + 1
        return low

    def _before(self, table: str, session: int, row: int) -> int | None:
        """The first row from `row` on, if it belongs to a session before `session`; otherwise None."""
        first = self.connection.execute(
            f"SELECT rowid, session FROM {table} WHERE rowid >= ? ORDER BY rowid LIMIT 1",  # noqa: S608
            (row,),
        ).fetchone()
        return first[0] if first is not None and first[1] < session else None
