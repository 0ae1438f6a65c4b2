"""Stable versions of logs for download: digests of closed logs, copies of logs being recorded.

A closed log is sent from its own file. A log being recorded is first copied by a child process. The copy is kept,
also across a restart of the server, because a client that lost its connection resumes with exactly these bytes.
Copies are few, expire, and are removed when the recorder needs their space.

    state/copies/SHA256.NAME      a copy: complete and synced when it has this name
    state/copies/making-...       an unfinished copy; removed when the server starts
    state/digests.json            SHA-256 of closed logs, with the `stat` values they were computed at
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import LogError
from logger.boundary import own_process
from logger.boundary.untrusted_json import loads
from logger.logfile.connect import has_wal, wal_of
from logger.logfile.naming import is_quarantined
from logger.transfer.slow_delete import remove
from logger.transfer.snapshot import digest_of

log = logging.getLogger(__name__)

MAX_COPIES = 4
"""For several laptops, some of which resume later."""
KEEP_S = 24 * 3600.0
"""A client that has not resumed within a day of the rally will not."""
FRESH_S = 20.0
"""A copy this young also serves the next request: the user may have pressed twice."""
SPARE_BYTES = 16 * 1024 * 1024
"""Free space to keep on a file system that holds copies but no logs."""
_SHA_DIGITS = 64

Stamp = tuple[int, ...]
"""Inode, size and mtime of a log and its write-ahead log: changes when either is written."""


class NoRoomError(LogError):
    """A copy would take the space that the recorder needs."""


class Copy(NamedTuple):
    """A file to send. `stamp` must stay as it is while it is sent; None for a copy, which never changes."""

    path: Path
    size: int
    sha256: str
    stamp: Stamp | None


class Copies:
    """The downloadable versions of a directory's logs. Belongs to one event loop; `close` at its end."""

    def __init__(self, logs: Path, state: Path, min_free_bytes: int) -> None:
        """Keep copies in `state`, or in a temporary directory if `state` is not writable."""
        self.logs = logs
        self.state, self._temporary = _writable(state)
        self._folder = self.state / "copies"
        self._folder.mkdir(mode=0o750, exist_ok=True)
        for left in self._folder.glob("making-*"):
            left.unlink()
        self._min_free_bytes = min_free_bytes
        self._digests = _read_digests(self.state / "digests.json")
        self._copied: dict[str, tuple[Stamp, float]] = {}  # by SHA-256: stamp and start of the copying
        self._used: Counter[Path] = Counter()
        self._work: dict[str, asyncio.Task[Copy]] = {}
        self._work_slot = asyncio.Semaphore(1)
        self._done: dict[str, float] = {}
        self._closed = False

    def close(self) -> None:
        """Cancel the copies in progress."""
        self._closed = True
        for work in self._work.values():
            work.cancel()
        if self._temporary is not None:
            self._temporary.cleanup()

    def names(self) -> list[str]:
        """The logs in the directory, regular files only. Raises LogError if it cannot be read."""
        try:
            with os.scandir(self.logs) as entries:
                names = [e.name for e in entries if _is_log(e.name) and e.is_file(follow_symlinks=False)]
        except OSError as error:
            hint = "check [log] directory and its permissions"
            raise LogError(f"cannot be read: {error.strerror}", where=str(self.logs), hint=hint) from error
        return sorted(names)

    def done(self, name: str) -> float:
        """Progress of the work for a log, 0 to 1."""
        return self._done.get(name, 0.0)

    def known(self, name: str) -> Copy | None:
        """The current version of a log if it needs no copying or hashing."""
        path = self.logs / name
        with suppress(OSError):
            stamp = stamp_of(path)
            if _is_still(path):
                known_stamp, sha256 = self._digests.get(name, (None, ""))
                return Copy(path, path.stat().st_size, sha256, stamp) if known_stamp == stamp else None
            for copy in self._kept(name):
                if self._copied.get(copy.sha256, (None,))[0] == stamp:
                    return copy
        return None

    def version(self, name: str, tags: Collection[str]) -> Copy | None:
        """A version of a log whose SHA-256 is among `tags`; None if none is available."""
        now = self.known(name)
        choice = [*([now] if now else []), *self._kept(name)]
        return next((copy for copy in choice if copy.sha256 in tags), None)

    def newest(self, name: str) -> Copy | None:
        """The newest copy of a log; None for a closed log, which is sent from its own file."""
        return None if _is_still(self.logs / name) else next(iter(self._kept(name)), None)

    def work(self, name: str, max_age_s: float = FRESH_S) -> asyncio.Task[Copy]:
        """A task that makes a version of a log at most `max_age_s` old; concurrent requests share it.

        It raises NoRoomError, LogError or OSError.
        """
        if name not in self._work:
            self._done[name] = 0.0
            self._work[name] = task = asyncio.create_task(self._make(name, max_age_s))
            task.add_done_callback(lambda task: self._finish(name, task))
        return self._work[name]

    @contextmanager
    def use(self, copy: Copy) -> Iterator[None]:
        """Protect a copy from removal while the body runs."""
        self._used[copy.path] += 1
        with suppress(OSError):
            if copy.stamp is None:
                os.utime(copy.path)
        try:
            yield
        finally:
            self._used[copy.path] -= 1

    async def _make(self, name: str, max_age_s: float) -> Copy:
        path = self.logs / name
        for copy in self._kept(name):
            _, began_s = self._copied.get(copy.sha256, ((), -math.inf))
            if has_wal(path) and time.monotonic() - began_s <= max_age_s:
                return copy
        if (known := self.known(name)) is not None:
            return known
        async with self._work_slot:
            if not _is_still(path):
                return await self._copy(path)
            return await asyncio.to_thread(self._digest, path)

    def _finish(self, name: str, task: asyncio.Task[Copy]) -> None:
        del self._work[name]
        if not task.cancelled():
            task.exception()  # waiters get it; without waiters asyncio must not report it

    def _digest(self, path: Path) -> Copy:
        """Hash a closed log and store its digest."""

        def progress(done: float) -> None:
            self._done[path.name] = done
            if self._closed:
                raise LogError("the server is stopping")

        before = stamp_of(path)
        sha256 = digest_of(path, progress)
        if before != stamp_of(path) or not _is_still(path):
            raise LogError("recording into it has just begun", where=path.name, hint="try again")
        self._digests[path.name] = before, sha256
        _write_digests(self.state / "digests.json", self._digests)
        return Copy(path, path.stat().st_size, sha256, before)

    async def _copy(self, path: Path) -> Copy:
        stamp, began_s = stamp_of(path), time.monotonic()
        need = sum(file.stat().st_size for file in _files(path))
        await asyncio.to_thread(self._make_room, need)
        making = self._folder / f"making-{time.monotonic_ns()}"
        command = own_process.command("logger.transfer", str(path), str(making))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=own_process.environment()
        )
        assert process.stdout is not None  # noqa: S101 - opened as a pipe
        status = {}
        try:
            async for line in process.stdout:
                status = loads(line)
                self._done[path.name] = status.get("done", 1.0)
                if self._free() < 0:
                    raise _no_room()
            if await process.wait() or "sha256" not in status:
                raise LogError(status.get("error", "the copy could not be made"), where=path.name)
            sha256 = status["sha256"]
            copy = Copy(self._folder / f"{sha256}.{path.name}", making.stat().st_size, sha256, None)
            making.replace(copy.path)
        finally:
            if process.returncode is None:
                process.kill()
            if not self._closed:
                await asyncio.to_thread(remove, making)
        self._copied[copy.sha256] = stamp, began_s
        return copy

    def _kept(self, name: str) -> list[Copy]:
        """The copies of a log, newest first."""
        copies = []
        for path in self._folder.iterdir():
            sha256, _, of = path.name.partition(".")
            if of == name and len(sha256) == _SHA_DIGITS:
                with suppress(OSError):
                    stat = path.stat()
                    copies.append((stat.st_mtime, Copy(path, stat.st_size, sha256, None)))
        return [copy for _, copy in sorted(copies, key=lambda pair: -pair[0])]

    def _make_room(self, need: int) -> None:
        """Remove expired copies, then the oldest until `need` bytes are free. Raises NoRoomError."""
        idle = [path for path in self._folder.iterdir() if not self._used[path]]
        idle.sort(key=lambda path: path.stat().st_mtime)
        for number, path in enumerate(idle):
            is_old = time.time() - path.stat().st_mtime > KEEP_S  # setting the clock can only cost a copy
            if is_old or len(idle) - number >= MAX_COPIES or self._free() < need:
                remove(path)
        if self._free() < need:
            raise _no_room()

    def _free(self) -> int:
        """Bytes that copies may use without touching the recorder's reserve."""
        disk = os.statvfs(self._folder)
        same_card = self._folder.stat().st_dev == self.logs.stat().st_dev
        return disk.f_bavail * disk.f_frsize - (self._min_free_bytes if same_card else SPARE_BYTES)


def stamp_of(path: Path) -> Stamp:
    """Inode, size and mtime of a log and its write-ahead log. Raises OSError."""
    stats = [file.stat(follow_symlinks=False) for file in _files(path)]
    return tuple(number for stat in stats for number in (stat.st_ino, stat.st_size, stat.st_mtime_ns))


def _is_still(path: Path) -> bool:
    """Whether nobody writes to the log: it is quarantined or has no write-ahead log."""
    return is_quarantined(path.name) or not has_wal(path)


def _is_log(name: str) -> bool:
    """Whether the name is a log's. Names that are not UTF-8 are left out: neither URL nor JSON can hold them."""
    is_text = name.encode(errors="ignore").decode() == name
    return is_text and not name.startswith(".") and (name.endswith(".db") or is_quarantined(name))


def _files(path: Path) -> list[Path]:
    return [path, wal_of(path)] if has_wal(path) else [path]


def _no_room() -> NoRoomError:
    hint = "a copy would use the recorder's reserve; free some space, or fetch this log when it is closed"
    return NoRoomError("too little space on the card", hint=hint)


def _writable(state: Path) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state):
            return state, None
    except OSError as error:
        temporary = tempfile.TemporaryDirectory(prefix="stagelog-crew-", ignore_cleanup_errors=True)
        log.warning(
            "%s cannot be written (%s): copies of logs are kept in %s until the server stops",
            *(state, error.strerror, temporary.name),
        )
        return Path(temporary.name), temporary


def _read_digests(path: Path) -> dict[str, tuple[Stamp, str]]:
    """The digests that an earlier server stored; empty if they cannot be read."""
    try:
        stored = loads(path.read_bytes(), surrogates="keep")
        return {str(name): (tuple(map(int, stamp)), str(sha256)) for name, (stamp, sha256) in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_digests(path: Path, digests: dict[str, tuple[Stamp, str]]) -> None:
    """Store the digests; a failure is ignored, because they can be computed again."""
    with suppress(OSError):
        part = path.with_suffix(".part")
        part.write_text(json.dumps(digests))
        part.replace(path)
