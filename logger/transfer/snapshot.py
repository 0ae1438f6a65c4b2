"""Make a consistent copy of a log, also while another process records it.

    from logger.transfer.snapshot import snapshot
    taken = snapshot(Path("stage-001.db"), Path("copy.db"))      # taken.sha256, taken.state.rows, ...

The recorder never waits for it: copying.py explains how. Downloads and the USB stick both use it; a slow client reads
the copy, never the log.
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
from logger.logfile.border import reason_of
from logger.logfile.connect import has_wal
from logger.logfile.naming import is_quarantined
from logger.transfer.copying import Progress, WalTooLongError, copy_file, copy_pages, copy_rows
from logger.transfer.slow_delete import remove
from logger.transfer.state import LogState, state_of

TRIES = 5
"""Tries while the recorder opens or closes the log at the same moment: rarely two are needed, never five."""
BLOCK_BYTES = 1024 * 1024
_COPIED = 0.9
"""Share of the work that is copying; the rest is the digest."""


class Snapshot(NamedTuple):
    """A complete copy on the disk, its SHA-256 (hexadecimal), and how far the log had come.

    `state` is None where the log is too damaged to read; its bytes are copied anyway.
    """

    path: Path
    size: int
    sha256: str
    state: LogState | None


def snapshot(log: Path, to: Path, progress: Progress = lambda _done: None) -> Snapshot:
    """Copy a log consistently to the new file `to`. `progress` gets the share done, and may raise to stop the copy.

    Nothing is left at `to` on failure. Raises LogError when the log cannot be read, OSError when the copy cannot be
    written.
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
        hint = "`stagelog verify` shows what is readable"
        raise LogError(f"cannot be copied: {reason_of(error)}", where=str(log), hint=hint) from error
    except BaseException:
        remove(to)
        raise


def _copy(log: Path, to: Path, progress: Progress) -> None:
    if is_quarantined(log.name):
        copy_file(log, to, progress)
        return
    copy_open_log = copy_pages
    for _ in range(TRIES):
        try:
            if (copy_open_log if has_wal(log) else copy_file)(log, to, progress):
                return
        except WalTooLongError:
            copy_open_log = copy_rows
    raise LogError("is opened and closed repeatedly", where=str(log), hint="try again")


def readable_state(path: Path) -> LogState | None:
    """How far a log has come; None when it cannot be read."""
    try:
        return state_of(path)
    except LogError:
        return None


def digest_of(path: Path, progress: Progress = lambda _done: None) -> str:
    """The SHA-256 of a file, hexadecimal. `progress` gets the share done."""
    hasher = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        size = max(os.fstat(file.fileno()).st_size, 1)
        while block := file.read(BLOCK_BYTES):
            hasher.update(block)
            progress(min(1.0, file.tell() / size))
    return hasher.hexdigest()


DAMAGED_TAIL = ".damaged"
"""Suffix of a log that was already damaged in the car: it is kept, but not used as a log."""


def place(target: Path, state: LogState) -> Path:
    """Path for a log: `target`, or a name beside it where another log has that name."""
    present = readable_state(target) if target.exists() else state
    is_same = present is not None and present.identity == state.identity
    return target if is_same else target.with_stem(f"{target.stem}.{state.identity}")
