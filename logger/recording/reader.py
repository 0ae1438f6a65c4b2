"""Logs opened for reading: what is there, what is in it. Never writes, never checkpoints (`mode=ro`)."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.errors import LogError, StagelogError
from logger.recording import schema
from logger.recording.columns import COLUMNS, strange_values
from logger.recording.rows import TABLES

LOG_PATTERN = "*.db"
"""How logs are named, in any folder."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One power-on within a log. Times are of the session's own clock; UTC is None where GPS never told it."""

    id: int
    boot_id: str
    started_utc: str
    software: str
    first_t_us: int
    last_t_us: int
    first_utc_us: int | None
    ended: str | None
    """How it ended, in one word, or None: the power was cut, or it is still being recorded."""

    @property
    def duration_s(self) -> float:
        """From its first row to its last."""
        return (self.last_t_us - self.first_t_us) / 1e6


@dataclass(frozen=True, slots=True)
class LogInfo:
    """A log at a glance."""

    path: Path
    size_bytes: int
    meta: dict[str, str]
    sessions: tuple[SessionInfo, ...]
    rows: dict[str, int]
    open: bool
    """Whether a WAL lies beside it: being recorded now, or left by a power cut."""

    @property
    def duration_s(self) -> float:
        """Time recorded, over all sessions."""
        return sum(session.duration_s for session in self.sessions)

    @property
    def stage(self) -> str:
        """The stage's name for people, or a dash."""
        return self.meta.get("stage") or "-"


@contextmanager
def open_log_readonly(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read. Raises LogError when the file is not there, no log, or too new."""
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "no such log"
        raise LogError(what, where=str(path), mend="`stagelog logs DIR` lists the logs in one")
    try:
        connection = connect_readonly(path)
    except sqlite3.Error as error:
        raise LogError(f"cannot be opened: {error}", where=str(path), mend="check its permissions") from error
    with closing(connection), as_log_errors(path, "`stagelog verify` says what is left of it"):
        schema.require_ours(connection)
        _require_begun(connection)
        yield connection


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection to any SQLite file that can only read. Raises sqlite3.Error.

    A log without a WAL beside it is nobody's at the moment and is opened as immutable, so that nothing is
    created beside it: it may lie on a read-only stick, or on a card without a free byte.
    """
    return connect_with_wal(path) if _wal(path).exists() else _connect(path, "mode=ro&immutable=1")


def connect_with_wal(path: Path) -> sqlite3.Connection:
    """A connection to a file with a WAL beside it that can only read. Raises sqlite3.Error."""
    if not is_left_behind(path):
        return _connect(path, "mode=ro")
    connection = _connect(path, "mode=ro&vfs=unix-none")  # without locks: one to write cannot be had here
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the WAL's index is in memory, not in a -shm
    return connection


def is_left_behind(path: Path) -> bool:
    """Whether a log with a WAL is one that a power cut left in a folder that cannot be written, a card mounted
    read-only: nobody has it open, for then its -shm would be there, and none can be made.
    """
    return not path.with_name(path.name + "-shm").exists() and not os.access(path.parent, os.W_OK)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)


@contextmanager
def as_log_errors(path: Path, mend: str) -> Iterator[None]:
    """Whatever is found to be wrong with a log as a LogError on one line that names its file.

    SQLite quotes a damaged file in its messages: they may hold line breaks, or be no text at all.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        said = str(error) or "it asks for more memory than there is"  # as one with a length that is none
        said = "".join(letter if letter.isprintable() else "\ufffd" for letter in said)
        raise LogError(f"cannot be read: {said}", where=str(path), mend=mend) from error
    except LogError as error:
        raise LogError(error.what, where=str(path), mend=error.mend) from error
    except StagelogError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        strange = _first_strange(path)
        if strange is None:
            raise  # the log is as it should be: a flaw of ours
        raise LogError(f"cannot be read: {strange}", where=str(path), mend=mend) from error


def _first_strange(path: Path) -> str | None:
    """A value of the log that no recorder wrote, in words; None where there is none, or nobody can tell."""
    with (
        suppress(sqlite3.Error, UnicodeDecodeError, MemoryError),
        closing(connect_readonly(path)) as connection,
    ):
        return next(strange_values(connection, COLUMNS), None)
    return "its pages are damaged"


def _require_begun(connection: sqlite3.Connection) -> None:
    """Raise LogError for a blank file: the power was cut in the moment of its creation."""
    if not connection.execute("PRAGMA application_id").fetchone()[0]:
        raise LogError("nothing was ever recorded in it", mend="it may be deleted")


def has_wal(path: Path) -> bool:
    """Whether a write-ahead log with anything in it lies beside a log.

    An empty one is what a program leaves that looked at a closed log without the right to write.
    """
    wal = _wal(path)
    return wal.exists() and wal.stat().st_size > 0


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def info(path: Path) -> LogInfo:
    """A log at a glance; takes no longer for a long one. Raises LogError."""
    with open_log_readonly(path) as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        rows = {table: last_row(connection, table) for table in TABLES}
        sessions = tuple(_sessions(connection))
    return LogInfo(path, path.stat().st_size, meta, sessions, rows, has_wal(path))


def last_row(connection: sqlite3.Connection, table: str, database: str = "main") -> int:
    """The number of a table's newest row. Rows are never deleted, so it is their count.

    Raises LogError for a number that no file of this size can have come to, as a damaged page has: who went through
    all up to it would never end.
    """
    last = int(connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {database}.{table}").fetchone()[0])  # noqa: S608
    pages, page_bytes = (
        connection.execute(f"PRAGMA {database}.{name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    if last > pages * page_bytes:
        raise LogError(
            f"{table}: a row is numbered {last}, beyond the file", mend="`stagelog verify` says more"
        )
    return last


def _sessions(connection: sqlite3.Connection) -> Iterator[SessionInfo]:
    ended = {}
    clocks: dict[int, int] = {}
    spans: dict[int, tuple[int, int]] = {}
    for session, detail in connection.execute("SELECT session, detail FROM event WHERE kind = 'session_end'"):
        ended[session] = str(json.loads(detail).get("reason", "ended"))
    for session, t_us, utc_us in connection.execute("SELECT session, t_us, utc_us FROM clock ORDER BY rowid"):
        clocks.setdefault(session, utc_us - t_us)
    for session, first, last in connection.execute(
        "SELECT session, min(t_us), max(t_us) FROM (SELECT session, t_us FROM event"
        " UNION ALL SELECT session, t_us FROM fix) GROUP BY session"
    ):
        spans[session] = first, last
    for number, boot_id, started_utc, software in connection.execute(
        "SELECT id, boot_id, started_utc, software FROM session ORDER BY id"
    ):
        first, last = spans.get(number, (0, 0))
        utc = clocks[number] + first if number in clocks else None
        yield SessionInfo(number, boot_id, started_utc, software, first, last, utc, ended.get(number))


def logs_in(folder: Path) -> list[Path]:
    """The files in a folder that may be logs, by name. Raises LogError when there is no such folder."""
    if not folder.is_dir():
        raise LogError("no such folder", where=str(folder), mend="name the folder of [log] directory")
    return sorted(path for path in folder.glob(LOG_PATTERN) if path.is_file())


def events(connection: sqlite3.Connection) -> Iterator[tuple[int, int, str, dict[str, Any]]]:
    """Every event: session, t_us, kind and detail, in order."""
    for session, t_us, kind, detail in connection.execute(
        "SELECT session, t_us, kind, detail FROM event ORDER BY rowid"
    ):
        yield session, t_us, kind, json.loads(detail)
