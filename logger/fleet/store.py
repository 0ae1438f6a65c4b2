"""Store of a fleet's data: a folder, or any fsspec URL (s3://, gs://, abfs://, sftp://, memory://).

Knows nothing of logs. A folder is untrusted: symbolic links in it are never followed, and only regular files are read.
A file exists completely or not at all, so that a killed process leaves no partial file for a reader. A folder gets
files by rename, an object store shows an object only when it is complete, and any other store gets a file under a
temporary name, which is then moved.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import is_without_links, open_unlinked
from logger.boundary.whole_file import put_in_place
from logger.fleet import known_hosts
from logger.fleet.serialized_fs import SerializedFileSystem
from logger.fleet.work_folder import local_work_folder, work_folder

log = logging.getLogger(__name__)

INCOMING = ".incoming"
"""Folder for files being written. Query engines skip names that begin with a dot."""
OBJECT_STORES = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"})
"""Protocols that show an object only when it is complete, and have no rename."""
MAX_DEPTH = 10
"""Folders within one another below a table; `fleet add` makes three: event, stage and car."""
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*@")


class Store:
    """A folder or a URL. Paths are relative to it, with slashes."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError if `url` is invalid, DeviceError if its server refuses the connection."""
        self.shown = _without_password(url).removeprefix("file://")
        try:
            self.files, root = url_to_fs(url, **known_hosts.options(url))
        except (ValueError, ImportError) as error:
            what = (
                str(error) if isinstance(error, ImportError) else "neither a folder nor a known kind of URL"
            )
            hint = "name a folder, or a URL whose driver is installed (s3fs, gcsfs, adlfs, paramiko, ...)"
            raise ConfigurationError(what, where=self.shown, hint=hint) from error
        except Exception as error:  # drivers that connect at once raise their own exceptions
            raise self._unreachable(error) from error
        self.root = root.rstrip("/")
        self.is_folder = isinstance(self.files, LocalFileSystem)
        if self.is_folder and Path(self.root).is_file():
            raise ConfigurationError("a file, not a store", where=self.shown, hint="name a folder, or a URL")
        self._is_object_store = bool(_protocols(self.files) & OBJECT_STORES)
        if not (self.is_folder or self._is_object_store):
            self.files = SerializedFileSystem(self.files)
        self.url: str = self.files.unstrip_protocol(self.root) if self.is_folder else url.rstrip("/")

    def full(self, path: str) -> str:
        """A path in the form of the file system."""
        return f"{self.root}/{path}"

    def has(self, path: str) -> bool:
        """Whether a file exists. Raises LogError if one of its folders is a link."""
        if self.is_folder:
            place = self._unlinked(path, is_target=True)
            return place.is_file() and not place.is_symlink()
        return bool(self.files.exists(self.full(path)))

    def list(self, folder: str, suffix: str) -> Sequence[str]:
        """List the files below a folder with a suffix, sorted; empty if the folder does not exist.

        Raises DeviceError if the server does not answer, LogError if a folder on the path is a link, OSError.
        """
        if self.is_folder:
            return self._list_folder(folder, suffix)
        self.files.invalidate_cache()
        try:
            paths = self.files.find(self.full(folder))
        except FileNotFoundError:
            return []
        except OSError:
            raise
        except Exception as error:  # drivers raise their own exceptions; every command lists first
            raise self._unreachable(error) from error
        return sorted(str(name)[len(self.root) + 1 :] for name in paths if str(name).endswith(suffix))

    def _list_folder(self, folder: str, suffix: str) -> Sequence[str]:
        top = self._unlinked(folder)
        folders, files, links, too_deep = [(top, 0)], [], [], 0
        while folders:
            place, depth = folders.pop()
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as content:
                for entry in content:
                    if entry.is_symlink():
                        links.append(entry.path)
                    elif entry.is_dir():
                        if depth < MAX_DEPTH:
                            folders.append((Path(entry.path), depth + 1))
                        else:
                            too_deep += 1
                    elif entry.name.endswith(suffix) and entry.is_file():
                        files.append(entry.path[len(self.root) + 1 :])
        if links:
            others = f" and {len(links) - 1:,} others" if len(links) > 1 else ""
            log.warning("%s%s: a symbolic link, not followed", printable(links[0]), others)
        if too_deep:
            log.warning("%s: %d folders more than %d deep, not read", printable(top), too_deep, MAX_DEPTH)
        return sorted(files)

    def _unlinked(self, path: str, *, is_target: bool = False) -> Path:
        """A path in a folder store. Raises LogError if the path or one of its folders is a symbolic link.

        With `is_target` the path itself may be a link, because it is replaced or removed.
        """
        place = Path(self.root, path)
        if not is_without_links(Path(self.root), place.parent if is_target else place):
            hint = "remove it: links in a store are not followed"
            raise LogError("is a symbolic link, or below one", where=printable(place), hint=hint)
        return place

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """Yield a temporary local folder for new files; for a folder store on the same disk, so that rename works."""
        if not self.is_folder:
            with local_work_folder() as own:
                yield own
            return
        with work_folder(self._unlinked(INCOMING)) as own:
            yield own

    def place(self, new_file: Path, path: str) -> None:
        """Put a file from the work folder into the store atomically; it may be moved. Raises OSError."""
        target = self.full(path)
        if self.is_folder:
            destination = self._unlinked(path, is_target=True)
            destination.parent.mkdir(parents=True, exist_ok=True)
            put_in_place(new_file, destination)
            return
        self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
        if self._is_object_store:
            self.files.put_file(str(new_file), target)
            return
        temporary = self.full(f"{INCOMING}/{uuid4().hex}")
        self.files.makedirs(self.full(INCOMING), exist_ok=True)
        self.files.put_file(str(new_file), temporary)
        self.files.mv(temporary, target)

    @property
    def for_arrow(self) -> Any:
        """The file system for Arrow, which reads a folder itself, without Python."""
        return self.files if self.is_folder else PyFileSystem(FSSpecHandler(self.files))

    def read(self, path: str) -> IO[bytes]:
        """Open a file for reading. Raises LogError if it does not exist or is not a file."""
        if self.is_folder:
            return self._read_file(path)
        try:
            stream: IO[bytes] = self.files.open(self.full(path), "rb")
        except FileNotFoundError as error:
            raise LogError("is not in the store", where=path, hint="add the log again") from error
        return stream

    def _read_file(self, path: str) -> IO[bytes]:
        hint = "add the log again"
        place = self._unlinked(path)
        try:
            stream = os.fdopen(open_unlinked(place, os.O_RDONLY | os.O_NONBLOCK), "rb")
        except FileNotFoundError as error:
            raise LogError("is not in the store", where=path, hint=hint) from error
        except OSError as error:
            raise LogError(f"cannot be read: {error.strerror}", where=path, hint=hint) from error
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            raise LogError("is not a file", where=path, hint=hint)
        return stream

    def remove(self, path: str) -> None:
        """Remove a file if it exists."""
        if self.has(path):
            self.files.rm_file(self.full(path))

    def _unreachable(self, error: Exception) -> DeviceError:
        hint = "check the network, the address and the credentials"
        return DeviceError(" ".join(str(error).split()), where=self.shown, hint=hint)


def _without_password(url: str) -> str:
    """A URL with its password masked, for messages."""
    return _PASSWORD.sub(r"\1***@", url)


def _protocols(files: Any) -> set[str]:
    names = files.protocol
    return {names} if isinstance(names, str) else set(names)
