"""What the operating system refuses, as one line: which file, why, and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.errors import StagelogError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors of a whole disk: the next file on it fails like this one."""
_HINTS = {
    errno.ENOSPC: "make room there, and run the same command again",
    errno.EDQUOT: "make room there, and run the same command again",
    errno.EFBIG: "that disk or limit takes no file of this size; choose another place",
    errno.EROFS: "choose another place, or mount it writable",
    errno.EACCES: "check who may write there",
    errno.EPERM: "check who may write there",
    errno.ENOENT: "check its name and its folder",
    errno.EIO: "check the disk; `dmesg` says more",
}


def line_of(error: OSError | StagelogError) -> str:
    """An error as one line; those of our own tree already are one."""
    if isinstance(error, StagelogError):
        return str(error)
    what = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    where = f"{_shown(error.filename)}: " if error.filename else ""
    hint = _HINTS.get(error.errno or 0, "")
    return f"{where}{what}{'; ' if hint else ''}{hint}"


@contextmanager
def named(path: Path | str, part: Path | None = None) -> Iterator[None]:
    """Errors that name no file, or only the unfinished `part`, name `path`. Raises OSError.

    A write that fails does not know its file's name: the kernel reports a number alone.
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
