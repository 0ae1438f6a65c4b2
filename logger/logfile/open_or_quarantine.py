"""Open a log for writing: create, resume, or quarantine a damaged file and start a new one.

A file that SQLite cannot read, or that is not a log, is renamed, never deleted, and a new log takes its name: no file
in the folder can stop the recorder. Readers refuse such a file instead.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.logfile.connect import odd_neighbour
from logger.logfile.rows import Rows
from logger.logfile.schema import NotALogError
from logger.logfile.store import Log, SessionStart

_OTHER_SCHEMA = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)
"""SQLite's errors for a statement that does not fit the existing tables."""
_TAILS = ("", "-wal", "-shm", "-journal")
"""A log's file and the files that SQLite keeps, or once kept, beside it."""


def open_log(path: Path, *, durable: bool = True) -> tuple[Log, Path | None]:
    """Open or create the log at `path`; a damaged one is quarantined first.

    Returns the log and the new name of the quarantined file, if any. Raises LogError if the folder cannot be written
    or a later stagelog wrote the file.
    """
    return _open_or_quarantine(path, lambda _quarantined: Log(path, durable=durable))


def begin_log(
    path: Path, start: SessionStart, meta: Mapping[str, str], first_rows: Callable[[Path | None], Rows]
) -> tuple[Log, Path | None]:
    """Open a log as `open_log` does and commit a new session with its first rows; quarantine damage found then.

    `first_rows` receives the new name of the quarantined file, or None. Raises LogError.
    """

    def begun(quarantined: Path | None) -> Log:
        with _abandon_on_error(Log(path)) as opened:
            opened.begin_session(start, meta, first_rows(quarantined))
        return opened

    return _open_or_quarantine(path, begun)


def open_again(
    lost: Log, first_rows: Callable[[Path | None], Rows], *, called_damaged: int
) -> tuple[Log, Path | None]:
    """Reopen an abandoned log with a new connection: resume its session if the file has it, otherwise begin one.

    `called_damaged` counts SQLite's damage reports in a row. After the first, the file is checked, because a card
    that fails for a moment leaves a sound file behind; after the second it is quarantined. Raises LogError.
    """

    def resumed(quarantined: Path | None) -> Log:
        if called_damaged > 1 and quarantined is None:
            raise sqlite3.DatabaseError("SQLite reports damage that a check of the pages does not find")
        with _abandon_on_error(Log(lost.path)) as opened:
            if called_damaged and quarantined is None:
                opened.refuse_damaged()
            if not opened.resume_session(lost.session, lost.start, lost.meta):
                opened.begin_session(lost.start, lost.meta, first_rows(quarantined))
        return opened

    return _open_or_quarantine(lost.path, resumed)


@contextmanager
def _abandon_on_error(opened: Log) -> Iterator[Log]:
    """Close a log's connection if the body fails."""
    try:
        yield opened
    except BaseException:
        opened.abandon()
        raise


def _open_or_quarantine(path: Path, begin: Callable[[Path | None], Log]) -> tuple[Log, Path | None]:
    """`begin(None)`; if the file itself is at fault, quarantine it and return `begin` of its new name."""
    with _as_log_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_blocked(path):
            quarantined = quarantine(path)
            return begin(quarantined), quarantined
        try:
            return begin(None), None
        except Exception as error:
            if not _is_fault_of_file(error, path):
                raise
            quarantined = quarantine(path)
            return begin(quarantined), quarantined


@contextmanager
def _as_log_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except LogError:
        raise
    except (OSError, sqlite3.Error) as error:
        hint = "check the folder, its owner and the free space"
        raise LogError(
            f"cannot write the log: {printable(str(error))}", where=str(path), hint=hint
        ) from error


def _is_blocked(path: Path) -> bool:
    """Whether something other than a file has the log's name, or a name that SQLite needs beside it.

    SQLite would fail to open the log, or would write into another file.
    """
    return (os.path.lexists(path) and not path.is_file()) or odd_neighbour(path) is not None


def _is_fault_of_file(error: Exception, path: Path) -> bool:
    """Whether an error in opening or starting a log is the file's own fault, so that a new file may work.

    SQLite's plain errors ("no such column", "table exists") count, as our own statements never cause them. An error
    from outside SQLite (a KeyError, a text that is not UTF-8) comes from reading a damaged schema.
    """
    if isinstance(error, NotALogError):
        return True
    if not isinstance(error, sqlite3.Error):
        return not isinstance(error, OSError)
    code = getattr(error, "sqlite_errorcode", None)  # None if Python could not decode a text
    if code is None or is_damage(error):
        return True
    if code & 0xFF == sqlite3.SQLITE_READONLY:  # a damaged header byte can also cause this
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return code & 0xFF in _OTHER_SCHEMA


def is_damage(error: Exception) -> bool:
    """Whether an error means that the file itself is bad, rather than full, locked or unreachable."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def quarantine(path: Path) -> Path:
    """Rename a damaged log and its side files; nothing is deleted. Returns the log's new name."""
    names = (path.with_name(f"{path.name}.damaged-{n}") for n in range(1, 10_000))
    quarantined = next(name for name in names if not any(os.path.lexists(f"{name}{tail}") for tail in _TAILS))
    for tail in _TAILS:
        old = path.with_name(path.name + tail)
        if os.path.lexists(old):
            old.rename(quarantined.with_name(quarantined.name + tail))
    return quarantined
