"""Format an OSError as one line: which file, what failed, how to fix it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.errors import StagelogError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors that affect the whole disk: the next file on it fails too."""
_HINTS = {
    errno.ENOSPC: "make room there, and run the same command again",
    errno.EDQUOT: "make room there, and run the same command again",
    errno.EFBIG: "the disk or a limit does not allow a file of this size; choose another folder",
    errno.EROFS: "choose another folder, or mount it writable",
    errno.EACCES: "check its permissions, or use sudo",
    errno.EPERM: "check its permissions",
    errno.ENOENT: "check its name and its folder",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "a file has the name of its folder: choose another folder",
    errno.EEXIST: "a file has the name of its folder: choose another folder",
    errno.EIO: "check the disk; `dmesg` has details",
}


def line_of(error: OSError | StagelogError) -> str:
    """An error as one line; a StagelogError already is one."""
    if isinstance(error, StagelogError):
        return str(error)
    what = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    where = f"{_shown(error.filename)}: " if error.filename else ""
    hint = _HINTS.get(error.errno or 0, "")
    return f"{where}{what}{'; ' if hint else ''}{hint}"


def hint_for(error: OSError, otherwise: str) -> str:
    """How to fix an error in reading a file; `otherwise` where a wrong name is the likely reason."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "this user may not read it: try again with sudo, or correct its permissions"
    return _HINTS[errno.EIO] if error.errno == errno.EIO else otherwise


@contextmanager
def named(path: Path | str, part: Path | None = None) -> Iterator[None]:
    """Add `path` to errors that name no file, or only the unfinished `part`. Raises OSError.

    A failed write does not name its file: the kernel reports only a number.
    """
    try:
        yield
    except OSError as error:
        is_known = error.filename is not None and _shown(error.filename) != str(part)
        if isinstance(error, StagelogError) or is_known or error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _shown(name: str | bytes | int) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else str(name)
