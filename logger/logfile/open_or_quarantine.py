"""How a log is come by for writing: created, gone on with, or begun anew where a damaged file lies in its place.

A log that SQLite cannot read, or that says it is none, is renamed, never deleted, and a fresh one takes its place:
nothing under the name of a log keeps the recorder from recording. Whoever only reads refuses such a file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.errors import LogError
from logger.logfile.border import odd_neighbour
from logger.logfile.rows import Rows
from logger.logfile.schema import NoLogError
from logger.logfile.store import Log, SessionStart

_OTHER_SCHEMA = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)
"""What SQLite says to a statement that does not fit the tables that are there."""
_TAILS = ("", "-wal", "-shm", "-journal")
"""A log's file and what SQLite keeps, or once kept, beside it."""


def open_log(path: Path, *, durable: bool = True) -> tuple[Log, Path | None]:
    """Open or create the log at `path`; a damaged one is set aside first.

    Returns the log and, where one was set aside, its new name. Raises LogError when the folder cannot be
    written or a later stagelog wrote the file.
    """
    return _in_its_place(path, lambda _aside: Log(path, durable=durable))


def begin_log(
    path: Path, start: SessionStart, meta: Mapping[str, str], first_rows: Callable[[Path | None], Rows]
) -> tuple[Log, Path | None]:
    """`open_log`, a session begun in it, and its first rows on the card; damage found on that way is set aside as well.

    `first_rows` is told what was set aside. Raises LogError, as `open_log` does.
    """

    def begun(aside: Path | None) -> Log:
        with _let_go(Log(path)) as opened:
            opened.begin_session(start, meta, first_rows(aside))
        return opened

    return _in_its_place(path, begun)


def open_again(
    lost: Log, first_rows: Callable[[Path | None], Rows], *, called_damaged: int
) -> tuple[Log, Path | None]:
    """A log whose connection was abandoned, by a new one: its session goes on where the file has it, or one is begun.

    `called_damaged` is how often in a row SQLite has said so. After the first time the file is looked at, as a card
    that answers wrongly for a moment leaves a sound one behind; after the second it is set aside. Raises LogError.
    """

    def gone_on(aside: Path | None) -> Log:
        if called_damaged > 1 and aside is None:
            raise sqlite3.DatabaseError("what the pages do not show is wrong with it")
        with _let_go(Log(lost.path)) as opened:
            if called_damaged and aside is None:
                opened.refuse_damaged()
            if not opened.go_on(lost.session, lost.start, lost.meta):
                opened.begin_session(lost.start, lost.meta, first_rows(aside))
        return opened

    return _in_its_place(lost.path, gone_on)


@contextmanager
def _let_go(opened: Log) -> Iterator[Log]:
    """A log that is closed again where something goes wrong with it."""
    try:
        yield opened
    except BaseException:
        opened.abandon()
        raise


def _in_its_place(path: Path, begin: Callable[[Path | None], Log]) -> tuple[Log, Path | None]:
    """What `begin` comes to; where the file itself does not let it, once more with that file out of the way."""
    with _as_log_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_blocked(path):
            aside = set_aside(path)
            return begin(aside), aside
        try:
            return begin(None), None
        except Exception as error:
            if not _is_the_files(error, path):
                raise
            aside = set_aside(path)
            return begin(aside), aside


@contextmanager
def _as_log_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except LogError:
        raise
    except (OSError, sqlite3.Error) as error:
        hint = "check the folder, its owner and the free space"
        raise LogError(f"cannot write the log: {error}", where=str(path), hint=hint) from error


def _is_blocked(path: Path) -> bool:
    """Whether something that is not a file has a log's name, or one that SQLite needs beside it.

    SQLite would not open the log, or write into another file.
    """
    return (os.path.lexists(path) and not path.is_file()) or odd_neighbour(path) is not None


def _is_the_files(error: Exception, path: Path) -> bool:
    """Whether an error in opening a log, or in beginning with it, is the file's own fault: the next one may do.

    SQLite's plain errors ("no such column", "table exists") count here, where none of our own statements has
    ever had one. What is none of SQLite's (a KeyError, a text that is no UTF-8) comes of reading a damaged schema.
    """
    if isinstance(error, NoLogError):
        return True
    if not isinstance(error, sqlite3.Error):
        return not isinstance(error, OSError)
    code = getattr(error, "sqlite_errorcode", None)  # none where it was Python that could not read a text
    if code is None or is_damage(error):
        return True
    if code & 0xFF == sqlite3.SQLITE_READONLY:  # a byte of the header can say so, too
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return code & 0xFF in _OTHER_SCHEMA


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file itself is bad (rather than full, locked or out of reach)."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(path: Path) -> Path:
    """Rename a damaged log and what belongs to it; nothing is deleted. Returns the log's new name."""
    names = (path.with_name(f"{path.name}.damaged-{n}") for n in range(1, 10_000))
    aside = next(name for name in names if not any(os.path.lexists(f"{name}{tail}") for tail in _TAILS))
    for tail in _TAILS:
        old = path.with_name(path.name + tail)
        if os.path.lexists(old):
            old.rename(aside.with_name(aside.name + tail))
    return aside
