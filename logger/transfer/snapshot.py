"""A consistent copy of a log, also of one that another process is recording at this moment.

    from logger.transfer.snapshot import snapshot
    taken = snapshot(Path("stage-001.db"), Path("copy.db"))      # taken.sha256, taken.state.rows, ...

The recorder never waits for it: see copying.py for how. For a download and for a USB stick alike; a client that is
slow reads the copy, never the log.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import LogError
from logger.boundary.whole_file import sync_folder
from logger.logfile.border import has_wal
from logger.logfile.naming import is_aside
from logger.transfer.copying import GrownError, Progress, copy_file, copy_pages, copy_rows
from logger.transfer.slow_delete import remove
from logger.transfer.state import LogState, state_of

TRIES = 5
"""The recorder opens or closes a log in just this moment: rarely twice, never five times."""
BLOCK_BYTES = 1024 * 1024
_COPIED = 0.9
"""The share of the work that copying is; the rest is the digest."""


class Snapshot(NamedTuple):
    """A copy that is whole and on the disk, its SHA-256 (hexadecimal), and how far the log had come.

    `state` is None where the log is damaged beyond reading; its bytes are copied nevertheless.
    """

    path: Path
    size: int
    sha256: str
    state: LogState | None


def snapshot(log: Path, to: Path, progress: Progress = lambda _done: None) -> Snapshot:
    """Copy a log to the new file `to`, consistently; `progress` is told the share done and may raise to stop it.

    Nothing is left at `to` when it fails. Raises LogError when the log cannot be read, OSError when the copy
    cannot be written.
    """
    try:
        _copy(log, to, lambda done: progress(_COPIED * done))
        digest = digest_of(to, lambda done: progress(_COPIED + (1 - _COPIED) * done))
        sync_folder(to.parent)
        return Snapshot(to, to.stat().st_size, digest, readable_state(to))
    except sqlite3.Error as error:
        remove(to)
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(to)) from error
        hint = "`stagelog verify` says what is left of it"
        raise LogError(f"cannot be copied: {error}", where=str(log), hint=hint) from error
    except BaseException:
        remove(to)
        raise


def _copy(log: Path, to: Path, progress: Progress) -> None:
    if is_aside(log.name):
        copy_file(log, to, progress)
        return
    way = copy_pages
    for _ in range(TRIES):
        try:
            if (way if has_wal(log) else copy_file)(log, to, progress):
                return
        except GrownError:
            way = copy_rows
    raise LogError("is opened and closed all the time", where=str(log), hint="try again")


def readable_state(path: Path) -> LogState | None:
    """How far a log has come; None when it cannot be read."""
    try:
        return state_of(path)
    except LogError:
        return None


def digest_of(path: Path, progress: Progress = lambda _done: None) -> str:
    """The SHA-256 of a file, hexadecimal; `progress` is told the share done."""
    hasher = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        size = max(os.fstat(file.fileno()).st_size, 1)
        while block := file.read(BLOCK_BYTES):
            hasher.update(block)
            progress(min(1.0, file.tell() / size))
    return hasher.hexdigest()


DAMAGED_TAIL = ".damaged"
"""Behind the name of a log that was damaged in the car already: it is kept, and nothing takes it for a log."""


def place(target: Path, state: LogState) -> Path:
    """Where a log belongs: at `target`, or beside another log that is there."""
    there = readable_state(target) if target.exists() else state
    is_it = there is not None and there.identity == state.identity
    return target if is_it else target.with_stem(f"{target.stem}.{state.identity}")
