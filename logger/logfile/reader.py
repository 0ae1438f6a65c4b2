"""Summaries of logs: list a folder, describe one log, read its events and channels."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware_bridge.errors import LogError
from firmware_bridge.records import Channel
from logger.boundary.untrusted_json import loads
from logger.logfile.border import open_log_readonly
from logger.logfile.connect import has_wal
from logger.logfile.meta import meta_of
from logger.logfile.naming import LOG_PATTERN
from logger.logfile.rows import TABLES
from logger.logfile.value_ranges import RANGES

_MAX_WORD_CHARS = 200
"""For a boot identifier, a version or a reason: they have about 40."""
_MAX_DETAIL_BYTES = 1024 * 1024
"""For one event's detail. The longest that a recorder writes is the state in `resumed`, about 20 kB."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One power-on within a log. Times are of the session's own clock; UTC is None without GPS time."""

    id: int
    boot_id: str
    started_utc: str
    software: str
    first_t_us: int
    last_t_us: int
    first_utc_us: int | None
    ended: str | None
    """The reason it ended, in one word; None after a power cut or while it is still recorded."""

    @property
    def duration_s(self) -> float:
        """Seconds from its first row to its last."""
        return (self.last_t_us - self.first_t_us) / 1e6


@dataclass(frozen=True, slots=True)
class LogInfo:
    """Summary of a log."""

    path: Path
    size_bytes: int
    meta: dict[str, str]
    sessions: tuple[SessionInfo, ...]
    rows: dict[str, int]
    open: bool
    """Whether a WAL exists beside it: the log is being recorded, or a power cut left it."""

    @property
    def duration_s(self) -> float:
        """Recorded seconds, over all sessions."""
        return sum(session.duration_s for session in self.sessions)

    @property
    def first_utc_us(self) -> int | None:
        """UTC of the first row of the first session that has GPS time."""
        return next((session.first_utc_us for session in self.sessions if session.first_utc_us), None)


def info(path: Path) -> LogInfo:
    """Summarise a log in a time that does not grow with its length. Raises LogError."""
    with open_log_readonly(path) as connection:
        meta = meta_of(connection)
        rows = {table: last_row(connection, table) for table in TABLES}
        sessions = tuple(_sessions(connection))
    return LogInfo(path, path.stat().st_size, meta, sessions, rows, has_wal(path))


def last_row(connection: sqlite3.Connection, table: str, database: str = "main") -> int:
    """The number of a table's newest row, which is also their count, as rows are never deleted.

    Raises LogError for a number too large for the file's size, which only a damaged page holds: a loop up to it would
    not end.
    """
    last = max(
        0,
        int(connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {database}.{table}").fetchone()[0]),  # noqa: S608
    )
    pages, page_bytes = (
        connection.execute(f"PRAGMA {database}.{name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    if last > pages * page_bytes:
        raise LogError(
            f"{table}: row number {last} is too large for the file", hint="run `stagelog verify` for details"
        )
    return last


def _sessions(connection: sqlite3.Connection) -> Iterator[SessionInfo]:
    ended = {}
    clocks: dict[int, int] = {}
    spans: dict[int, tuple[int, int]] = {}
    for session, detail in connection.execute("SELECT session, detail FROM event WHERE kind = 'session_end'"):
        reason = (detail_of(detail) or {}).get("reason", "ended")
        ended[session] = str(reason)[:_MAX_WORD_CHARS]
    for session, t_us, utc_us in connection.execute(
        f"SELECT session, t_us, utc_us FROM clock WHERE {within('t_us')} AND {within('utc_us')} ORDER BY rowid"  # noqa: S608
    ):
        clocks.setdefault(session, utc_us - t_us)
    for session, first, last in connection.execute(
        "SELECT session, min(t_us), max(t_us) FROM (SELECT session, t_us FROM event"  # noqa: S608
        f" UNION ALL SELECT session, t_us FROM fix) WHERE {within('t_us')} GROUP BY session"
    ):
        spans[session] = first, last
    for number, boot_id, started_utc, software in connection.execute(
        f"SELECT id, {text_start('boot_id')}, {text_start('started_utc')}, {text_start('software')}"  # noqa: S608
        " FROM session ORDER BY id"
    ):
        first, last = spans.get(number, (0, 0))
        utc_us = clocks[number] + first if number in clocks else None
        yield SessionInfo(number, boot_id, started_utc, software, first, last, utc_us, ended.get(number))


def logs_in(folder: Path) -> list[Path]:
    """The files in a folder that may be logs, by name. Raises LogError if the folder does not exist."""
    if not folder.is_dir():
        hint = "name the folder of [log] directory"
        if folder.exists():
            raise LogError("no such folder: this is a file", where=str(folder), hint=hint)
        raise LogError("no such folder", where=str(folder), hint=hint)
    return sorted(path for path in folder.glob(LOG_PATTERN) if path.is_file())


def events(connection: sqlite3.Connection) -> Iterator[tuple[int, int, str, dict[str, Any]]]:
    """Yield every event in order: session, t_us, kind and detail."""
    for session, t_us, kind, detail in connection.execute(
        "SELECT session, t_us, kind, detail FROM event ORDER BY rowid"
    ):
        yield session, t_us, kind, detail_of(detail) or {}


def detail_of(text: object) -> dict[str, Any] | None:
    """An event's detail; None if it is not a JSON object."""
    try:
        detail = loads(text, max_bytes=_MAX_DETAIL_BYTES) if isinstance(text, str) else None
    except ValueError:
        return None
    return detail if isinstance(detail, dict) else None


def within(column: str) -> str:
    """SQL that is true for an integer within the range of its column."""
    minimum, maximum = RANGES[column]
    return f"typeof({column}) = 'integer' AND {column} BETWEEN {minimum:.0f} AND {maximum:.0f}"


def text_start(column: str) -> str:
    """SQL for the beginning of a text; empty if the value is not text."""
    return f"iif(typeof({column}) = 'text', substr({column}, 1, {_MAX_WORD_CHARS}), '')"


MAX_CHANNELS: Final = 20_000
"""The DBC files of a large truck have about 5,000 signals."""
_MAX_NUMBER: Final = 2**31 - 1
_MAX_CHARS: Final = 1000
"""For a name, a unit or a source: names in a DBC have at most 128."""
_SQL: Final = (
    "SELECT id, name, unit, source FROM channel WHERE typeof(name) = 'text' AND length(name) <= ?"  # noqa: S608 - ours
    + "".join(
        f" AND (typeof({name}) = 'text' AND length({name}) <= ? OR {name} IS NULL)"
        for name in ("unit", "source")
    )
    + " ORDER BY id LIMIT ?"
)


def channels_of(connection: sqlite3.Connection) -> dict[int, Channel]:
    """Channels by number, in order. Skips rows that no recorder writes, and their readings; `verify` reports them.

    Raises LogError for more channels than any car has, sqlite3.Error if the table cannot be read.
    """
    rows = connection.execute(_SQL, (*[_MAX_CHARS] * 3, MAX_CHANNELS + 1)).fetchall()
    if len(rows) > MAX_CHANNELS:
        raise LogError(f"it has over {MAX_CHANNELS} channels", hint="run `stagelog verify` for details")
    return {
        number: Channel(name, unit or "", source or "")
        for number, name, unit, source in rows
        if 0 <= number <= _MAX_NUMBER
    }
