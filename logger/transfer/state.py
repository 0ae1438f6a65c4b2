"""State of a log: its identity and length, by which two copies are compared.

A name does not identify a log: every car has a `dakar-2026-11-car-...-001.db` of each attempt. A log's first session
does, because it is written once and never changed. Rows are only added, so their number shows which of two copies is
longer. The cost does not depend on the log's length.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from firmware_bridge.errors import LogError
from logger.logfile.border import open_log_readonly
from logger.logfile.rows import TABLES

IDENTITY_DIGITS = 16
"""Digits of a SHA-256 in hexadecimal: enough for the logs of all rallies."""
_IDENTITY = re.compile(rf"[0-9a-f]{{{IDENTITY_DIGITS}}}")


class LogState(NamedTuple):
    """A log's identity (hexadecimal), the session and time of its newest row, and its number of rows."""

    identity: str
    session: int
    t_us: int
    rows: int

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the state that another machine sent. Raises KeyError, TypeError or ValueError for an invalid one."""
        identity, *numbers = (document[name] for name in cls._fields)
        if not (isinstance(identity, str) and _IDENTITY.fullmatch(identity)):
            raise ValueError("an identity is hexadecimal")  # it becomes part of a file name
        if not all(type(number) is int and abs(number) < 2**63 for number in numbers):
            raise ValueError("a number must fit into 64 bits")
        return cls(identity, *numbers)


def state_of(path: Path) -> LogState:
    """The state of the log in a file. Raises LogError."""
    with open_log_readonly(path) as connection:
        return read_state(connection)


def read_state(connection: sqlite3.Connection, schema: str = "main") -> LogState:
    """The state of the log behind a connection; `schema` is the name under which it is attached."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, which a recorder does not need

    text = "\0".join(map(str, _first_session(connection, schema))).encode("utf-8", "surrogateescape")
    return LogState(hashlib.sha256(text).hexdigest()[:IDENTITY_DIGITS], *read_extent(connection, schema))


def read_extent(connection: sqlite3.Connection, schema: str = "main") -> tuple[int, int, int]:
    """Session and time of the newest row, and the number of rows; as `read_state`, but without the identity."""
    _first_session(connection, schema)
    newest = [
        connection.execute(
            f"SELECT rowid, session, t_us FROM {schema}.{table} ORDER BY rowid DESC LIMIT 1"  # noqa: S608
        ).fetchone()
        or (0, 1, 0)
        for table in TABLES
    ]
    session, t_us = max((session, t_us) for _, session, t_us in newest)
    return int(session), int(t_us), sum(rowid for rowid, _, _ in newest)


def _first_session(connection: sqlite3.Connection, schema: str) -> tuple[Any, ...]:
    """What identifies a log. Raises LogError if it has no session."""
    row: tuple[Any, ...] | None = connection.execute(
        f"SELECT boot_id, started_utc, software, config FROM {schema}.session ORDER BY id LIMIT 1"  # noqa: S608
    ).fetchone()
    if row is None:
        raise LogError("nothing was ever recorded in it", hint="it may be deleted")
    return row
