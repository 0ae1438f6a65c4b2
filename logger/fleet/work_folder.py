"""A folder to make files in, which is gone afterwards; what a killed process left is removed by the next one.

A workshop is a locked folder (flock), and the kernel releases the lock with the process: one whose lock is free
belongs to nobody any more. One lock more, of the folder that they are all in, keeps a workshop from being taken for a
left one between its making and its locking.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from firmware_bridge.errors import LogError

ABANDONED_S = 24 * 3600
"""No log takes a day to add: a workshop of that age is left over, also where the file system has no locks."""


@contextmanager
def work_folder(folder: Path, *, is_private: bool = False) -> Iterator[Path]:
    """A new folder in `folder`, which is made too, `is_private` for this user alone. Raises OSError."""
    folder.mkdir(mode=0o700 if is_private else 0o777, parents=True, exist_ok=True)
    own = folder / uuid4().hex
    with ExitStack() as stack:
        with _opened(folder) as every:
            _is_locked(every, fcntl.LOCK_EX)
            _remove_abandoned(folder)
            own.mkdir()
            stack.callback(shutil.rmtree, own, ignore_errors=True)
            _is_locked(stack.enter_context(_opened(own)), fcntl.LOCK_EX)
        yield own


def local_work_folder() -> AbstractContextManager[Path]:
    """A workshop among this user's temporary files. Raises LogError where another user has made their folder."""
    folder = Path(tempfile.gettempdir()) / f"stagelog-fleet-{os.getuid()}"
    with suppress(FileNotFoundError):
        found = folder.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
            raise LogError("belongs to another user", where=str(folder), hint="remove it, or set TMPDIR")
    return work_folder(folder, is_private=True)


def _remove_abandoned(folder: Path) -> None:
    for left in folder.iterdir():
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def _is_abandoned(other: Path) -> bool:
    try:
        with _opened(other) as descriptor:
            return _is_locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # already gone, or of another user
        return False


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int, kind: int) -> bool:
    """Lock a folder; False if another process has it. Where there are no locks, one is free after `ABANDONED_S`."""
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime > ABANDONED_S
    return True
