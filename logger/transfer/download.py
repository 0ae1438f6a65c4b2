"""One log from the car into a file, over a line that is cut again and again, also across a restart of either side.

What has come lies in NAME.SHA256.part: the name says of which version of the log these bytes are, so whoever goes on
asks for the rest of just that one (If-Range). When the car has it no more, it answers with a newer one from
its beginning. A part is given its real name elsewhere, after it was checked.
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
from logger.transfer.exchange import Answer, CutError
from logger.transfer.retry import Patience

BLOCK_BYTES = 256 * 1024
TRIES = 3
"""Bytes that are not those announced: a disk or a memory is bad, and a fourth time is no better."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})", re.ASCII)

_UNSAID = "does not say what it sends"
MOST_VERSIONS = 12
"""Begun of one log: the car's server may lose a copy when it starts again, not as often as that."""


class Watcher(Protocol):
    """Who is told how a download goes."""

    def preparing(self, name: str, done: float) -> None:
        """The car is making a copy: the share done, 0 to 1."""

    def checking(self, name: str, done: float) -> None:
        """It is here, and is being verified: the share done, 0 to 1."""

    def moved(self, name: str, at: int, size: int) -> None:
        """So many bytes of so many are here."""

    def say(self, text: str) -> None:
        """Something that whoever waits should know."""

    def done(self, name: str, text: str) -> None:
        """The outcome of a log."""


class Part:
    """What has come of one version of a log. Only one process at a time goes on with it."""

    def __init__(self, path: Path) -> None:
        """Open or begin it. Raises LogError when another process has it, OSError."""
        self.path = path
        self.sha256 = path.name.split(".")[-2]
        descriptor = open_unlinked(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise LogError("another fetch is at work on it", where=str(path), hint="let it finish") from error
        self._hasher = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                self._hasher.update(block)
            self.size = file.tell()

    def append(self, block: bytes) -> None:
        """The next bytes. Raises OSError."""
        rest = memoryview(block)
        with named(self.path):
            while rest:
                rest = rest[self._file.write(rest) :]
        self._hasher.update(block)
        self.size += len(block)

    def is_right(self) -> bool:
        """Whether these are the bytes that were announced."""
        return self._hasher.hexdigest() == self.sha256

    def close(self) -> None:
        """Everything to the disk. Raises OSError."""
        with self._file, named(self.path):
            os.fsync(self._file.fileno())


class Download:
    """One log on its way from a car into a folder."""

    def __init__(self, car: Car, name: str, folder: Path, patience: Patience, watcher: Watcher) -> None:
        self._car, self._name, self._folder = car, name, folder
        self._patience, self._watcher = patience, watcher
        self._part: Part | None = None
        self._asked_s: float | None = None
        self._prepared_s = 0.0
        self._versions = 0

    def run(self, known_sha256: str = "") -> tuple[Path, str] | None:
        """Bring the log here: its part file, whole and on the disk, and its SHA-256.

        None when the car has just `known_sha256`. Raises LogError, DeviceError, ConfigurationError, OSError.
        """
        for _ in range(TRIES):
            self._part = self._left_over()
            try:
                while not self._patience.through(lambda: self._attempt(known_sha256)):
                    pass
            finally:
                if self._part is not None:
                    self._part.close()
            if self._part is None:
                return None
            if self._part.is_right():
                return self._part.path, self._part.sha256
            self._watcher.say(f"{self._name}: what came is not what the car announced; fetching it again")
            self._part.path.unlink()
        raise LogError("arrives damaged again and again", where=self._name, hint="check this machine's disk")

    def _attempt(self, known_sha256: str) -> bool:
        """Ask, and take what comes. False if it is to be asked again. Raises CutError, LogError, DeviceError."""
        # Not a copy that the car made for somebody else, or for us a moment ago: one that it makes from now on.
        now_s = time.monotonic()
        self._asked_s = self._asked_s or now_s
        age_s = math.ceil(now_s - self._asked_s)
        headers = {"Prefer": "respond-async", "Stagelog-Confirms": "1", "Cache-Control": f"max-age={age_s}"}
        if known_sha256:
            headers["If-None-Match"] = f'"{known_sha256}"'
        at = self._part.size if self._part else 0
        if self._part and at:
            headers |= {"Range": f"bytes={at}-", "If-Range": f'"{self._part.sha256}"'}
        with self._car.ask("GET", path_of(self._name), headers=headers) as answer:
            if answer.status == 304 and known_sha256:
                return True
            if answer.status == 202:
                self._watcher.preparing(self._name, _share(answer))
            else:
                return self._take_version(answer, at)
        self._wait_for_copy(now_s)
        return False

    def _wait_for_copy(self, asked_s: float) -> None:
        """Wait before the next question about a copy. Raises DeviceError when the car has been at it for too long."""
        limits = self._car.limits
        time.sleep(max(0.0, asked_s + limits.ask_again_s - time.monotonic()))
        self._prepared_s += time.monotonic() - asked_s
        if self._prepared_s > limits.preparing_s:
            what = f"the car does not get its copy of {self._name} done"
            raise DeviceError(what, where=self._car.url, hint="fetch again later")

    def _take_version(self, answer: Answer, at: int) -> bool:
        """Take what an answer brings, if that goes on at byte `at` or begins a version. False if it does neither."""
        sha256 = answer.headers.get("etag", "").strip('"')
        first, size = _place(answer)
        if not _SHA256.fullmatch(sha256):
            raise answer.refused(_UNSAID)
        had = self._part.size if self._part else 0
        require_room(self._folder, size - had, f"{self._folder}/{self._name}")
        is_ours = self._part is not None and self._part.sha256 == sha256
        if first is None:  # there is nothing behind what has come
            if is_ours and at == size:
                return True
            self._begin(sha256)
            return False
        if first != at or not is_ours:
            self._begin(sha256)
            if first != 0:
                return False
        self._take(answer, size)
        return True

    def _take(self, answer: Answer, size: int) -> None:
        part = self._part
        assert part is not None  # noqa: S101 - begun by whoever calls
        while part.size < size and (piece := answer.read()):
            part.append(piece[: size - part.size])
            self._patience.came(len(piece))
            self._watcher.moved(self._name, part.size, size)
        if part.size < size:
            raise CutError("the line was cut")

    def _begin(self, sha256: str) -> None:
        """Begin a version from its first byte; what there is of others is of no use any more.

        Raises DeviceError when that does not end.
        """
        self._versions += 1
        if self._versions > MOST_VERSIONS:
            what = f"the car offers another version of {self._name} each time"
            raise DeviceError(what, where=self._car.url, hint="fetch again later")
        if self._part is not None:
            self._watcher.say(
                f"{self._name}: the car has no longer what was begun; fetching it from the beginning"
            )
            self._part.close()
            self._part = None
        for old in _parts(self._folder, self._name):
            old.unlink()
        self._part = Part(within(self._folder, f"{self._name}.{sha256}.part"))

    def _left_over(self) -> Part | None:
        """What an earlier fetch left."""
        left = sorted(_parts(self._folder, self._name), key=lambda path: path.stat().st_mtime)
        return Part(left[-1]) if left else None


def _parts(folder: Path, name: str) -> list[Path]:
    ours = re.compile(re.escape(name) + r"\.[0-9a-f]{64}\.part")
    return [path for path in folder.iterdir() if ours.fullmatch(path.name)]


def _share(answer: Answer) -> float:
    """How much of its copy a car has made; 0 where it does not say."""
    try:
        done = answer.json()["done"]
    except (ValueError, KeyError, TypeError):
        return 0.0
    return float(done) if isinstance(done, int | float) and 0 <= done <= 1 else 0.0


def _place(answer: Answer) -> tuple[int | None, int]:
    """The number of the first byte that comes, None if none does, and how many there are in all. Raises DeviceError."""
    length = answer.headers.get("content-length", "")
    if answer.status == 200 and _LENGTH.fullmatch(length):
        return 0, int(length)
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if found is None or answer.status not in (206, 416):
        raise answer.refused(_UNSAID)
    size = int(found[3])
    if answer.status == 416 and found[1] is None:
        return None, size
    # Everything to the end was asked for.
    if answer.status == 416 or found[1] is None or not int(found[1]) <= int(found[2]) == size - 1:
        raise answer.refused(_UNSAID)
    return int(found[1]), size
