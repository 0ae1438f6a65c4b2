"""One log file, open for writing: rows in, commits out.

Only the writer thread touches a `Log`, and its connection is the only one in the system that writes or
checkpoints the file. How one is come by, also where a damaged file lies in its place, is in `opening`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from firmware_bridge.records import Channel, Fix
from logger.logfile import schema
from logger.logfile.border import limit_schema
from logger.logfile.columns import COLUMNS
from logger.logfile.rows import TABLES, Rows

_CHECKPOINT_BYTES = 4 * 1024 * 1024
"""The WAL is folded into the log every so many bytes: rarely enough that the last page of each table is not
copied again and again, often enough that a reader never finds a long WAL."""
_ROWS_A_STATEMENT = 100
"""Rows inserted by one statement. SQLite hands Python's lock back and forth once a statement, so this many
rows together halve the writer's time and leave the decoder undisturbed; more brings nothing (measured)."""
_FIX_DATE_OK = Fix._fields.index("date_ok")
"""All of a fix is stored but this: it follows from the date."""
STATE_KEY = "state"
"""Where `meta` keeps the live computation's state, for the session after a power cut."""
_IN_MASSES = ("frame", "reading")
"""The tables with so many rows that a statement each is felt."""
_SET_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_ADD_SESSION = "INSERT INTO session (boot_id, started_utc, software, config) VALUES (?, ?, ?, ?)"
_ENDS = "SELECT " + ", ".join(f"(SELECT coalesce(max(rowid), 0) FROM {name})" for name in TABLES)  # noqa: S608
_MOST_TRIED = 100
"""A full disk goes on refusing; it is what comes last that may have reached the card."""
_RESERVED_AT = 20
"""In a file's header, how many bytes of each page SQLite is to leave alone: none, ever."""
_LOOK_S = 5.0
"""A look at a log's pages takes no longer, however large it is: the watchdog waits twice as long for the writer."""
_LEFT_OPEN: list[sqlite3.Connection] = []
"""Connections to files that lost their place to others; see `Log.abandon`."""


class ReplacedError(sqlite3.OperationalError):
    """Another file is in the place of the one that is open: a card was changed, or repaired and mounted again."""


@dataclass(frozen=True, slots=True)
class SessionStart:
    """What is said of one power-on of the recorder. `started_utc` is the system clock's word, not to be trusted."""

    boot_id: str
    started_utc: str
    software: str
    config: str


class Log:
    """A log that is being written. Not thread-safe: one thread owns it."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Open or create the log at `path`.

        `durable=False` is for logs that can be made again (simulate, replay): nothing is synced before the end.
        Raises sqlite3.DatabaseError when the file is damaged, LogError when it is not a log of ours.
        """
        self.path = path
        self.session = 0
        self.start = SessionStart("", "", "", "")
        self.meta: Mapping[str, str] = {}
        self.goes_on = False
        """Whether the session was begun by an earlier connection."""
        self.ends: dict[str, int] = {}
        """Each table's last row that is known to be committed, and so their number: rows are never deleted."""
        self.tried: deque[dict[str, int]] = deque(maxlen=_MOST_TRIED)
        """The ends that commits were to reach which failed since."""
        self.channels: dict[Channel, int] = {}
        self._committed_channels: dict[Channel, int] = {}
        self._sql: dict[str, str] = {}
        self._many_sql: dict[str, str] = {}
        _refuse_other_layout(path)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
        try:
            limit_schema(self._connection)
            schema.require_ours(self._connection, complete=False)
            self._configure(durable)
            if not schema.prepare(self._connection):
                self._refuse_other_tables()
                self._refuse_truncated()
            rows = self._connection.execute("SELECT name, unit, source, id FROM channel")
            self.channels = {Channel(*row[:3]): row[3] for row in rows}
            self._committed_channels = dict(self.channels)
            self.ends = self._read_ends()
            self._place = _place(path)
        except BaseException:
            self._connection.close()
            raise

    def _configure(self, durable: bool) -> None:
        # The page size holds only for a blank file, and must come before the journal.
        self._connection.execute(f"PRAGMA page_size = {schema.PAGE_BYTES}")
        self._connection.execute(f"PRAGMA journal_mode = {'WAL' if durable else 'OFF'}")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        page_bytes = self._connection.execute("PRAGMA page_size").fetchone()[0]
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // page_bytes}")

    def _refuse_other_tables(self) -> None:
        """A byte of the schema's text is enough for a column to be another: rows would never go in."""
        for table, columns in COLUMNS.items():
            there = [
                row[0] for row in self._connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
            ]
            if there != list(columns):
                raise sqlite3.DatabaseError(f"{table} has the columns {', '.join(there) or 'of no table'}")

    def _refuse_truncated(self) -> None:
        """A file shorter than its header says lost its end: SQLite would notice only when it came across the hole."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, page_bytes = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        if self.path.stat().st_size < pages * page_bytes:
            raise sqlite3.DatabaseError("the file is shorter than its header says")

    def begin_session(
        self, start: SessionStart, meta: Mapping[str, str], first_rows: Rows | None = None
    ) -> int:
        """Add a session with its first rows and bring `meta` up to date, in one durable commit. Returns its number."""
        self.commit()
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(_SET_META, meta.items())
            self._connection.execute(_ADD_SESSION, astuple(start))
            session = self._connection.execute("SELECT max(id) FROM session").fetchone()[0]
            self._take_session(session, start, meta)
            if first_rows is not None:
                self.write(first_rows)
        self.ends = self._read_ends()
        self._committed_channels = dict(self.channels)
        return self.session

    def go_on(self, session: int, start: SessionStart, meta: Mapping[str, str]) -> bool:
        """Take up a session that another connection began; False, and nothing is done, where the log has none such."""
        row = self._connection.execute(
            "SELECT boot_id, started_utc, software, config FROM session WHERE id = ?", (session,)
        ).fetchone()
        if row != astuple(start):
            return False
        self._take_session(session, start, meta)
        self.goes_on = True
        return True

    def _take_session(self, session: int, start: SessionStart, meta: Mapping[str, str]) -> None:
        self.session, self.start, self.meta = session, start, meta
        for name in TABLES:
            row = f"({self.session:d}, {', '.join('?' * (len(COLUMNS[name]) - 1))})"
            self._sql[name] = f"INSERT INTO {name} VALUES {row}"  # noqa: S608
            if name in _IN_MASSES:
                self._many_sql[name] = self._sql[name] + f", {row}" * (_ROWS_A_STATEMENT - 1)

    def write(self, rows: Rows) -> None:
        """Insert rows into the open transaction, beginning one if need be. Not durable before `commit`.

        Raises sqlite3.Error; then `rollback` and hand the same rows in again.
        """
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
        self._write_many("frame", rows.frame)
        readings = [(t_us, self._channel_id(channel), value) for t_us, channel, value in rows.reading]
        self._write_many("reading", readings)
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
        """In place: INSERT OR REPLACE would move the row and its index entry, five pages a second instead of one."""
        updated = self._connection.execute("UPDATE meta SET value = ? WHERE key = ?", (state, STATE_KEY))
        if not updated.rowcount:
            self._connection.execute("INSERT INTO meta VALUES (?, ?)", (STATE_KEY, state))

    def _write_many(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        whole = len(rows) - len(rows) % _ROWS_A_STATEMENT
        groups = (
            list(chain.from_iterable(rows[at : at + _ROWS_A_STATEMENT]))
            for at in range(0, whole, _ROWS_A_STATEMENT)
        )
        self._connection.executemany(self._many_sql[table], groups)
        self._connection.executemany(self._sql[table], islice(rows, whole, None))

    def _channel_id(self, channel: Channel) -> int:
        known = self.channels.get(channel)
        if known is None:
            known = 1 + max(self.channels.values(), default=0)
            self._connection.execute("INSERT INTO channel VALUES (?, ?, ?, ?)", (known, *channel))
            self.channels[channel] = known
        return known

    def commit(self) -> None:
        """Make what was written durable. What a failed commit leaves on the card, only opening it again can tell."""
        if not self._connection.in_transaction:
            return
        ends = self._read_ends()  # before: whoever commits must not fail afterwards
        self.tried.append(ends)
        self._connection.execute("COMMIT")
        self.ends = ends
        self.tried.clear()
        self._committed_channels = dict(self.channels)

    def rollback(self) -> None:
        """Forget what was written since the last commit."""
        self.channels = dict(self._committed_channels)
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _read_ends(self) -> dict[str, int]:
        return dict(zip(TABLES, self._connection.execute(_ENDS).fetchone(), strict=True))

    def state(self) -> str | None:
        """The live computation's state as the last commit left it."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (STATE_KEY,)).fetchone()
        return None if row is None else row[0]

    def require_place(self) -> None:
        """Raise ReplacedError where the path leads to another file than the open one, OSError where to none.

        A file system that was unmounted takes rows as long as somebody holds it, and nobody would find them again.
        """
        if _place(self.path) != self._place:
            raise ReplacedError("another file is in its place")

    def refuse_damaged(self) -> None:
        """Raise sqlite3.DatabaseError if a look at the pages, as far as it comes in its time, finds one damaged."""
        timer = threading.Timer(_LOOK_S, self._connection.interrupt)
        timer.start()
        try:
            said = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            said = "ok"
        finally:
            timer.cancel()
            timer.join()
        if said != "ok":
            raise sqlite3.DatabaseError(said)

    def close(self) -> None:
        """Commit, fold the WAL into the file and close it: what is left is one file, whole, that opens with a WAL."""
        self.commit()
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def abandon(self) -> None:
        """Let go of the file without another row: it is damaged, out of reach or replaced.

        SQLite deletes a WAL by its name as it closes, which may by now be that of the file which took this one's
        place: there the connection is left as it is.
        """
        try:
            replaced = _place(self.path) != self._place
        except OSError:
            replaced = False  # SQLite sees for itself that nothing is there
        if replaced:
            _LEFT_OPEN.append(self._connection)
        else:
            self._connection.close()


def _refuse_other_layout(path: Path) -> None:
    """SQLite believes a header that has a part of every page set aside, and would write rows by it among the others.

    Before there is a connection: to close a file takes SQLite's locks from it.
    """
    with suppress(FileNotFoundError), path.open("rb") as file:
        if file.read(_RESERVED_AT + 1)[_RESERVED_AT:] not in (b"", b"\0"):
            raise sqlite3.DatabaseError("its header tells of pages of another layout")


def _place(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _to_json(detail: Mapping[str, Any]) -> str:
    text = json.dumps(detail, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()  # of a path that is no UTF-8: JSON's escape
