"""The bytes that are sent when a log is asked for, and how long they are kept.

A log that nobody has open is sent from its own file. One that is being recorded is copied first, by a process
of its own, and the copy is kept, also over a restart of the server, because a client whose line was cut comes back
for the rest of just these bytes. Copies are few, age, and give way to the recorder's need of room.

    state/copies/SHA256.NAME      a copy: complete and synced when it has this name
    state/copies/making-...       one that is being made, or was when the power went: removed at the start
    state/digests.json            SHA-256 of the logs that lie still, by what `stat` says of them
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import LogError
from logger.boundary.untrusted_json import loads
from logger.logfile.border import has_wal
from logger.logfile.naming import is_aside
from logger.transfer.slow_delete import remove
from logger.transfer.snapshot import digest_of

log = logging.getLogger(__name__)

MOST_COPIES = 4
"""Several laptops, some of which come back later."""
KEEP_S = 24 * 3600.0
"""Who did not come back within a day of the rally does not."""
FRESH_S = 20.0
"""A copy this young is new enough for the next who asks: it may be the same one, pressing twice."""
SPARE_BYTES = 16 * 1024 * 1024
"""What stays free where only the copies lie."""
_SHA_DIGITS = 64

Seen = tuple[int, ...]
"""What `stat` says of a log and its write-ahead log: another as soon as either is written."""


class NoRoomError(LogError):
    """A copy would take the room that the recorder needs."""


class Copy(NamedTuple):
    """A file that may be sent. `seen` is what `stat` must say of it all the while; None for a copy, which stays."""

    path: Path
    size: int
    sha256: str
    seen: Seen | None


class Copies:
    """The logs of a folder as they are sent. Belongs to one event loop; `close` at its end."""

    def __init__(self, logs: Path, state: Path, min_free_bytes: int) -> None:
        """`state` is where copies are kept; a folder of the system's takes its place where it cannot be written."""
        self.logs = logs
        self.state, self._temporary = _writable(state)
        self._folder = self.state / "copies"
        self._folder.mkdir(mode=0o750, exist_ok=True)
        for left in self._folder.glob("making-*"):
            left.unlink()
        self._min_free_bytes = min_free_bytes
        self._digests = _read_digests(self.state / "digests.json")
        self._taken: dict[str, tuple[Seen, float]] = {}  # by SHA-256: of what, and when
        self._used: Counter[Path] = Counter()
        self._work: dict[str, asyncio.Task[Copy]] = {}
        self._one_at_a_time = asyncio.Semaphore(1)
        self._done: dict[str, float] = {}
        self._closed = False

    def close(self) -> None:
        """End what is being made."""
        self._closed = True
        for work in self._work.values():
            work.cancel()
        if self._temporary is not None:
            self._temporary.cleanup()

    def names(self) -> list[str]:
        """The logs that there are: regular files of this very folder. Raises LogError without the folder."""
        try:
            with os.scandir(self.logs) as entries:
                found = [e.name for e in entries if _is_log(e.name) and e.is_file(follow_symlinks=False)]
        except OSError as error:
            hint = "look at [log] directory, and at who may read it"
            raise LogError(f"cannot be read: {error.strerror}", where=str(self.logs), hint=hint) from error
        return sorted(found)

    def done(self, name: str) -> float:
        """How much of the work for a log is done, 0 to 1."""
        return self._done.get(name, 0.0)

    def known(self, name: str) -> Copy | None:
        """The bytes of a log as it is now, where nothing has to be done for them."""
        path = self.logs / name
        with suppress(OSError):
            seen = seen_of(path)
            if _lies_still(path):
                sha256 = self._digests.get(name, (None, ""))
                return Copy(path, path.stat().st_size, sha256[1], seen) if sha256[0] == seen else None
            for copy in self._kept(name):
                if self._taken.get(copy.sha256, (None,))[0] == seen:
                    return copy
        return None

    def version(self, name: str, tags: Collection[str]) -> Copy | None:
        """The first there is of certain versions of a log."""
        now = self.known(name)
        choice = [*([now] if now else []), *self._kept(name)]
        return next((copy for copy in choice if copy.sha256 in tags), None)

    def newest(self, name: str) -> Copy | None:
        """The last copy that was made of a log; None for one that lies still, which is sent from its own file."""
        return None if _lies_still(self.logs / name) else next(iter(self._kept(name)), None)

    def work(self, name: str, max_age_s: float = FRESH_S) -> asyncio.Task[Copy]:
        """The bytes of a log as it is now, or was at most `max_age_s` ago; who asks meanwhile gets the same.

        What is raised in it is NoRoomError, LogError or OSError.
        """
        if name not in self._work:
            self._done[name] = 0.0
            self._work[name] = task = asyncio.create_task(self._make(name, max_age_s))
            task.add_done_callback(lambda task: self._finish(name, task))
        return self._work[name]

    @contextmanager
    def use(self, copy: Copy) -> Iterator[None]:
        """While the body runs a copy is not removed to make room."""
        self._used[copy.path] += 1
        with suppress(OSError):
            if copy.seen is None:
                os.utime(copy.path)
        try:
            yield
        finally:
            self._used[copy.path] -= 1

    async def _make(self, name: str, max_age_s: float) -> Copy:
        path = self.logs / name
        for copy in self._kept(name):
            _, began_s = self._taken.get(copy.sha256, ((), -math.inf))
            if has_wal(path) and time.monotonic() - began_s <= max_age_s:
                return copy
        if (known := self.known(name)) is not None:
            return known
        async with self._one_at_a_time:
            if not _lies_still(path):
                return await self._copy(path)
            return await asyncio.to_thread(self._digest, path)

    def _finish(self, name: str, task: asyncio.Task[Copy]) -> None:
        del self._work[name]
        if not task.cancelled():
            task.exception()  # it is told to whoever waits; when they have all gone it is nobody's

    def _digest(self, path: Path) -> Copy:
        """A log that lies still; its digest is remembered."""

        def progress(done: float) -> None:
            self._done[path.name] = done
            if self._closed:
                raise LogError("the server stops")

        before = seen_of(path)
        sha256 = digest_of(path, progress)
        if before != seen_of(path) or not _lies_still(path):
            raise LogError("it began to be recorded just now", where=path.name, hint="try again")
        self._digests[path.name] = before, sha256
        _write_digests(self.state / "digests.json", self._digests)
        return Copy(path, path.stat().st_size, sha256, before)

    async def _copy(self, path: Path) -> Copy:
        seen, began_s = seen_of(path), time.monotonic()
        need = sum(file.stat().st_size for file in _files(path))
        await asyncio.to_thread(self._make_room, need)
        making = self._folder / f"making-{time.monotonic_ns()}"
        command = (sys.executable, "-m", "logger.transfer", str(path), str(making))
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101 - asked for
        said = {}
        try:
            async for line in process.stdout:
                said = loads(line)
                self._done[path.name] = said.get("done", 1.0)
                if self._free() < 0:
                    raise _no_room()
            if await process.wait() or "sha256" not in said:
                raise LogError(said.get("error", "the copy could not be made"), where=path.name)
            copy = Copy(
                self._folder / f"{said['sha256']}.{path.name}", making.stat().st_size, said["sha256"], None
            )
            making.replace(copy.path)
        finally:
            if process.returncode is None:
                process.kill()
            if not self._closed:
                await asyncio.to_thread(remove, making)
        self._taken[copy.sha256] = seen, began_s
        return copy

    def _kept(self, name: str) -> list[Copy]:
        """The copies of a log, the newest first."""
        found = []
        for path in self._folder.iterdir():
            sha256, _, of = path.name.partition(".")
            if of == name and len(sha256) == _SHA_DIGITS:
                with suppress(OSError):
                    stat = path.stat()
                    found.append((stat.st_mtime, Copy(path, stat.st_size, sha256, None)))
        return [copy for _, copy in sorted(found, key=lambda pair: -pair[0])]

    def _make_room(self, need: int) -> None:
        """Remove the copies that nobody came back for, and more for `need` bytes. Raises NoRoomError."""
        idle = [path for path in self._folder.iterdir() if not self._used[path]]
        idle.sort(key=lambda path: path.stat().st_mtime)
        for number, path in enumerate(idle):
            is_old = time.time() - path.stat().st_mtime > KEEP_S  # a clock that was set costs a copy
            if is_old or len(idle) - number >= MOST_COPIES or self._free() < need:
                remove(path)
        if self._free() < need:
            raise _no_room()

    def _free(self) -> int:
        """Bytes that copies may take before they take what is the recorder's."""
        there = os.statvfs(self._folder)
        same_card = self._folder.stat().st_dev == self.logs.stat().st_dev
        return there.f_bavail * there.f_frsize - (self._min_free_bytes if same_card else SPARE_BYTES)


def seen_of(path: Path) -> Seen:
    """What `stat` says of a log and its write-ahead log. Raises OSError."""
    stats = [file.stat(follow_symlinks=False) for file in _files(path)]
    return tuple(number for stat in stats for number in (stat.st_ino, stat.st_size, stat.st_mtime_ns))


def _lies_still(path: Path) -> bool:
    return is_aside(path.name) or not has_wal(path)


def _is_log(name: str) -> bool:
    """Not one that is no UTF-8: there is no address for it, and no JSON."""
    is_text = name.encode(errors="ignore").decode() == name
    return is_text and not name.startswith(".") and (name.endswith(".db") or is_aside(name))


def _files(path: Path) -> list[Path]:
    return [path, path.with_name(path.name + "-wal")] if has_wal(path) else [path]


def _no_room() -> NoRoomError:
    hint = (
        "a copy would take what is kept free for the recorder; make room, or fetch this log when it is closed"
    )
    return NoRoomError("too little room on the card", hint=hint)


def _writable(state: Path) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state):
            return state, None
    except OSError as error:
        temporary = tempfile.TemporaryDirectory(prefix="stagelog-crew-", ignore_cleanup_errors=True)
        log.warning(
            "%s cannot be written (%s): copies of logs are kept in %s, and not over a restart",
            state,
            error.strerror,
            temporary.name,
        )
        return Path(temporary.name), temporary


def _read_digests(path: Path) -> dict[str, tuple[Seen, str]]:
    """What an earlier server remembered; nothing where that cannot be read."""
    try:
        said = loads(path.read_bytes())
        return {str(name): (tuple(map(int, seen)), str(sha256)) for name, (seen, sha256) in said.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_digests(path: Path, digests: dict[str, tuple[Seen, str]]) -> None:
    """Remember them if that can be: they can be made again."""
    with suppress(OSError):
        part = path.with_suffix(".part")
        part.write_text(json.dumps(digests))
        part.replace(path)
