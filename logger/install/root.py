"""File operations confined to a target machine: this one, or an image mounted in a folder.

Every path is a path on that machine. Symbolic links resolve as on that machine: an absolute link starts at its root,
and `..` does not leave it. So no image can make the installer write anywhere else. The idea: each path component is
opened relative to the folder before it, with O_NOFOLLOW.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from firmware_bridge.errors import LogError
from logger.boundary.whole_file import PART_TAIL

MAX_LINKS = 40
"""The number of symbolic links that Linux itself follows in one path."""
_HINTS = {
    errno.EACCES: "`sudo stagelog ...`",
    errno.EROFS: "`sudo mount -o remount,rw /`, and back to ro afterwards",
}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory entry. `content` is for a file, `target` for a link."""

    kind: Literal["file", "link", "folder", "other"]
    mode: int
    uid: int
    gid: int
    content: bytes = b""
    target: str = ""


class Root:
    """File operations on one machine. All raise OSError."""

    def __init__(self, directory: Path = Path("/")) -> None:
        self.directory = directory

    @property
    def is_this_machine(self) -> bool:
        """Whether it is the running machine, not an image."""
        return self.directory.resolve() == Path("/")

    def real(self, path: str) -> str:
        """The path of a folder with all links resolved, including the last component. It need not exist."""
        names: list[str] = []
        waiting = list(reversed(PurePosixPath(path).parts[1:]))
        links = 0
        while waiting:
            name = waiting.pop()
            if name == "..":
                names = names[:-1]
                continue
            target = self._target("/".join(names), name)
            if target is None:
                names.append(name)
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                names = []
            waiting.extend(part for part in reversed(PurePosixPath(target).parts) if part != "/")
        return "/" + "/".join(names)

    def look(self, path: str) -> Entry | None:
        """The entry at a path, without following the last component; None if nothing is there."""
        with suppress(FileNotFoundError, NotADirectoryError), self._parent(path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            owned = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
            if stat.S_ISLNK(found.st_mode):
                return Entry("link", *owned, target=os.readlink(name, dir_fd=folder))
            if stat.S_ISREG(found.st_mode):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
                with os.fdopen(descriptor, "rb") as file:
                    return Entry("file", *owned, content=file.read())
            return Entry("folder" if stat.S_ISDIR(found.st_mode) else "other", *owned)
        return None

    def write(self, path: str, content: bytes, mode: int, uid: int, gid: int) -> None:
        """Write a file atomically; it replaces an existing file, or a link itself."""
        with self._replacing(path) as (folder, fresh):
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchown(descriptor, uid, gid)
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)

    def link(self, path: str, target: str, uid: int = 0, gid: int = 0) -> None:
        """Create a symbolic link; it replaces what is there."""
        with self._replacing(path) as (folder, fresh):
            os.symlink(target, fresh, dir_fd=folder)
            os.chown(fresh, uid, gid, dir_fd=folder, follow_symlinks=False)

    def make_folder(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Create one folder; it appears with its owner and mode already set."""
        with self._replacing(path) as (folder, fresh):
            os.mkdir(fresh, 0o700, dir_fd=folder)
            self.own(str(PurePosixPath(path).with_name(fresh)), mode, uid, gid)

    def own(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Change the owner and mode of a file or folder."""
        with self._parent(path) as (folder, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            try:
                os.fchown(descriptor, uid, gid)
                os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)

    def rename(self, path: str, name: str) -> None:
        """Rename a file within its folder."""
        with self._parent(path) as (folder, old):
            os.rename(old, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, path: str) -> None:
        """Remove a file or a link."""
        with self._parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def remove_folder(self, path: str) -> None:
        """Remove a folder if it is empty."""
        with self._parent(path) as (folder, name):
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EBUSY, errno.EEXIST):
                    raise

    def names_in(self, path: str) -> list[str]:
        """The names in a folder, sorted; empty if there is no such folder."""
        with suppress(FileNotFoundError, NotADirectoryError), self._folder(path) as folder:
            return sorted(entry.name for entry in os.scandir(folder))
        return []

    def empty(self, path: str) -> None:
        """Remove everything in a folder. Links in it are removed, not followed."""
        with _errors_name(path), self._folder(path) as folder:
            for entry in list(os.scandir(folder)):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.name, dir_fd=folder)
                else:
                    os.unlink(entry.name, dir_fd=folder)

    def _target(self, folder: str, name: str) -> str | None:
        """The target of a link; None if it is not a link or does not exist."""
        with suppress(FileNotFoundError, NotADirectoryError), self._folder("/" + folder) as descriptor:
            try:
                return os.readlink(name, dir_fd=descriptor)
            except OSError as error:
                if error.errno != errno.EINVAL:  # EINVAL: it is not a link
                    raise
        return None

    @contextmanager
    def _replacing(self, path: str) -> Iterator[tuple[int, str]]:
        """Yield the open folder of a path and a temporary name in it, which is renamed to the path after the body.

        The temporary name is fixed for each path, so the next attempt removes what an interrupted one left.
        """
        with self._parent(path) as (folder, name):
            fresh = f".{name}{PART_TAIL}"
            _remove(fresh, folder)
            try:
                yield folder, fresh
                os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                _remove(fresh, folder)
                raise
            os.fsync(folder)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """Yield the open folder of a path, and the name in it."""
        whole = PurePosixPath(path)
        if not whole.is_absolute() or not whole.name or whole.name == "..":
            raise LogError("not a path of a file", where=path)
        with _errors_name(path), self._folder(self.real(str(whole.parent))) as folder:
            yield folder, whole.name

    @contextmanager
    def _folder(self, real: str) -> Iterator[int]:
        """Yield a folder, opened component by component; a component that became a link meanwhile is refused."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in PurePosixPath(real).parts[1:]:
                deeper = os.open(name, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor
        finally:
            os.close(descriptor)


def _remove(name: str, folder: int) -> None:
    """Remove a file, a link or an empty folder, if it exists."""
    with suppress(FileNotFoundError):
        try:
            os.unlink(name, dir_fd=folder)
        except IsADirectoryError:
            os.rmdir(name, dir_fd=folder)


@contextmanager
def _errors_name(path: str) -> Iterator[None]:
    """Put the path on the machine into errors: the kernel's names are relative to an open folder, or missing."""
    try:
        yield
    except OSError as error:
        if isinstance(error, LogError) or error.errno is None:
            raise
        if (hint := _HINTS.get(error.errno)) is not None:
            raise LogError(os.strerror(error.errno), where=path, hint=hint) from error
        raise OSError(error.errno, os.strerror(error.errno), path) from error
