"""The place of a fleet's data: a folder, or any URL that fsspec takes (s3://, gs://, abfs://, sftp://, memory://).

Knows nothing of logs. A folder may have been made by a stranger: symbolic links in it are never followed, and only
regular files are read. The one idea: a file is there whole or not at all, so that a process that is killed leaves
nothing that a reader could stumble over. A folder gets files by rename, an object store shows an object only when
all of it has come, and anything else is written under another name and moved.
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
"""Where files are made. Every engine passes over names that begin with a dot."""
OBJECT_STORES = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"})
"""What shows an object only when it is whole, and has no rename."""
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*@")


class Store:
    """A folder or a URL. Paths are relative to it, with slashes."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError if `url` cannot be one, DeviceError if its server lets nobody in."""
        self.shown = _without_password(url).removeprefix("file://")
        try:
            self.files, root = url_to_fs(url, **known_hosts.options(url))
        except (ValueError, ImportError) as error:
            hint = "name a folder, or a URL whose driver is installed (s3fs, gcsfs, adlfs, paramiko, ...)"
            raise ConfigurationError(str(error), where=self.shown, hint=hint) from error
        except Exception as error:  # each driver that asks its server at once has its own
            raise self._unreachable(error) from error
        self.root = root.rstrip("/")
        self.is_folder = isinstance(self.files, LocalFileSystem)
        self._is_object_store = bool(_protocols(self.files) & OBJECT_STORES)
        if not (self.is_folder or self._is_object_store):
            self.files = SerializedFileSystem(self.files)
        self.url: str = self.files.unstrip_protocol(self.root) if self.is_folder else url.rstrip("/")

    def full(self, path: str) -> str:
        """A path as the file system wants it."""
        return f"{self.root}/{path}"

    def has(self, path: str) -> bool:
        """Whether a file is there. Raises LogError for a folder that is a link."""
        if self.is_folder:
            place = self._unlinked(path, is_target=True)
            return place.is_file() and not place.is_symlink()
        return bool(self.files.exists(self.full(path)))

    def list(self, folder: str, suffix: str) -> Sequence[str]:
        """The files below a folder whose names end so, in order; none if there is no such folder.

        Raises DeviceError if the server does not answer, LogError for a folder that is a link, OSError.
        """
        if self.is_folder:
            return self._list_folder(folder, suffix)
        self.files.invalidate_cache()
        try:
            found = self.files.find(self.full(folder))
        except FileNotFoundError:
            return []
        except OSError:
            raise
        except Exception as error:  # each driver has its own, and every verb lists first
            raise self._unreachable(error) from error
        return sorted(str(name)[len(self.root) + 1 :] for name in found if str(name).endswith(suffix))

    def _list_folder(self, folder: str, suffix: str) -> Sequence[str]:
        waiting, found, links = [self._unlinked(folder)], [], []
        while waiting:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(waiting.pop()) as there:
                for entry in there:
                    if entry.is_symlink():
                        links.append(entry.path)
                    elif entry.is_dir():
                        waiting.append(Path(entry.path))
                    elif entry.name.endswith(suffix) and entry.is_file():
                        found.append(entry.path[len(self.root) + 1 :])
        if links:
            others = f" and {len(links) - 1:,} others" if len(links) > 1 else ""
            log.warning("%s%s: a link, which is not followed", printable(links[0]), others)
        return sorted(found)

    def _unlinked(self, path: str, *, is_target: bool = False) -> Path:
        """A path of a folder's store. Raises LogError where a folder on the way is a link, or the path itself.

        With `is_target` the path itself may be one, for it is replaced or removed.
        """
        place = Path(self.root, path)
        if not is_without_links(Path(self.root), place.parent if is_target else place):
            hint = "remove it: links in a store are not followed"
            raise LogError("is a link, or in a folder that is one", where=printable(place), hint=hint)
        return place

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """A local folder to make files in, which is gone afterwards. Within a folder's own disk, so rename works."""
        if not self.is_folder:
            with local_work_folder() as own:
                yield own
            return
        with work_folder(self._unlinked(INCOMING)) as own:
            yield own

    def place(self, made: Path, path: str) -> None:
        """Give a file that was made in the workshop its place, at once; it may be moved. Raises OSError."""
        target = self.full(path)
        if self.is_folder:
            there = self._unlinked(path, is_target=True)
            there.parent.mkdir(parents=True, exist_ok=True)
            put_in_place(made, there)
            return
        self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
        if self._is_object_store:
            self.files.put_file(str(made), target)
            return
        waiting = self.full(f"{INCOMING}/{uuid4().hex}")
        self.files.makedirs(self.full(INCOMING), exist_ok=True)
        self.files.put_file(str(made), waiting)
        self.files.mv(waiting, target)

    @property
    def for_arrow(self) -> Any:
        """The file system as Arrow takes it: a folder it reads by itself, without Python."""
        return self.files if self.is_folder else PyFileSystem(FSSpecHandler(self.files))

    def read(self, path: str) -> IO[bytes]:
        """Open a file for reading. Raises LogError if it is not there, or is no file."""
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
            raise LogError("is no file", where=path, hint=hint)
        return stream

    def remove(self, path: str) -> None:
        """Remove a file; nothing if there is none."""
        if self.has(path):
            self.files.rm_file(self.full(path))

    def _unreachable(self, error: Exception) -> DeviceError:
        hint = "check the network, the address and the credentials"
        return DeviceError(" ".join(str(error).split()), where=self.shown, hint=hint)


def _without_password(url: str) -> str:
    """A URL as it may be shown to whoever looks over a shoulder."""
    return _PASSWORD.sub(r"\1***@", url)


def _protocols(files: Any) -> set[str]:
    said = files.protocol
    return {said} if isinstance(said, str) else set(said)
