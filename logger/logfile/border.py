"""The border for logs: whoever reads a log that the recorder does not have open gets its connection here.

A log may come from a competitor or a stranger. Rule 1: nothing is asked of it before its schema was compared with ours
(log_schema.py). Rule 2: the connection can only read, and SQLite's own limits hold what it may be made to do. Rule 3:
a budget that grows with the file's size ends every query, however the pages refer to one another, and Ctrl-C ends it at
once. Never writes and never checkpoints (`mode=ro`).
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from firmware_bridge.errors import LogError, StagelogError
from firmware_bridge.printable import printable
from logger.logfile import schema
from logger.logfile.columns import COLUMNS, strange_values

log = logging.getLogger(__name__)

STEPS = 20_000
"""SQLite's instructions between two looks at the budget: a millisecond on a Pi, so that Ctrl-C acts at once."""
_FREE_STEPS = 5_000_000
"""What every log may take, however small it is."""
_STEPS_PER_BYTE = 50
"""`verify` takes half a step per byte of a day with frames, and three where there are events alone."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1 << 25,  # input_files.MOST_BYTES: no text in a log is longer
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 50_000,  # the longest statement or view of ours has 1,500 characters
    sqlite3.SQLITE_LIMIT_COLUMN: 100,  # of a table or a result: ours have 14
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,  # ours are ten deep
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,  # as many as there are tables
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,  # PRAGMA integrity_check, the longest program, has some 2,000
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,  # a log is read by itself
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,  # ours have ten
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,  # there are no triggers
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_CONFIGURATION = {"DEFENSIVE": True, "ENABLE_TRIGGER": False, "ENABLE_VIEW": False}
"""What Python lets us set from 3.12 on. Before, there is neither a trigger nor a view of others in what is read."""
_SCHEMA_LIMITS = (
    sqlite3.SQLITE_LIMIT_SQL_LENGTH,
    sqlite3.SQLITE_LIMIT_COLUMN,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT,
)
"""Those that hold while SQLite itself reads a schema, which it does before anybody can compare it."""


class Budget:
    """How many instructions a connection may still take. `is_spent` and `is_interrupted` say why a query ended."""

    def __init__(self, path: Path) -> None:
        self.is_spent = False
        self.is_interrupted = False
        steps = _FREE_STEPS + _STEPS_PER_BYTE * stored_bytes(path)
        watch = self._watch(steps // STEPS)
        next(watch)  # into its `try`, see there
        self.handler = partial(next, watch)

    def _watch(self, looks: int) -> Iterator[int]:
        """What SQLite's progress handler is to answer, look by look: 1 ends the query, and every later one.

        SQLite's module drops an exception of the handler, also Ctrl-C's KeyboardInterrupt, which is raised where Python
        enters it: in a generator that is here, within the `try`, and not at the head of a function.
        """
        while True:
            try:
                yield int(self.is_interrupted or self.is_spent)
                looks -= 1
                self.is_spent = looks < 0
            except KeyboardInterrupt:
                self.is_interrupted = True

    def require(self) -> None:
        """Raise what ended a query: KeyboardInterrupt, or LogError where the budget is spent."""
        if self.is_interrupted:
            raise KeyboardInterrupt
        if self.is_spent:
            raise LogError("reading it would not end: its pages refer to one another", hint="fetch it again")


@contextmanager
def open_log_readonly(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read. Raises LogError when the file is not there, not a log of ours, or too new."""
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "no such log"
        raise LogError(what, where=str(path), hint="`stagelog logs DIR` lists the logs in one")
    if (odd := odd_neighbour(path)) is not None:
        what = f"{odd.name} beside it is no file"
        raise LogError(what, where=str(path), hint="remove it, or look at a copy of the log alone")
    try:
        connection = connect_readonly(path)
    except sqlite3.Error as error:
        raise LogError(f"cannot be opened: {error}", where=str(path), hint="check its permissions") from error
    hint = "`stagelog verify` says what is left of it"
    with closing(connection), as_log_errors(path, hint), budgeted(connection, path):
        harden(connection)
        schema.require_ours(connection)
        _require_begun(connection)
        require_pages(connection, path)
        yield connection


@contextmanager
def open_cut_short(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a log that lost its end, which SQLite would not open. Raises LogError."""
    connection = connect_immutable(path)
    hint = "too little is left of it: fetch it again"
    with closing(connection), as_log_errors(path, hint), budgeted(connection, path):
        harden(connection, is_cut_short=True)
        schema.require_ours(connection)
        yield connection


@contextmanager
def budgeted(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """A budget for all that a connection is asked. Raises LogError when it is spent, KeyboardInterrupt."""
    budget = Budget(path)
    connection.set_progress_handler(budget.handler, STEPS)
    try:
        yield
    except sqlite3.Error as error:
        if is_interrupted(error):
            budget.require()
        raise
    budget.require()  # whoever asked may have taken the end of a query for damage


def is_interrupted(error: sqlite3.Error) -> bool:
    """Whether a query was ended by the budget or by Ctrl-C: that is not damage, and every later one ends so."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def harden(connection: sqlite3.Connection, *, is_cut_short: bool = False) -> None:
    """Limits for a connection that reads what others wrote. Raises sqlite3.Error.

    SQLite bears with missing pages only where a schema might be written; in its defensive mode it never is.
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
    """Limits for a connection that is to write into a log: what its schema may ask of SQLite."""
    for limit in _SCHEMA_LIMITS:
        connection.setlimit(limit, _LIMITS[limit])


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection to any SQLite file that can only read. Raises sqlite3.Error.

    A log without a WAL beside it is nobody's at the moment and is opened as immutable, so that nothing is
    created beside it: it may lie on a read-only stick, or on a card without a free byte.
    """
    return connect_with_wal(path) if _wal(path).exists() else connect_immutable(path)


def connect_immutable(path: Path) -> sqlite3.Connection:
    """A connection to a file that nobody writes, as it stands. Raises sqlite3.Error."""
    return _connect(path, "mode=ro&immutable=1")


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


def has_wal(path: Path) -> bool:
    """Whether a write-ahead log with anything in it lies beside a log.

    An empty one is what a program leaves that looked at a closed log without the right to write.
    """
    wal = _wal(path)
    return wal.exists() and wal.stat().st_size > 0


def odd_neighbour(path: Path) -> Path | None:
    """What has the name of a log's WAL, shared memory or journal and is a link or not a file; None where nothing is.

    SQLite waits for a pipe for ever, and refuses the others as if the card were out of reach.
    """
    beside = (path.with_name(path.name + tail) for tail in ("-wal", "-shm", "-journal"))
    return next((odd for odd in beside if odd.is_symlink() or (odd.exists() and not odd.is_file())), None)


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    return sqlite3.connect(
        uri, uri=True, check_same_thread=False
    )  # `verify` asks in a second thread, and waits


def stored_bytes(path: Path) -> int:
    """The bytes of a log and its WAL; the WAL first, for the recorder moves pages from it into the log."""
    size = 0
    for part in (_wal(path), path):
        with suppress(FileNotFoundError):
            size += part.stat().st_size
    return size


def _require_begun(connection: sqlite3.Connection) -> None:
    """Raise LogError for a blank file: the power was cut in the moment of its creation."""
    if not connection.execute("PRAGMA application_id").fetchone()[0]:
        raise LogError("nothing was ever recorded in it", hint="it may be deleted")


def require_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Raise LogError where a WAL says that there are more pages than there are bytes: a copy would have them all."""
    pages, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    if pages * page_bytes > stored_bytes(path):
        raise LogError(f"damaged: it says that it has {pages} pages", hint="fetch it again")


@contextmanager
def as_log_errors(path: Path, hint: str) -> Iterator[None]:
    """Whatever is found to be wrong with a log as a LogError on one line that names its file.

    SQLite quotes a damaged file in its messages: they may hold line breaks, or be no text at all.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        said = str(error) or "it asks for more memory than there is"  # as one with a length that is none
        raise LogError(f"cannot be read: {printable(said)}", where=str(path), hint=hint) from error
    except LogError as error:
        raise type(error)(error.what, where=error.where or str(path), hint=error.hint) from error
    except StagelogError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        strange = _first_strange(path) or printable(f"{type(error).__name__}: {error}")
        log.debug("%s", path, exc_info=error)
        raise LogError(f"cannot be read: {strange}", where=str(path), hint=hint) from error


def _first_strange(path: Path) -> str | None:
    """A value of the log that no recorder wrote, in words; None where there is none, or nobody can tell."""
    with (
        suppress(sqlite3.Error, UnicodeDecodeError, MemoryError),
        closing(connect_readonly(path)) as connection,
    ):
        harden(connection)
        connection.set_progress_handler(Budget(path).handler, STEPS)
        return next(strange_values(connection, COLUMNS), None)
    return "its pages are damaged"
