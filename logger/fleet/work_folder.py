"""Temporary work folders with locks; folders left by killed processes are removed by the next one.

A work folder is locked with flock, and the kernel releases the lock when the process ends: a folder with a free lock is
abandoned. A second lock, on the parent folder, keeps a new folder from being removed between its creation and its
locking.
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
"""Adding a log takes less than a day: an older folder is abandoned, also on a file system without locks."""


@contextmanager
def work_folder(folder: Path, *, is_private: bool = False) -> Iterator[Path]:
    """Yield a new folder in `folder`, which is created if needed; `is_private`: for this user only. Raises OSError."""
    folder.mkdir(mode=0o700 if is_private else 0o777, parents=True, exist_ok=True)
    own = folder / uuid4().hex
    with ExitStack() as stack:
        with _opened(folder) as parent:
            _is_locked(parent, fcntl.LOCK_EX)
            _remove_abandoned(folder)
            own.mkdir()
            stack.callback(shutil.rmtree, own, ignore_errors=True)
            _is_locked(stack.enter_context(_opened(own)), fcntl.LOCK_EX)
        yield own


def local_work_folder() -> AbstractContextManager[Path]:
    """A work folder among this user's temporary files. Raises LogError if the parent belongs to another user."""
    folder = Path(tempfile.gettempdir()) / f"stagelog-fleet-{os.getuid()}"
    with suppress(FileNotFoundError):
        status = folder.lstat()
        if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
            raise LogError("belongs to another user", where=str(folder), hint="remove it, or set TMPDIR")
    return work_folder(folder, is_private=True)


def _remove_abandoned(folder: Path) -> None:
    for other in folder.iterdir():
        if _is_abandoned(other):
            shutil.rmtree(other, ignore_errors=True)


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
    """Lock a folder; False if another process holds it. Without file locks, True once older than `ABANDONED_S`."""
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime > ABANDONED_S
    return True
