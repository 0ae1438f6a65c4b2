"""One log file open for writing: insert rows, commit them durably.

Only the writer thread touches a `Log`, and its connection is the only one in the system that writes or checkpoints
the file. `open_or_quarantine` opens one, also where a damaged file has its name.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.record_columns import FrameColumns
from firmware_bridge.records import Channel, Fix
from logger.logfile import schema
from logger.logfile.border import limit_schema
from logger.logfile.columns import COLUMNS
from logger.logfile.open_checks import (
    refuse_damaged,
    refuse_other_layout,
    refuse_other_tables,
    refuse_wrong_header,
)
from logger.logfile.rows import TABLES, Rows

_CHECKPOINT_BYTES = 4 * 1024 * 1024
"""WAL size for a checkpoint: larger slows readers, smaller rewrites each table's last page more often."""
_ROWS_PER_STATEMENT = (100, 10, 1)
"""Rows per INSERT, most first. SQLite releases Python's lock per statement: 100 halve the writer's time (measured)."""
_FIX_DATE_OK = Fix._fields.index("date_ok")
"""The one field of a fix that is not stored: it follows from the date."""
STATE_KEY = "state"
"""The key in `meta` of the live computation's state, for the session after a power cut."""
_SET_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_ADD_SESSION = "INSERT INTO session (boot_id, started_utc, software, config) VALUES (?, ?, ?, ?)"
_ENDS = "SELECT " + ", ".join(f"(SELECT coalesce(max(rowid), 0) FROM {name})" for name in TABLES)  # noqa: S608
_MAX_UNCONFIRMED = 100
"""A full disk fails every commit; only the newest attempts may have reached the card."""
_LEFT_OPEN: list[sqlite3.Connection] = []
"""Connections to files that were replaced at their path; see `Log.abandon`."""


class ReplacedError(sqlite3.OperationalError):
    """The path now leads to another file than the open one: a card was swapped, or repaired and remounted."""


@dataclass(frozen=True, slots=True)
class SessionStart:
    """One power-on of the recorder. `started_utc` is the system clock, which may be wrong."""

    boot_id: str
    started_utc: str
    software: str
    config: str


class Log:
    """A log that is open for writing. Not thread-safe: one thread owns it."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Open or create the log at `path`.

        `durable=False` is for reproducible logs (simulate, replay): nothing is synced before the end. Raises
        sqlite3.DatabaseError if the file is damaged, LogError if it is not a log of ours.
        """
        self.path = path
        self.session = 0
        self.start = SessionStart("", "", "", "")
        self.meta: Mapping[str, str] = {}
        self.is_resumed = False
        """Whether an earlier connection began the session."""
        self.ends: dict[str, int] = {}
        """Each table's last committed row, and so its number of rows: rows are never deleted."""
        self.unconfirmed_ends: deque[dict[str, int]] = deque(maxlen=_MAX_UNCONFIRMED)
        """The `ends` that failed commits since would have reached; one of them may be on the card."""
        self.channels: dict[Channel, int] = {}
        self._committed_channels: dict[Channel, int] = {}
        self._sql: dict[str, str] = {}
        refuse_other_layout(path)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
        try:
            limit_schema(self._connection)
            schema.require_ours(self._connection, complete=False)
            self._configure(durable)
            if not schema.prepare(self._connection):
                refuse_other_tables(self._connection)
                refuse_wrong_header(self._connection, path)
            rows = self._connection.execute("SELECT name, unit, source, id FROM channel")
            self.channels = {Channel(*row[:3]): row[3] for row in rows}
            self._committed_channels = dict(self.channels)
            self.ends = self._read_ends()
            self._file_id = _file_id(path)
        except BaseException:
            self._connection.close()
            raise

    def _configure(self, durable: bool) -> None:
        # The page size takes effect only in a blank file, and must be set before the journal mode.
        self._connection.execute(f"PRAGMA page_size = {schema.PAGE_BYTES}")
        self._connection.execute(f"PRAGMA journal_mode = {'WAL' if durable else 'OFF'}")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        page_bytes = self._connection.execute("PRAGMA page_size").fetchone()[0]
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // page_bytes}")

    def begin_session(
        self, start: SessionStart, meta: Mapping[str, str], first_rows: Rows | None = None
    ) -> int:
        """Add a session with its first rows and update `meta`, in one durable commit. Returns the session's number.

        Raises sqlite3.Error; then call `abandon`.
        """
        self.commit()
        self._connection.execute("BEGIN")
        self._connection.executemany(_SET_META, meta.items())
        self._connection.execute(_ADD_SESSION, astuple(start))
        session = self._connection.execute("SELECT max(id) FROM session").fetchone()[0]
        self._take_session(session, start, meta)
        if first_rows is not None:
            self.write(first_rows)
        self.commit()
        return self.session

    def resume_session(self, session: int, start: SessionStart, meta: Mapping[str, str]) -> bool:
        """Resume a session of an earlier connection; False, with nothing changed, if the log lacks it."""
        row = self._connection.execute(
            "SELECT boot_id, started_utc, software, config FROM session WHERE id = ?", (session,)
        ).fetchone()
        if row != astuple(start):
            return False
        self._take_session(session, start, meta)
        self.is_resumed = True
        return True

    def _take_session(self, session: int, start: SessionStart, meta: Mapping[str, str]) -> None:
        self.session, self.start, self.meta = session, start, meta
        for name in TABLES:
            row = f"({self.session:d}, {', '.join('?' * (len(COLUMNS[name]) - 1))})"
            self._sql[name] = f"INSERT INTO {name} VALUES {row}"  # noqa: S608

    def write(self, rows: Rows) -> None:
        """Insert rows into the open transaction, or begin one. Not durable before `commit`.

        Raises sqlite3.Error; then call `rollback` and pass the same rows again.
        """
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
        self._write_frames(rows.frame)
        times_us, channels, values = rows.reading.times_us, rows.reading.channels, rows.reading.values
        self._write_many(self._sql["reading"], (times_us, self._channel_ids(channels), values))
        insert = self._connection.executemany
        insert(self._sql["sentence"], rows.sentence)
        insert(self._sql["fix"], (fix[:_FIX_DATE_OK] + fix[_FIX_DATE_OK + 1 :] for fix in rows.fix))
        insert(self._sql["clock"], rows.clock)
        insert(self._sql["event"], ((e.t_us, e.kind, _to_json(e.detail)) for e in rows.event))
        insert(self._sql["progress"], rows.progress)
        insert(self._sql["rejected"], rows.rejected)
        if rows.state is not None:
            self._write_state(rows.state)

    def _write_state(self, state: str) -> None:
        """Update in place: INSERT OR REPLACE would move row and index entry, five pages per second instead of one."""
        updated = self._connection.execute("UPDATE meta SET value = ? WHERE key = ?", (state, STATE_KEY))
        if not updated.rowcount:
            self._connection.execute("INSERT INTO meta VALUES (?, ?)", (STATE_KEY, state))

    def _write_frames(self, frames: FrameColumns) -> None:
        """Insert frames; the number of the only bus stands in the statement, as each bound value takes time."""
        buses = frames.buses
        if buses and buses.count(buses[0]) == len(buses):
            sql = f"INSERT INTO frame VALUES ({self.session:d}, ?, {buses[0]:d}, ?, ?)"  # noqa: S608 - numbers
            self._write_many(sql, (frames.times_us, frames.ids, frames.datas))
        else:
            self._write_many(self._sql["frame"], (frames.times_us, buses, frames.ids, frames.datas))

    def _write_many(self, sql: str, columns: Sequence[Sequence[Any]]) -> None:
        """Insert rows that are given as columns, many with each statement; `sql` inserts one."""
        row = sql[sql.rindex("(") :]
        begin, count = 0, len(columns[0])
        for size in _ROWS_PER_STATEMENT:
            end = count - (count - begin) % size
            if end > begin:
                groups = _groups(columns, range(begin, end, size))
                self._connection.executemany(sql + f", {row}" * (size - 1), groups)
            begin = end

    def _channel_ids(self, channels: Sequence[Channel]) -> list[int]:
        try:
            return list(map(self.channels.__getitem__, channels))
        except KeyError:  # a new one
            return [self._channel_id(channel) for channel in channels]

    def _channel_id(self, channel: Channel) -> int:
        known = self.channels.get(channel)
        if known is None:
            known = 1 + max(self.channels.values(), default=0)
            self._connection.execute("INSERT INTO channel VALUES (?, ?, ?, ?)", (known, *channel))
            self.channels[channel] = known
        return known

    def commit(self) -> None:
        """Make the written rows durable. After a failed commit, only reopening the file shows what reached the card."""
        if not self._connection.in_transaction:
            return
        ends = self._read_ends()  # first: nothing may fail after COMMIT
        self.unconfirmed_ends.append(ends)
        self._connection.execute("COMMIT")
        self.ends = ends
        self.unconfirmed_ends.clear()
        self._committed_channels = dict(self.channels)

    def rollback(self) -> None:
        """Discard the rows written since the last commit."""
        self.channels = dict(self._committed_channels)
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _read_ends(self) -> dict[str, int]:
        return dict(zip(TABLES, self._connection.execute(_ENDS).fetchone(), strict=True))

    def state(self) -> str | None:
        """The live computation's state at the last commit."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (STATE_KEY,)).fetchone()
        return None if row is None else row[0]

    def require_same_file(self) -> None:
        """Raise ReplacedError if the path leads to another file than the open one, OSError if to none.

        An unmounted file system accepts rows while the file is open, and they would be lost.
        """
        if _file_id(self.path) != self._file_id:
            raise ReplacedError("another file has replaced it")

    def refuse_damaged(self) -> None:
        """Raise sqlite3.DatabaseError if a time-limited check of the pages finds one damaged."""
        refuse_damaged(self._connection)

    def close(self) -> None:
        """Commit, checkpoint the WAL and close: one whole file remains, which opens in WAL mode."""
        self.commit()
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def abandon(self) -> None:
        """Close the connection without writing: the file is damaged, unreachable or replaced.

        As it closes, SQLite deletes a WAL by name. If the file was replaced, that WAL belongs to the new file, so the
        connection is left open.
        """
        try:
            replaced = _file_id(self.path) != self._file_id
        except OSError:
            replaced = False  # SQLite finds no file to delete
        if replaced:
            _LEFT_OPEN.append(self._connection)
        else:
            self._connection.close()


def _groups(columns: Sequence[Sequence[Any]], begins: range) -> Iterator[list[Any]]:
    """The values of each group of rows, row by row; `begins` are their first rows, its step their size."""
    width = len(columns)
    for begin in begins:
        values = [None] * (width * begins.step)
        for place, column in enumerate(columns):
            values[place::width] = column[begin : begin + begins.step]
        yield values


def _file_id(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _to_json(detail: Mapping[str, Any]) -> str:
    text = json.dumps(detail, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()  # a path that is not UTF-8: JSON's escape
