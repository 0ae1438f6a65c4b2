"""Write a file atomically: it gets its name only when it is complete.

    write NAME.part -> fsync -> rename to NAME -> fsync the folder

Rule 1: an existing file of that name stays until the new file is complete and on the disk. Rule 2: a part does not
outlive the program for long: an error, Ctrl-C or SIGTERM removes it, and after SIGKILL or a power cut the next
attempt reuses the same part. Rule 3: one program at a time writes a part; it holds the part's lock (flock), which the
kernel releases with the process.
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
from logger.boundary.file_kind import other_kind
from logger.boundary.os_errors import named

PART_TAIL = ".part"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
"""Errors from file systems without locks, or without fsync for folders: network shares, some FUSE drivers."""
_unfinished: set[Path] = set()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file `path` if the body ends without an error.

    Follows a link, and keeps the mode of an existing file. Writes directly to a device or a pipe. Raises OSError with
    the name of `path`, InUseError while another program writes the same file, LogError for the name of a log.
    """
    require_writable(path)
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


def require_writable(path: Path, source: Path | None = None) -> None:
    """Raise unless `path` can become a file: called before the work whose result is written there.

    Raises OSError if its folder does not exist or it is a folder, LogError if a log has this name (a log is never
    replaced by a file made of it) or if it is the `source` itself.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.parent.is_dir():
        number = errno.ENOTDIR if path.parent.exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), str(path))
    if not os.access(path.parent, os.W_OK) and not path.exists():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if not path.is_file():
        return
    hint = "choose another name for the output"
    if source is not None and source.exists() and path.samefile(source):
        raise LogError("this is the input: it is not overwritten", where=str(path), hint=hint)
    kind = other_kind(path)
    if kind is not None and kind.kind == "log":
        raise LogError("a log has this name: it is not overwritten", where=str(path), hint=hint)


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8 (escaping what UTF-8 lacks). Raises as `whole_file`."""
    with whole_file(path) as stream:
        stream.write(text.encode(errors="backslashreplace"))


@contextmanager
def claimed(part: Path) -> Iterator[int]:
    """An empty, locked part, as a descriptor; if the body fails, the part is removed.

    Raises InUseError while another program has it, OSError.
    """
    try:
        descriptor = _locked(part)
    except InUseError:
        raise
    except BaseException:  # a signal between creating the part and locking it
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
            # Another program may have renamed it to its final name between our open and our lock.
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
    """While the body runs, an exit that does not unwind the stack removes this file."""
    _unfinished.add(part)
    try:
        yield
    finally:
        _unfinished.discard(part)


def _remove_if_free(part: Path) -> None:
    """Remove a part that no program has locked."""
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
        finally:
            os.close(descriptor)


def put_in_place(part: Path, target: Path) -> None:
    """Rename a complete file to its final name, durably; replaces an existing file. Raises OSError."""
    with named(target, part):
        sync(part)
        part.replace(target)
        sync_folder(target.parent)


def sync(path: Path) -> None:
    """Flush a file to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk. Raises OSError."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def remove_unfinished() -> None:
    """Remove every part of this process, before an exit that does not unwind the stack."""
    for part in tuple(_unfinished):
        with suppress(OSError):
            part.unlink()


KEEP_FREE_BYTES = 32_000_000
"""Left free for other programs: a system with a full disk loses data."""


class NoRoomError(LogError):
    """This machine has too little space for a log."""


def require_room(folder: Path, need_bytes: int, where: str) -> None:
    """Raise NoRoomError unless the folder's disk has space for `need_bytes`."""
    if shutil.disk_usage(folder).free < need_bytes + KEEP_FREE_BYTES:
        hint = "make room, and try again"
        raise NoRoomError(f"too little room for {need_bytes / 1e6:,.0f} MB here", where=where, hint=hint)
