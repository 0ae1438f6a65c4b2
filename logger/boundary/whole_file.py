"""A file that has its name only when it is whole.

    write NAME.part -> fsync -> rename to NAME -> fsync the folder

Rule 1: what had the name before stays until the new file is whole and on the disk. Rule 2: a part never outlives the
program by long: an error, Ctrl-C or SIGTERM removes it, and after SIGKILL or a power cut the next attempt takes the
same part again. Rule 3: one program at a time writes a part; it holds the part's lock (flock), which the kernel
releases with the process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from firmware_bridge.errors import InUseError, LogError
from logger.boundary.os_errors import named

PART_TAIL = ".part"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
"""From file systems without locks, or without fsync for folders: network shares, some FUSE drivers."""
_unfinished: set[Path] = set()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file `path` when the body ends without an error.

    A link is followed, and the mode of a file that is there is kept. A device or a pipe is written as it is. Raises
    OSError with the name of `path`, InUseError while another program writes the same file.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(target.name + PART_TAIL)
    with named(path, part):
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                yield stream
            return
        with claimed(part) as descriptor, open(descriptor, "wb", closefd=False) as stream:
            yield stream
            stream.flush()
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
            put_in_place(part, target)


def write_whole(path: Path, text: str) -> None:
    """Make `path` a file of this text, in UTF-8 (a file name in it may be none). Raises as `whole_file`."""
    with whole_file(path) as stream:
        stream.write(text.encode(errors="backslashreplace"))


@contextmanager
def claimed(part: Path) -> Iterator[int]:
    """An empty, locked part, as a descriptor; whatever is at that name when the body fails is removed.

    Raises InUseError while another program has it, OSError.
    """
    try:
        descriptor = _locked(part)
    except InUseError:
        raise
    except BaseException:  # a signal between the part's making and its lock
        _remove_if_free(part)
        raise
    try:
        with named(part):
            os.ftruncate(descriptor, 0)
        yield descriptor
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        _unfinished.discard(part)
        os.close(descriptor)


def _locked(part: Path) -> int:
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                hint = "let it finish, or choose another name"
                raise InUseError("another program is writing it", where=str(part), hint=hint) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            # Whoever had it may have given it its final name between our open and our lock: that is not ours.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), part.stat()):
                    _unfinished.add(part)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def unfinished(part: Path) -> Iterator[None]:
    """While the body runs, an end that does not unwind the stack removes this file."""
    _unfinished.add(part)
    try:
        yield
    finally:
        _unfinished.discard(part)


def _remove_if_free(part: Path) -> None:
    """Remove a part that no program holds."""
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
        finally:
            os.close(descriptor)


def put_in_place(made: Path, target: Path) -> None:
    """Give a whole file its name, durably; it replaces what has the name. Raises OSError."""
    with named(target, made):
        sync(made)
        made.replace(target)
        sync_folder(target.parent)


def sync(path: Path) -> None:
    """Bring a file to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Bring to the disk which files are in a folder. Raises OSError."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def remove_unfinished() -> None:
    """Remove every part of this process: for an end that does not unwind the stack."""
    for part in tuple(_unfinished):
        with suppress(OSError):
            part.unlink()


KEEP_FREE_BYTES = 32_000_000
"""Left on the disk for others: a system without any room loses what it works on."""


class NoRoomError(LogError):
    """A log that this machine has not the room for."""


def require_room(folder: Path, need_bytes: int, where: str) -> None:
    """Raise NoRoomError unless a folder has the room for so many bytes more."""
    if shutil.disk_usage(folder).free < need_bytes + KEEP_FREE_BYTES:
        hint = "make room, and try again"
        raise NoRoomError(f"too little room for {need_bytes / 1e6:,.0f} MB here", where=where, hint=hint)
