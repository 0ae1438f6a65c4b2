"""Recorded events as columns, for the exports that hold text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from logger.logfile import value_ranges
from logger.logfile.selection import Integers, Selection, Times

_ROWS = 2048
_MAX_DETAIL_CHARS = 32_000
"""A spreadsheet's cell holds 32,767 characters; the longest detail, the state in `resumed`, has some 20,000."""


class EventBlock(NamedTuple):
    """Events as columns; `detail` is the recorded JSON."""

    session: Integers
    t_us: Integers
    utc: Times
    kind: list[str]
    detail: list[str]


def event_blocks(connection: sqlite3.Connection, selection: Selection) -> Iterator[EventBlock]:
    """Yield the events of a selection in row order, without rows that no recorder writes. Raises sqlite3.Error."""
    rows = connection.execute(
        "SELECT session, t_us, substr(kind, 1, 200), substr(detail, 1, ?) FROM event"  # noqa: S608 - the condition is ours
        f" WHERE typeof(kind) = 'text' AND typeof(detail) = 'text' AND ({selection.condition}) ORDER BY rowid",
        (_MAX_DETAIL_CHARS,),
    )
    while chunk := rows.fetchmany(_ROWS):
        known = [
            row
            for row in chunk
            if value_ranges.holds("session", row[0]) and value_ranges.holds("t_us", row[1])
        ]
        session, t_us = (np.array([row[at] for row in known], dtype=np.int64) for at in (0, 1))
        utc = selection.clock.utc(session, t_us)
        yield EventBlock(session, t_us, utc, [row[2] for row in known], [row[3] for row in known])
