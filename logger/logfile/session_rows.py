"""Where the rows of each session are in a log's tables, so that a log of a thousand sessions is read once, not a
thousand times.

There is no index by session. A recorder writes one session after the other, so that the rows of one lie together: its
first row is found by halving. Of rows in another order, which no recorder writes, some may be missed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from firmware_bridge.errors import LogError

MOST_SESSIONS = 5_000
"""A car that loses power every ten seconds of a stage of twelve hours has 4,300."""


def require_few(sessions: Sequence[int]) -> None:
    """Raise LogError for more sessions than a drive has: each one begins the computation again."""
    if len(sessions) > MOST_SESSIONS:
        what = f"it has {len(sessions):,} sessions: more than {MOST_SESSIONS:,} are not computed again"
        raise LogError(what, hint="`stagelog review` without other rules or sections reads what was recorded")


class SessionRows:
    """The rows of a log by session. Not thread-safe, as its connection is not."""

    def __init__(self, connection: sqlite3.Connection, sessions: Sequence[int]) -> None:
        """`sessions` are all numbers of sessions, in order. Raises LogError where there are too many."""
        require_few(sessions)
        self.connection = connection
        self._next = dict(zip(sessions, [*sessions[1:], None], strict=True))
        self._firsts: dict[tuple[str, int | None], int] = {}

    def condition(self, table: str, session: int) -> str:
        """In SQL, true for the rows of a session."""
        first, after = self._span(table, session)
        return f"session = {session:d} AND rowid >= {first:d} AND rowid < {after:d}"

    def count(self, table: str, session: int) -> int:
        """How many rows a session has."""
        first, after = self._span(table, session)
        return after - first

    def _span(self, table: str, session: int) -> tuple[int, int]:
        first = self._first(table, session, 1)
        return first, self._first(table, self._next[session], first)

    def _first(self, table: str, session: int | None, low: int) -> int:
        """The first row at or after `low` of a session or of a later one; behind the last row for None."""
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
        """The first row from `row` on, if it is of a session before `session`."""
        found = self.connection.execute(
            f"SELECT rowid, session FROM {table} WHERE rowid >= ? ORDER BY rowid LIMIT 1",  # noqa: S608
            (row,),
        ).fetchone()
        return found[0] if found is not None and found[1] < session else None
