"""Open an untrusted log read-only: schema check, limits and a step budget for every reader.

Rule 1: no query runs before the schema was compared with ours (`known_schema`). Rule 2: the connection is read-only,
and SQLite's own limits bound what a query may do. Rule 3: a step budget that grows with the file's size ends every
query, even where pages refer to one another in a loop; Ctrl-C ends a query at once. Never writes and never
checkpoints (`mode=ro`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from firmware_bridge.errors import LogError, StagelogError
from firmware_bridge.printable import printable
from logger.boundary.file_kind import other_kind
from logger.boundary.os_errors import hint_for
from logger.logfile import schema
from logger.logfile.columns import COLUMNS, strange_values
from logger.logfile.connect import connect_immutable, connect_readonly, odd_neighbour, stored_bytes

log = logging.getLogger(__name__)

STEPS = 20_000
"""SQLite instructions between two budget checks: one millisecond on a Pi, so that Ctrl-C acts at once."""
_FREE_STEPS = 5_000_000
"""Every log gets this many steps, however small it is."""
_STEPS_PER_BYTE = 50
"""`verify` takes half a step per byte of a day with frames, and three where there are only events."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1 << 25,  # input_files.MAX_BYTES: no text in a log is longer
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 50_000,  # our longest statement or view has 1,500 characters
    sqlite3.SQLITE_LIMIT_COLUMN: 100,  # of a table or a result: ours have 14
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,  # ours are ten deep
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,  # one per table
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,  # PRAGMA integrity_check, the longest program, has some 2,000
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,  # a log never attaches another file
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,  # ours have ten
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,  # there are no triggers
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_CONFIGURATION = {"DEFENSIVE": True, "ENABLE_TRIGGER": False, "ENABLE_VIEW": False}
"""Settings that Python can make from 3.12 on. Before 3.12, the schema check alone keeps triggers and foreign views
out."""
_SCHEMA_LIMITS = (
    sqlite3.SQLITE_LIMIT_SQL_LENGTH,
    sqlite3.SQLITE_LIMIT_COLUMN,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT,
)
"""Limits that hold while SQLite reads a schema, which it does before we can compare it."""


_MALFORMED = "database disk image is malformed"
"""SQLite's message for a page that contradicts another one (sqlite3ErrStr, SQLITE_CORRUPT)."""


VERIFY_HINT = "run `stagelog verify` to see what is readable"


class Budget:
    """The SQLite instructions a connection may still take; `is_spent` and `is_interrupted` report why a query ended."""

    def __init__(self, path: Path) -> None:
        self.is_spent = False
        self.is_interrupted = False
        steps = _FREE_STEPS + _STEPS_PER_BYTE * stored_bytes(path)
        watch = self._watch(steps // STEPS)
        next(watch)  # enter its `try` block
        self.handler = partial(next, watch)

    def _watch(self, checks: int) -> Iterator[int]:
        """The answer to each call of SQLite's progress handler: 1 ends this query and every later one.

        Python's sqlite3 drops an exception raised in the handler, Ctrl-C's KeyboardInterrupt included. The interrupt
        is raised where Python enters the handler: for a generator that is inside the `try`; for a function it would
        be before it.
        """
        while True:
            try:
                yield int(self.is_interrupted or self.is_spent)
                checks -= 1
                self.is_spent = checks < 0
            except KeyboardInterrupt:
                self.is_interrupted = True

    def require(self) -> None:
        """Raise the reason a query ended: KeyboardInterrupt, or LogError when the budget is spent."""
        if self.is_interrupted:
            raise KeyboardInterrupt
        if self.is_spent:
            raise LogError("reading it would not end: its pages form a loop", hint="fetch it again")


@contextmanager
def open_log_readonly(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a log read-only. Raises LogError if the file is missing, is not a log of ours, or is too new."""
    require_log_file(path)
    if (odd := odd_neighbour(path)) is not None:
        what = f"{odd.name} beside it is not a regular file"
        raise LogError(what, where=str(path), hint="remove it, or copy the log alone and read the copy")
    try:
        connection = connect_readonly(path)
    except sqlite3.Error as error:
        raise LogError(f"cannot be opened: {error}", where=str(path), hint="check its permissions") from error
    with closing(connection), as_log_errors(path, VERIFY_HINT), budgeted(connection, path):
        harden(connection)
        schema.require_ours(connection)
        _require_begun(connection)
        require_pages(connection, path)
        yield connection


def require_log_file(path: Path) -> None:
    """Raise LogError for a name without a file, a folder, and a file that is recognised as something else."""
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "no such log"
        raise LogError(what, where=str(path), hint="run `stagelog logs DIR` to list the logs in a folder")
    try:
        other = other_kind(path, "log")
    except OSError as error:
        hint = hint_for(error, "check its name")
        raise LogError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if other is not None:
        raise LogError(f"cannot be read: {other.name}, not a log", where=str(path), hint=other.hint)


@contextmanager
def open_cut_short(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a truncated log read-only, which SQLite would otherwise refuse. Raises LogError."""
    connection = connect_immutable(path)
    hint = "too much of it is missing: fetch it again"
    with closing(connection), as_log_errors(path, hint), budgeted(connection, path):
        harden(connection, is_cut_short=True)
        schema.require_ours(connection)
        yield connection


@contextmanager
def budgeted(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Give a connection a step budget. Raises LogError when it is spent, KeyboardInterrupt on Ctrl-C."""
    budget = Budget(path)
    connection.set_progress_handler(budget.handler, STEPS)
    try:
        yield
    except sqlite3.Error as error:
        if is_interrupted(error):
            budget.require()
        raise
    budget.require()  # the body may have mistaken the end of a query for damage


def is_interrupted(error: sqlite3.Error) -> bool:
    """Whether the budget or Ctrl-C ended a query. That is not damage, and every later query ends the same way."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def harden(connection: sqlite3.Connection, *, is_cut_short: bool = False) -> None:
    """Set the limits of a connection that reads a file from elsewhere. Raises sqlite3.Error.

    SQLite tolerates missing pages only with a writable schema, which its defensive mode rules out.
    """
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    configure: Callable[[int, bool], None] = getattr(connection, "setconfig", lambda *_: None)
    for name, is_on in _CONFIGURATION.items():
        if name != "DEFENSIVE" or not is_cut_short:
            configure(getattr(sqlite3, f"SQLITE_DBCONFIG_{name}", 0), is_on)
    settings = ["trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"]
    if is_cut_short:
        settings.append("writable_schema = ON")
    for setting in settings:
        connection.execute(f"PRAGMA {setting}")


def limit_schema(connection: sqlite3.Connection) -> None:
    """Set the limits of a connection that writes a log: what the file's schema may make SQLite do."""
    for limit in _SCHEMA_LIMITS:
        connection.setlimit(limit, _LIMITS[limit])


def _require_begun(connection: sqlite3.Connection) -> None:
    """Raise LogError for a blank file: the power was cut while it was created."""
    if not connection.execute("PRAGMA application_id").fetchone()[0]:
        raise LogError("nothing was ever recorded in it", hint="it may be deleted")


def require_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Raise LogError if the header claims more pages than the file and its WAL hold; a copy would have them all."""
    pages, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    if pages * page_bytes > stored_bytes(path):
        raise LogError(f"damaged: its header claims {pages} pages", hint="fetch it again")


@contextmanager
def as_log_errors(path: Path, hint: str) -> Iterator[None]:
    """Turn every error in reading a log into a one-line LogError that names the file.

    SQLite quotes a damaged file in its messages: they may contain line breaks or bytes that are not text.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        raise LogError(f"cannot be read: {reason_of(error)}", where=str(path), hint=hint) from error
    except LogError as error:
        raise type(error)(error.what, where=error.where or str(path), hint=error.hint) from error
    except StagelogError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        strange = _first_strange(path) or printable(f"{type(error).__name__}: {error}")
        log.debug("%s", path, exc_info=error)
        raise LogError(f"cannot be read: {strange}", where=str(path), hint=hint) from error


def reason_of(error: Exception) -> str:
    """Why a log cannot be read, on one line."""
    if str(error) == _MALFORMED:
        return "its pages are damaged or missing"
    return printable(str(error) or "it needs more memory than there is")  # MemoryError: a damaged length


def _first_strange(path: Path) -> str | None:
    """The first column with values that no recorder writes, as one line; None if there is none."""
    with (
        suppress(sqlite3.Error, UnicodeDecodeError, MemoryError),
        closing(connect_readonly(path)) as connection,
    ):
        harden(connection)
        connection.set_progress_handler(Budget(path).handler, STEPS)
        return next(strange_values(connection, COLUMNS), None)
    return "its pages are damaged"
