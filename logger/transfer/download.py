"""Resume interrupted downloads of a log with HTTP ranges, across restarts of either side.

A partial download is NAME.SHA256.part: the name identifies the version of the log, so a later attempt requests the
rest of exactly that version (If-Range). When the car no longer has it, it sends a newer version from the beginning.
fetch.py gives the part its real name after verification.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import re
import time
from pathlib import Path
from typing import Protocol

from firmware_bridge.errors import DeviceError, LogError
from logger.boundary.file_names import open_unlinked, within
from logger.boundary.os_errors import named
from logger.boundary.whole_file import require_room
from logger.transfer.car import Car, path_of
from logger.transfer.exchange import Response, TransientError
from logger.transfer.retry import Retry

BLOCK_BYTES = 256 * 1024
TRIES = 3
"""Tries when the bytes do not have the announced digest: disk or memory is faulty, and a fourth try would not help."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})", re.ASCII)

_NO_VERSION = "does not identify what it sends"
MAX_VERSIONS = 12
"""Versions begun per log: the car's server may lose a copy when it restarts, but not this often."""


class Watcher(Protocol):
    """Receives the progress of a download."""

    def preparing(self, name: str, done: float) -> None:
        """The car is making a copy; `done` is 0 to 1."""

    def checking(self, name: str, done: float) -> None:
        """The log has arrived and is being verified; `done` is 0 to 1."""

    def moved(self, name: str, at: int, size: int) -> None:
        """`at` of `size` bytes have arrived."""

    def message(self, text: str) -> None:
        """A message for the user."""

    def done(self, name: str) -> None:
        """Nothing more is shown of a log: its outcome follows."""


class Part:
    """The part of one version of a log that has arrived. Only one process at a time can hold it."""

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises LogError when another process holds it; OSError."""
        self.path = path
        self.sha256 = path.name.split(".")[-2]
        descriptor = open_unlinked(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise LogError(
                "another fetch is downloading it", where=str(path), hint="let it finish"
            ) from error
        self._hasher = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                self._hasher.update(block)
            self.size = file.tell()

    def append(self, block: bytes) -> None:
        """Append bytes. Raises OSError."""
        rest = memoryview(block)
        with named(self.path):
            while rest:
                rest = rest[self._file.write(rest) :]
        self._hasher.update(block)
        self.size += len(block)

    def has_digest(self) -> bool:
        """Whether the bytes have the announced SHA-256."""
        return self._hasher.hexdigest() == self.sha256

    def close(self) -> None:
        """Sync to the disk and close. Raises OSError."""
        with self._file, named(self.path):
            os.fsync(self._file.fileno())


class Download:
    """The download of one log from a car into a folder."""

    def __init__(self, car: Car, name: str, folder: Path, retry: Retry, watcher: Watcher) -> None:
        self._car, self._name, self._folder = car, name, folder
        self._retry, self._watcher = retry, watcher
        self._part: Part | None = None
        self._requested_s: float | None = None
        self._prepared_s = 0.0
        self._versions = 0

    def run(self, known_sha256: str = "") -> tuple[Path, str] | None:
        """Download the log. Returns its part file, complete and on the disk, and its SHA-256.

        None when the car has exactly `known_sha256`. Raises LogError, DeviceError, ConfigurationError, OSError.
        """
        for _ in range(TRIES):
            self._part = self._existing_part()
            self._retry.begin_version()
            try:
                while not self._retry.run(lambda: self._attempt(known_sha256)):
                    pass
            finally:
                if self._part is not None:
                    self._part.close()
            if self._part is None:
                return None
            if self._part.has_digest():
                return self._part.path, self._part.sha256
            self._watcher.message(
                f"{self._name}: the data does not match the announced digest; downloading again"
            )
            self._retry.discard_version()
            self._part.path.unlink()
        raise LogError("arrives damaged repeatedly", where=self._name, hint="check this machine's disk")

    def _attempt(self, known_sha256: str) -> bool:
        """Request the log and take what arrives. False if it must be requested again. Raises TransientError, LogError,
        DeviceError."""
        # Excludes copies that the car made before this download began.
        now_s = time.monotonic()
        self._requested_s = self._requested_s or now_s
        age_s = math.ceil(now_s - self._requested_s)
        headers = {"Prefer": "respond-async", "Stagelog-Confirms": "1", "Cache-Control": f"max-age={age_s}"}
        if known_sha256:
            headers["If-None-Match"] = f'"{known_sha256}"'
        at = self._part.size if self._part else 0
        if self._part and at:
            headers |= {"Range": f"bytes={at}-", "If-Range": f'"{self._part.sha256}"'}
        with self._car.request("GET", path_of(self._name), headers=headers) as response:
            if response.status == 304 and known_sha256:
                return True
            if response.status == 202:
                self._watcher.preparing(self._name, _share(response))
            else:
                return self._take_version(response, at)
        self._wait_for_copy(now_s)
        return False

    def _wait_for_copy(self, requested_s: float) -> None:
        """Wait before the next request for a copy. Raises DeviceError when the car takes too long."""
        limits = self._car.limits
        time.sleep(max(0.0, requested_s + limits.ask_again_s - time.monotonic()))
        self._prepared_s += time.monotonic() - requested_s
        if self._prepared_s > limits.preparing_s:
            what = f"the car does not finish its copy of {self._name}"
            raise DeviceError(what, where=self._car.url, hint="fetch again later")

    def _take_version(self, response: Response, at: int) -> bool:
        """Take the response if it continues at byte `at` or begins a version. False if it does neither."""
        sha256 = response.headers.get("etag", "").strip('"')
        first, size = _byte_range(response)
        if not _SHA256.fullmatch(sha256):
            raise response.protocol_error(_NO_VERSION)
        present = self._part.size if self._part else 0
        require_room(self._folder, size - present, f"{self._folder}/{self._name}")
        is_same = self._part is not None and self._part.sha256 == sha256
        if first is None:  # no bytes after those that have arrived
            if is_same and at == size:
                return True
            self._begin(sha256)
            return False
        if first != at or not is_same:
            self._begin(sha256)
            if first != 0:
                return False
        self._take(response, size)
        return True

    def _take(self, response: Response, size: int) -> None:
        part = self._part
        assert part is not None  # noqa: S101 - begun by the caller
        while part.size < size and (piece := response.read()):
            part.append(piece[: size - part.size])
            self._retry.received(len(piece))
            self._watcher.moved(self._name, part.size, size)
        if part.size < size:
            raise TransientError("the connection was lost")

    def _begin(self, sha256: str) -> None:
        """Begin a version from its first byte, and delete the parts of other versions.

        Raises DeviceError after too many versions.
        """
        self._versions += 1
        if self._versions > MAX_VERSIONS:
            what = f"the car offers another version of {self._name} each time"
            raise DeviceError(what, where=self._car.url, hint="fetch again later")
        if self._part is not None:
            self._watcher.message(
                f"{self._name}: the car no longer has this version; downloading from the beginning"
            )
            self._retry.discard_version()
            self._part.close()
            self._part = None
        for old in _parts(self._folder, self._name):
            old.unlink()
        self._part = Part(within(self._folder, f"{self._name}.{sha256}.part"))

    def _existing_part(self) -> Part | None:
        """The newest part of an earlier fetch."""
        parts = sorted(_parts(self._folder, self._name), key=lambda path: path.stat().st_mtime)
        return Part(parts[-1]) if parts else None


def _parts(folder: Path, name: str) -> list[Path]:
    ours = re.compile(re.escape(name) + r"\.[0-9a-f]{64}\.part")
    return [path for path in folder.iterdir() if ours.fullmatch(path.name)]


def _share(response: Response) -> float:
    """The share of its copy that a car has made; 0 where it reports none."""
    try:
        done = response.json()["done"]
    except (ValueError, KeyError, TypeError):
        return 0.0
    return float(done) if isinstance(done, int | float) and 0 <= done <= 1 else 0.0


def _byte_range(response: Response) -> tuple[int | None, int]:
    """The index of the first byte in the body (None for no bytes) and the total size. Raises DeviceError."""
    length = response.headers.get("content-length", "")
    if response.status == 200 and _LENGTH.fullmatch(length):
        return 0, int(length)
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is None or response.status not in (206, 416):
        raise response.protocol_error(_NO_VERSION)
    size = int(match[3])
    if response.status == 416 and match[1] is None:
        return None, size
    # The request was for everything to the end.
    if response.status == 416 or match[1] is None or not int(match[1]) <= int(match[2]) == size - 1:
        raise response.protocol_error(_NO_VERSION)
    return int(match[1]), size
