"""Logs onto a USB stick: which, how each gets its place there, and when it counts as delivered.

Rule 1: a log has its name on the stick only when all of it is there: it is written under another name, brought to
the stick, read back from it, held against its SHA-256 and verified, and only then renamed. Rule 2: the
car notes a delivery only after that. So a stick that is pulled, full or worn out costs its copy and nothing else, and
the next one that is plugged in gets the log. A log on the stick is never replaced by another one of that name (the
first session tells them apart), nor by a shorter one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import DeviceError, LogError
from logger.boundary.whole_file import PART_TAIL, put_in_place, sync_folder, unfinished
from logger.logfile.naming import LOG_PATTERN, is_quarantined, quarantined_in
from logger.logfile.verify import verify
from logger.retention.log_directory import printable_name, size_bytes
from logger.transfer import ledger
from logger.transfer.slow_delete import remove
from logger.transfer.snapshot import DAMAGED_TAIL, digest_of, place, readable_state, snapshot
from logger.transfer.state import LogState

FOLDER = "stagelog"
"""Where the logs lie on the stick, among whatever else is on it."""
_COPIED, _READ_BACK = 0.7, 0.9
"""The shares of the work after copying and after reading back; what is left is `verify`."""
_SPARE_BYTES = 1024 * 1024
"""Left free: a file system that is full to the last block takes no new name."""
_FAT_BYTES = 4 * 1024**3
"""FAT32 has no larger files."""
_GONE = ("it was pulled", "plug it in again: nothing in the car is lost")
_WORDS = {
    errno.EROFS: ("it is write-protected", "move its switch, or use another stick"),
    errno.EACCES: ("it may not be written", "format it as exFAT or FAT32"),
    errno.EPERM: ("it may not be written", "format it as exFAT or FAT32"),
    errno.ENOSPC: ("it is full", "make room on it, or use another stick"),
    errno.EEXIST: (f"a file named {FOLDER} on it is in the way", "rename that file, or remove it"),
    errno.EIO: ("it was pulled, or is broken", "plug it in again: nothing in the car is lost"),
    **dict.fromkeys((errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTCONN), _GONE),
}

Tell = Callable[[str], None]


class Outcome(NamedTuple):
    """What became of one log, for people. `size` is what was copied, in bytes; not `ok`: something is wrong with it."""

    name: str
    text: str
    size: int = 0
    ok: bool = True


def deliver(logs: Path, stick: Path, tell: Tell, *, every: bool = False) -> list[Outcome]:
    """Copy the logs of a folder that were never delivered as far as they go now.

    With `every`, all that the stick lacks. `tell` hears how it goes, several times a second. Raises DeviceError
    when the stick takes nothing (any more).
    """
    folder = _prepared(stick)
    device = folder.stat().st_dev
    wanted = _wanted(logs, folder, every=every)
    outcomes = []
    for number, log in enumerate(wanted, 1):
        which = f"{number} of {len(wanted)}: {printable_name(log)}"
        try:
            outcome = _Copy(log, folder, device, _telling(tell, which)).run()
        except OSError as error:  # LogError as well: SQLite does not tell whose disk it was
            _require_writable(folder, device)
            why = error.what if isinstance(error, LogError) else error.strerror or str(error)
            outcome = Outcome(printable_name(log), f"not copied: {why}", ok=False)
        outcomes.append(outcome)
    return outcomes


def _telling(tell: Tell, which: str) -> Callable[[float], None]:
    return lambda done: tell(f"{which}, {done:.0%}")


class _Copy:
    """One log on its way."""

    def __init__(self, log: Path, folder: Path, device: int, progress: Callable[[float], None]) -> None:
        self._log, self._folder, self._device, self._progress = log, folder, device, progress
        self._part = folder / f".{log.name}{PART_TAIL}"
        self._name = printable_name(log)

    def run(self) -> Outcome:
        """Raises LogError, OSError; what is on the stick under a log's name is whole nevertheless."""
        need = size_bytes(self._log)
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        if need + _SPARE_BYTES > free:
            what = f"does not fit: {need / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free"
            return Outcome(self._name, what, ok=False)
        with unfinished(self._part):
            try:
                return self._brought()
            except OSError as error:
                if need >= _FAT_BYTES and isinstance(error, LogError):
                    raise LogError(
                        f"{error.what}; FAT32 takes at most 4 GB a file, exFAT takes more"
                    ) from error
                raise
            finally:
                with suppress(OSError):
                    remove(self._part)

    def _brought(self) -> Outcome:
        taken = snapshot(self._log, self._part, lambda done: self._progress(_COPIED * done))
        share = _READ_BACK - _COPIED
        if _read_back(self._part, lambda done: self._progress(_COPIED + share * done)) != taken.sha256:
            what = "the stick does not keep what it is given; use another one"
            return Outcome(self._name, what, ok=False)
        if is_quarantined(self._log.name):
            self._rename(_place_aside(self._folder, self._log.name, taken.size))
            return Outcome(self._name, "was set aside as damaged; copied as it is", taken.size, ok=False)
        problems = verify(self._part, lambda done: self._progress(_READ_BACK + (1 - _READ_BACK) * done))
        if taken.state is None or problems:
            self._rename(self._folder / (self._log.name + DAMAGED_TAIL))
            why = " ".join(problems[0].split()) if problems else "it cannot be read"
            return Outcome(
                self._name, f"is damaged in the car ({why}); copied as it is", taken.size, ok=False
            )
        target = place(self._folder / self._log.name, taken.state)
        before = readable_state(target) if target.exists() else None
        if before is None or before.rows <= taken.state.rows:
            self._rename(target)
        text = f"{taken.size / 1e6:.1f} MB, whole{'' if before is None else ', grown'}"
        if target.name != self._log.name:
            text += f"; {self._name} there is another log, so it is in {printable_name(target)}"
        trouble = self._note(taken.state, taken.size, taken.sha256)
        return Outcome(self._name, text + trouble, taken.size, ok=not trouble)

    def _rename(self, target: Path) -> None:
        """Give it its name, durably. Raises FileNotFoundError when the stick is no longer there."""
        put_in_place(self._part, target)
        _require_mounted(self._folder, self._device)

    def _note(self, state: LogState, size: int, sha256: str) -> str:
        """Tell the car that the log may go when the card fills up; what is to be said if it cannot be told."""
        try:
            ledger.add(self._log.parent, ledger.Delivered.now(self._log.name, state, size, sha256))
        except OSError as error:
            hint = f"look at who may write {ledger.FILE} there"
            return f"; the car could not note that it was delivered ({error.strerror}): {hint}"
        return ""


def _wanted(logs: Path, folder: Path, *, every: bool) -> list[Path]:
    """The newest first: it is the one that is waited for, should the stick be pulled too soon."""
    reached = None if every else ledger.reaches(logs)
    there = (log for log in (*logs.glob(LOG_PATTERN), *quarantined_in(logs)) if log.is_file())
    wanted = [log for log in there if not _is_had(log, folder, reached)]
    return sorted(wanted, key=lambda log: log.stat().st_mtime, reverse=True)


def _is_had(log: Path, folder: Path, reached: Mapping[str, Collection[tuple[int, int]]] | None) -> bool:
    """Whether a log was delivered as far as it goes now, as `reached` tells; without that, whether the stick has it."""
    if is_quarantined(log.name):
        return _place_aside(folder, log.name, log.stat().st_size).exists()
    state = readable_state(log)
    damaged = folder / (log.name + DAMAGED_TAIL)
    if state is None:
        return damaged.exists() and damaged.stat().st_size == log.stat().st_size
    if readable_state(damaged) == state:
        return True
    if reached is not None:
        return (state.session, state.t_us) in reached.get(log.name, ())
    there = readable_state(place(folder / log.name, state))
    return there is not None and there.rows >= state.rows


def _place_aside(folder: Path, name: str, size: int) -> Path:
    """Where a log of `size` bytes that was set aside belongs: under its name, or beside another one that has it."""
    target = folder / name
    is_other = target.exists() and target.stat().st_size != size
    return target.with_name(f"{name}.{size}") if is_other else target


def _read_back(part: Path, progress: Callable[[float], None]) -> str:
    """The SHA-256 of what the stick holds, not of what this machine remembers having written."""
    descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return digest_of(part, progress)


def _prepared(stick: Path) -> Path:
    """The folder on the stick, with nothing half in it. Raises DeviceError."""
    folder = stick / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise DeviceError(f"{FOLDER} on it is a link", where=str(stick), hint="remove it")
        for part in folder.glob(f".*{PART_TAIL}"):
            part.unlink()
        sync_folder(stick)
    except OSError as error:
        if isinstance(error, DeviceError):
            raise
        raise _refusal(stick, error) from error
    _require_writable(folder, folder.stat().st_dev)
    return folder


def _require_writable(folder: Path, device: int) -> None:
    """Write a block and take it back. Raises DeviceError."""
    probe = folder / f".probe{PART_TAIL}"
    try:
        _require_mounted(folder, device)
        with probe.open("wb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        with suppress(OSError):
            probe.unlink()
        raise _refusal(folder.parent, error) from error


def _require_mounted(folder: Path, device: int) -> None:
    """An unmounted stick leaves an empty folder of the car behind. Raises FileNotFoundError."""
    if folder.stat().st_dev != device:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def _refusal(stick: Path, error: OSError) -> DeviceError:
    unknown = (f"it takes no logs: {error.strerror or error}", "use another stick")
    what, hint = _WORDS.get(error.errno or 0, unknown)
    return DeviceError(what, where=str(stick), hint=hint)
