"""Copy logs to a USB stick, verify each copy, and record its delivery.

Rule 1: a log gets its name on the stick only when it is complete: it is written under another name, synced, read back,
compared with its SHA-256 and verified, and only then renamed. Rule 2: the car records the delivery only after that. So
a stick that is pulled, full or worn out loses only its copy, and the next stick gets the log. A log on the stick is
never replaced by a different log of that name (the first session distinguishes them), nor by a shorter one.
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
"""The directory of the logs on the stick."""
_COPIED, _READ_BACK = 0.7, 0.9
"""Progress after copying and after reading back; the rest is `verify`."""
_SPARE_BYTES = 1024 * 1024
"""Space left free: a file system without a free block cannot create a directory entry."""
_FAT_BYTES = 4 * 1024**3
"""The limit of FAT32 for one file."""
_GONE = ("it was pulled", "plug it in again: nothing in the car is lost")
_REFUSALS = {
    errno.EROFS: ("it is write-protected", "move its switch, or use another stick"),
    errno.EACCES: ("it may not be written", "format it as exFAT or FAT32"),
    errno.EPERM: ("it may not be written", "format it as exFAT or FAT32"),
    errno.ENOSPC: ("it is full", "free some space on it, or use another stick"),
    errno.EEXIST: (f"a file named {FOLDER} on it blocks the folder", "rename that file, or remove it"),
    errno.EIO: ("it was pulled, or is broken", "plug it in again: nothing in the car is lost"),
    **dict.fromkeys((errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTCONN), _GONE),
}

ShowProgress = Callable[[str], None]


class Outcome(NamedTuple):
    """The result for one log, as text. `size` is the number of bytes copied; `ok` is false if there is a problem."""

    name: str
    text: str
    size: int = 0
    ok: bool = True


def deliver(logs: Path, stick: Path, show: ShowProgress, *, every: bool = False) -> list[Outcome]:
    """Copy the logs of a directory that were not yet delivered with all their rows.

    With `every`, copy all logs that the stick lacks. Calls `show` with the progress, several times per second. Raises
    DeviceError when the stick cannot be written.
    """
    folder = _prepared(stick)
    device = folder.stat().st_dev
    pending = _pending(logs, folder, every=every)
    outcomes = []
    for number, log in enumerate(pending, 1):
        which = f"{number} of {len(pending)}: {printable_name(log)}"
        try:
            outcome = _Copy(log, folder, device, _progress(show, which)).run()
        except OSError as error:  # also LogError: SQLite does not report which disk failed
            _require_writable(folder, device)
            why = error.what if isinstance(error, LogError) else error.strerror or str(error)
            outcome = Outcome(printable_name(log), f"not copied: {why}", ok=False)
        outcomes.append(outcome)
    return outcomes


def _progress(show: ShowProgress, which: str) -> Callable[[float], None]:
    return lambda done: show(f"{which}, {done:.0%}")


class _Copy:
    """The copying of one log."""

    def __init__(self, log: Path, folder: Path, device: int, progress: Callable[[float], None]) -> None:
        self._log, self._folder, self._device, self._progress = log, folder, device, progress
        self._part = folder / f".{log.name}{PART_TAIL}"
        self._name = printable_name(log)

    def run(self) -> Outcome:
        """Copy the log. Raises LogError, OSError; files on the stick under a log's name stay complete."""
        need = size_bytes(self._log)
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        if need + _SPARE_BYTES > free:
            what = f"does not fit: {need / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
            return Outcome(self._name, what, ok=False)
        with unfinished(self._part):
            try:
                return self._copy_and_verify()
            except OSError as error:
                if need >= _FAT_BYTES and isinstance(error, LogError):
                    raise LogError(
                        f"{error.what}; FAT32 allows at most 4 GB per file, exFAT allows more"
                    ) from error
                raise
            finally:
                with suppress(OSError):
                    remove(self._part)

    def _copy_and_verify(self) -> Outcome:
        copy = snapshot(self._log, self._part, lambda done: self._progress(_COPIED * done))
        share = _READ_BACK - _COPIED
        if _read_back(self._part, lambda done: self._progress(_COPIED + share * done)) != copy.sha256:
            what = "the stick returns other data than was written; use another one"
            return Outcome(self._name, what, ok=False)
        if is_quarantined(self._log.name):
            self._rename(_quarantined_target(self._folder, self._log.name, copy.size))
            return Outcome(self._name, "was quarantined as damaged; copied as it is", copy.size, ok=False)
        problems = verify(self._part, lambda done: self._progress(_READ_BACK + (1 - _READ_BACK) * done))
        if copy.state is None or problems:
            self._rename(self._folder / (self._log.name + DAMAGED_TAIL))
            why = " ".join(problems[0].split()) if problems else "it cannot be read"
            return Outcome(self._name, f"is damaged in the car ({why}); copied as it is", copy.size, ok=False)
        target = place(self._folder / self._log.name, copy.state)
        before = readable_state(target) if target.exists() else None
        if before is None or before.rows <= copy.state.rows:
            self._rename(target)
        text = f"{copy.size / 1e6:.1f} MB, whole{'' if before is None else ', grown'}"
        if target.name != self._log.name:
            text += f"; {self._name} there is another log, so it is in {printable_name(target)}"
        failure = self._record_delivery(copy.state, copy.size, copy.sha256)
        return Outcome(self._name, text + failure, copy.size, ok=not failure)

    def _rename(self, target: Path) -> None:
        """Give the copy its name, durably. Raises FileNotFoundError if the stick was pulled."""
        put_in_place(self._part, target)
        _require_mounted(self._folder, self._device)

    def _record_delivery(self, state: LogState, size: int, sha256: str) -> str:
        """Record in the car that the log may be deleted when the card fills up; the error text if that fails."""
        try:
            ledger.add(self._log.parent, ledger.Delivered.now(self._log.name, state, size, sha256))
        except OSError as error:
            hint = f"check the permissions of {ledger.FILE} there"
            return f"; the car could not record the delivery ({error.strerror}): {hint}"
        return ""


def _pending(logs: Path, folder: Path, *, every: bool) -> list[Path]:
    """The logs to copy, newest first: the newest is the most wanted if the stick is pulled too soon."""
    reached = None if every else ledger.reaches(logs)
    files = (log for log in (*logs.glob(LOG_PATTERN), *quarantined_in(logs)) if log.is_file())
    pending = [log for log in files if not _is_delivered(log, folder, reached)]
    return sorted(pending, key=lambda log: log.stat().st_mtime, reverse=True)


def _is_delivered(log: Path, folder: Path, reached: Mapping[str, Collection[tuple[int, int]]] | None) -> bool:
    """Whether a log's present rows were delivered, according to `reached`; without it, whether the stick has them."""
    if is_quarantined(log.name):
        return _quarantined_target(folder, log.name, log.stat().st_size).exists()
    state = readable_state(log)
    damaged = folder / (log.name + DAMAGED_TAIL)
    if state is None:
        return damaged.exists() and damaged.stat().st_size == log.stat().st_size
    if readable_state(damaged) == state:
        return True
    if reached is not None:
        return (state.session, state.t_us) in reached.get(log.name, ())
    on_stick = readable_state(place(folder / log.name, state))
    return on_stick is not None and on_stick.rows >= state.rows


def _quarantined_target(folder: Path, name: str, size: int) -> Path:
    """The path for a quarantined log of `size` bytes: its own name, or another if a different log has that name."""
    target = folder / name
    is_other = target.exists() and target.stat().st_size != size
    return target.with_name(f"{name}.{size}") if is_other else target


def _read_back(part: Path, progress: Callable[[float], None]) -> str:
    """The SHA-256 of the data on the stick itself, not in this machine's page cache."""
    descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return digest_of(part, progress)


def _prepared(stick: Path) -> Path:
    """Create the folder on the stick and remove unfinished copies. Raises DeviceError."""
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
    """Write a test block and remove it. Raises DeviceError."""
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
    """Raise FileNotFoundError if the stick is no longer mounted: the path is then a directory of the car."""
    if folder.stat().st_dev != device:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def _refusal(stick: Path, error: OSError) -> DeviceError:
    unknown = (f"it cannot be written: {error.strerror or error}", "use another stick")
    what, hint = _REFUSALS.get(error.errno or 0, unknown)
    return DeviceError(what, where=str(stick), hint=hint)
