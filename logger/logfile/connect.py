"""Open a SQLite file read-only, with or without its WAL; look at the files that SQLite keeps beside a log."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open any SQLite file read-only. Raises sqlite3.Error.

    A log without a WAL is in use by no process and is opened as immutable, so that no file is created beside it: it
    may be on a read-only stick, or on a full card.
    """
    return connect_with_wal(path) if wal_of(path).exists() else connect_immutable(path)


def connect_immutable(path: Path) -> sqlite3.Connection:
    """Open a file that no process writes, ignoring any WAL. Raises sqlite3.Error."""
    return _connect(path, "mode=ro&immutable=1")


def connect_with_wal(path: Path) -> sqlite3.Connection:
    """Open a file and its WAL read-only. Raises sqlite3.Error."""
    if not is_left_behind(path):
        return _connect(path, "mode=ro")
    connection = _connect(path, "mode=ro&vfs=unix-none")  # without locks: a write lock cannot be taken here
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the WAL's index is in memory, not in a -shm
    return connection


def is_left_behind(path: Path) -> bool:
    """Whether a power cut left this log and its WAL in a folder that is now read-only (a card mounted read-only).

    No process has the log open: its -shm file would exist, and none can be created here.
    """
    return not path.with_name(path.name + "-shm").exists() and not os.access(path.parent, os.W_OK)


def has_wal(path: Path) -> bool:
    """Whether a non-empty write-ahead log exists beside a log.

    A reader without write permission leaves an empty WAL behind.
    """
    wal = wal_of(path)
    return wal.exists() and wal.stat().st_size > 0


def odd_neighbour(path: Path) -> Path | None:
    """The WAL, shared-memory or journal name beside a log if it is a link or not a regular file; otherwise None.

    SQLite waits forever on a pipe, and fails on the others as if the card were gone.
    """
    beside = (path.with_name(path.name + tail) for tail in ("-wal", "-shm", "-journal"))
    return next((odd for odd in beside if odd.is_symlink() or (odd.exists() and not odd.is_file())), None)


def stored_bytes(path: Path) -> int:
    """Bytes of a log and its WAL; the WAL is measured first, as the recorder moves pages from it into the log."""
    size = 0
    for part in (wal_of(path), path):
        with suppress(FileNotFoundError):
            size += part.stat().st_size
    return size


def wal_of(path: Path) -> Path:
    """The name of the WAL beside a log."""
    return path.with_name(path.name + "-wal")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    # `verify` queries in a second thread and waits for it.
    return sqlite3.connect(uri, uri=True, check_same_thread=False)
