"""One time axis for a whole log: UTC in microseconds, also for sessions that have no UTC.

A session without UTC follows the session before it without a gap; those at the beginning end where the first one with
UTC begins. A log that has no UTC at all counts from 1970. Knows no file format.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import numpy as np

from logger.logfile.selection import Integers, Selection, Times

_TABLES = ("fix", "reading", "frame", "progress", "event")
_FIRST_ROWS = ("fix", "reading", "frame")


class TimeAxis:
    """Convert a selection's session times to times on the axis."""

    def __init__(self, connection: sqlite3.Connection, selection: Selection) -> None:
        """Find where each session without UTC lies. Raises sqlite3.Error."""
        self._clock = selection.clock
        self._offset_us: dict[int, int] = {}
        sessions = [int(row[0]) for row in connection.execute("SELECT id FROM session ORDER BY id")]
        dated = selection.clock.sessions
        if len(sessions) > 1 and not dated.issuperset(sessions):
            self._place(_extents(connection), dated)
        self.start_s = self._start_s(connection, selection)
        """A whole second on the axis, not after the first exported row."""

    def at(self, session: Integers, t_us: Integers, utc: Times | None = None) -> Integers:
        """Times on the axis of rows, given the session, the session time and (if already known) the UTC of each."""
        utc = self._clock.utc(session, t_us) if utc is None else utc
        at_us = utc.astype(np.int64)
        unknown = np.isnat(utc)
        if unknown.any():
            numbers = np.unique(session[unknown])
            offsets = np.array([self._offset_us.get(int(number), 0) for number in numbers], dtype=np.int64)
            at_us[unknown] = t_us[unknown] + offsets[np.searchsorted(numbers, session[unknown])]
        return at_us

    def _place(self, extents: Iterable[tuple[int, int, int]], dated: frozenset[int]) -> None:
        """Place sessions without UTC directly before or after the others, given each session's first and last time."""
        waiting: list[tuple[int, int, int]] = []  # before the first session with UTC
        end_us: int | None = None
        for session, first_us, last_us in extents:
            if session in dated:
                edges = self._clock.utc(np.array([session] * 2), np.array([first_us, last_us])).astype(
                    np.int64
                )
                begin_us = int(edges[0])
                while waiting:
                    number, first, last = waiting.pop()
                    begin_us -= last - first
                    self._offset_us[number] = begin_us - first
                end_us = int(edges[1])
            elif end_us is None:
                waiting.append((session, first_us, last_us))
            else:
                self._offset_us[session] = end_us - first_us
                end_us += last_us - first_us
        for number, first_us, last_us in waiting:  # no session has UTC
            self._offset_us[number] = 0 if end_us is None else end_us - first_us
            end_us = last_us + self._offset_us[number]

    def _start_s(self, connection: sqlite3.Connection, selection: Selection) -> int:
        if selection.spans is not None:
            firsts = [(span.session, max(0, span.first_us)) for span in selection.spans]
        else:
            firsts = [
                row
                for table in _FIRST_ROWS
                for row in connection.execute(f"SELECT session, t_us FROM {table} ORDER BY rowid LIMIT 1")  # noqa: S608
            ]
        session, t_us = (np.array(column, dtype=np.int64) for column in zip(*firsts or [(0, 0)], strict=True))
        return int(self.at(session, t_us).min()) // 1_000_000


def _extents(connection: sqlite3.Connection) -> list[tuple[int, int, int]]:
    """Session, first and last session time of its rows, in order of session."""
    rows = " UNION ALL ".join(
        f"SELECT session, min(t_us) AS first, max(t_us) AS last FROM {table} GROUP BY session"  # noqa: S608
        for table in _TABLES
    )
    return connection.execute(
        f"SELECT session, min(first), max(last) FROM ({rows}) GROUP BY session ORDER BY session"  # noqa: S608
    ).fetchall()
