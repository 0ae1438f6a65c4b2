"""How far a log has come, and which log it is: what two copies of it are compared by.

A name says little: every car has a `dakar-2026-11-car-...-001.db` of each try. A log's first session says who it
is, for it is written once and never changed. Rows are only ever added, so their number says which of two copies
is the longer one. Nothing here takes longer for a long log.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from firmware_bridge.errors import LogError
from logger.logfile.border import open_log_readonly
from logger.logfile.rows import TABLES

IDENTITY_DIGITS = 16
"""Of a SHA-256 in hexadecimal: plenty for the logs of all rallies."""
_IDENTITY = re.compile(rf"[0-9a-f]{{{IDENTITY_DIGITS}}}")


class LogState(NamedTuple):
    """Which log it is (`identity`, hexadecimal), its newest row's session and time, and how many rows it has."""

    identity: str
    session: int
    t_us: int
    rows: int

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """What another machine said. Raises KeyError, TypeError or ValueError if that is no state."""
        identity, *numbers = (said[name] for name in cls._fields)
        if not (isinstance(identity, str) and _IDENTITY.fullmatch(identity)):
            raise ValueError("an identity is hexadecimal")  # and becomes part of a file's name
        if not all(type(number) is int and abs(number) < 2**63 for number in numbers):
            raise ValueError("a number is one that SQLite has")
        return cls(identity, *numbers)


def state_of(path: Path) -> LogState:
    """How far the log in a file has come. Raises LogError."""
    with open_log_readonly(path) as connection:
        return read_state(connection)


def read_state(connection: sqlite3.Connection, schema: str = "main") -> LogState:
    """How far the log behind a connection has come; `schema` is the name under which it is attached.

    Raises LogError for a log without a session, sqlite3.Error for one that cannot be read.
    """
    row = connection.execute(
        f"SELECT boot_id, started_utc, software, config FROM {schema}.session ORDER BY id LIMIT 1"  # noqa: S608
    ).fetchone()
    if row is None:
        raise LogError("nothing was ever recorded in it", hint="it may be deleted")
    words = "\0".join(map(str, row)).encode("utf-8", "surrogateescape")
    newest = [
        connection.execute(
            f"SELECT rowid, session, t_us FROM {schema}.{table} ORDER BY rowid DESC LIMIT 1"  # noqa: S608
        ).fetchone()
        or (0, 1, 0)
        for table in TABLES
    ]
    session, t_us = max((session, t_us) for _, session, t_us in newest)
    identity = hashlib.sha256(words).hexdigest()[:IDENTITY_DIGITS]
    return LogState(identity, int(session), int(t_us), sum(rowid for rowid, _, _ in newest))
