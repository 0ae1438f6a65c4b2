"""The place of a fleet's data: a folder, or any URL that fsspec takes (s3://, gs://, abfs://, sftp://, memory://).

Knows nothing of logs. The one idea: a file is there whole or not at all, so that a process that is killed leaves
nothing that a reader could stumble over. A folder gets files by rename, an object store shows an object only when
all of it has come, and anything else is written under another name and moved.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError
from logger.fleet import known_hosts
from logger.fleet.one_at_a_time import OneAtATime
from logger.transfer.snapshot import sync_folder

INCOMING = ".incoming"
"""Where files are made. Every engine passes over names that begin with a dot."""
FORGOTTEN_S = 24 * 3600
"""No log takes a day to add: what has lain in `INCOMING` for so long is of a process that was killed."""
OBJECT_STORES = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"})
"""What shows an object only when it is whole, and has no rename."""
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*@")


class Store:
    """A folder or a URL. Paths are relative to it, with slashes."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError if `url` cannot be one, DeviceError if its server lets nobody in."""
        self.shown = _without_password(url)
        try:
            self.files, root = url_to_fs(url, **known_hosts.options(url))
        except (ValueError, ImportError) as error:
            mend = "name a folder, or a URL whose driver is installed (s3fs, gcsfs, adlfs, paramiko, ...)"
            raise ConfigurationError(str(error), where=self.shown, mend=mend) from error
        except Exception as error:  # each driver that asks its server at once has its own
            raise self._unreachable(error) from error
        self.root = root.rstrip("/")
        self.is_folder = isinstance(self.files, LocalFileSystem)
        self._is_object_store = bool(_protocols(self.files) & OBJECT_STORES)
        if not (self.is_folder or self._is_object_store):
            self.files = OneAtATime(self.files)
        self.url: str = self.files.unstrip_protocol(self.root) if self.is_folder else url.rstrip("/")

    def full(self, path: str) -> str:
        """A path as the file system wants it."""
        return f"{self.root}/{path}"

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        return bool(self.files.exists(self.full(path)))

    def list(self, folder: str, suffix: str) -> list[str]:
        """The files below a folder whose names end so, in order; none if there is no such folder.

        Raises DeviceError if the server does not answer, OSError.
        """
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

    @contextmanager
    def workshop(self) -> Iterator[Path]:
        """A local folder to make files in, which is gone afterwards. Within a folder's own disk, so rename works."""
        if not self.is_folder:
            with tempfile.TemporaryDirectory(prefix="stagelog-fleet-") as name:
                yield Path(name)
            return
        incoming = Path(self.root) / INCOMING
        own = incoming / uuid4().hex
        own.mkdir(parents=True)
        try:
            self._forget(incoming)
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def place(self, made: Path, path: str) -> None:
        """Give a file that was made in the workshop its place, at once; it may be moved. Raises OSError."""
        target = self.full(path)
        if self.is_folder:
            folder = Path(target).parent
            folder.mkdir(parents=True, exist_ok=True)
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(target)
            sync_folder(folder)
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
        """Open a file for reading. Raises LogError if it is not there."""
        try:
            stream: IO[bytes] = self.files.open(self.full(path), "rb")
        except FileNotFoundError as error:
            raise LogError("is not in the store", where=path, mend="add the log again") from error
        return stream

    def remove(self, path: str) -> None:
        """Remove a file; nothing if there is none."""
        if self.has(path):
            self.files.rm_file(self.full(path))

    def _unreachable(self, error: Exception) -> DeviceError:
        mend = "check the network, the address and the credentials"
        return DeviceError(" ".join(str(error).split()), where=self.shown, mend=mend)

    @staticmethod
    def _forget(incoming: Path) -> None:
        """Remove what killed processes left."""
        for left in incoming.iterdir():
            if time.time() - left.stat().st_mtime > FORGOTTEN_S:
                shutil.rmtree(left, ignore_errors=True)


def _without_password(url: str) -> str:
    """A URL as it may be shown to whoever looks over a shoulder."""
    return _PASSWORD.sub(r"\1***@", url)


def _protocols(files: Any) -> set[str]:
    said = files.protocol
    return {said} if isinstance(said, str) else set(said)
