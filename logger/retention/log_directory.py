"""The log directory on the card: survey its logs, protect them, remove them safely.

Only the recorder removes logs. A removal writes the name into `removed.jsonl`, then deletes `-shm`, `.db` and `-wal`,
and frees the file's bytes last. So a power cut leaves either a whole log, or a lone `-wal` that the next sweep
deletes; and the number in the name is never used again, since a laptop would take the new log for the removed one.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from firmware_bridge.errors import LogError
from logger.boundary.file_names import within
from logger.logfile.border import open_log_readonly, require_log_file
from logger.logfile.connect import has_wal
from logger.logfile.naming import LOG_PATTERN, REMOVED, is_quarantined, quarantined_in, removed
from logger.retention.rule import Stored
from logger.transfer import ledger
from logger.transfer.slow_delete import UnlinkedFile
from logger.transfer.state import read_extent

log = logging.getLogger(__name__)

Reach = tuple[int, int]
"""Extent of a log: session and t_us of its newest row. Any added row changes it."""

KEEP_TAIL = ".keep"
"""Suffix of a marker file beside a log, which protects the log."""
MAX_LOGS = 2000
"""Logs per survey at most; a season has some hundreds."""
_TAILS = ("", "-wal", "-shm")
"""Suffixes of a log's files."""


def delivered(folders: Iterable[Path]) -> dict[str, set[Reach]]:
    """How far each log has been downloaded, by name, from the ledgers in `folders`; a folder may be missing.

    A log is delivered if its extent equals a delivered one: a continued log has grown, and a shorter one is another
    log of the same name.
    """
    reached: dict[str, set[Reach]] = {}
    for folder in folders:
        for name, extents in ledger.reaches(folder).items():
            reached.setdefault(name, set()).update(extents)
    return reached


class LogDirectory:
    """One log directory. Not thread-safe: only the housekeeper's thread uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[Path, tuple[tuple[int, ...], Reach | None, int | None]] = {}
        self._unreadable: set[Path] = set()

    def survey(self, delivered: Mapping[str, Collection[Reach]]) -> list[Stored]:
        """Every log, including quarantined ones. Opens only what changed since the last survey. Raises OSError."""
        aside = (path for path in quarantined_in(self.folder) if not path.name.endswith("-wal"))
        paths = sorted((*self.folder.glob(LOG_PATTERN), *aside))[:MAX_LOGS]
        self._known = {path: self._known[path] for path in paths if path in self._known}
        return [self._examine(path, delivered.get(path.name, ())) for path in paths]

    def _examine(self, path: Path, delivered: Collection[Reach]) -> Stored:
        try:
            state = _state(path)
            if path not in self._known or self._known[path][0] != state:
                self._known[path] = state, *_extent(path)
            _, how_far, utc_us = self._known[path]
            return Stored(
                path,
                size_bytes(path),
                utc_us,
                is_readable=how_far is not None,
                # A quarantined file and its WAL are copied separately: which copy has both is not known.
                is_delivered=how_far in delivered and not (is_quarantined(path.name) and has_wal(path)),
                is_protected=is_protected(path),
            )
        except Exception as error:  # noqa: BLE001 - one bad log stays and must not stop the survey
            if path not in self._unreadable:
                log.warning("%s: cannot be examined, so it is kept: %s", printable_name(path), error)
            self._unreadable.add(path)
            return Stored(path, size_bytes(path), is_readable=False)

    def remove(self, path: Path, why: str) -> UnlinkedFile:
        """Delete a log; its space is freed when the returned file is freed. Raises OSError."""
        if path.name not in removed(self.folder):  # else noted by an earlier try
            with suppress(OSError):  # a full card cannot store the note: freeing space comes first
                _note(self.folder / REMOVED, {"log": path.name, "why": why})
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        unlinked = UnlinkedFile(path)
        with suppress(OSError):  # the next sweep tries again
            path.with_name(path.name + "-wal").unlink(missing_ok=True)
        return unlinked

    def sweep(self) -> None:
        """Delete what a power cut left of a removal; what cannot be deleted now waits for the next sweep."""
        for name in removed(self.folder):
            with suppress(OSError):
                if not within(self.folder, name).exists():
                    for tail in ("-wal", "-shm"):
                        within(self.folder, name + tail).unlink(missing_ok=True)


def size_bytes(path: Path) -> int:
    """Size of a log on the card, including its WAL and shared memory; 0 when it is gone."""
    return sum(stat.st_size for stat in _stats(path, _TAILS))


def printable_name(path: Path) -> str:
    """A log's name for people, with each unprintable character replaced."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in path.name)


def is_protected(path: Path) -> bool:
    """Whether the user has protected a log."""
    return path.with_name(path.name + KEEP_TAIL).exists()


def protected(folder: Path) -> list[Path]:
    """The protected logs in a folder, also those that are gone, sorted. Raises LogError."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(KEEP_TAIL))
    except OSError as error:
        hint = "name the folder of the logs, that of [log] directory"
        raise LogError(f"cannot be listed: {error.strerror}", where=str(folder), hint=hint) from error
    return [folder / name.removesuffix(KEEP_TAIL) for name in names]


def protect(path: Path, *, on: bool = True) -> None:
    """Protect a log, or with `on=False` end its protection. Raises LogError."""
    mark = path.with_name(path.name + KEEP_TAIL)
    try:
        if on or not mark.exists():
            require_log_file(path)
        if on:
            mark.touch()
        else:
            mark.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, LogError):
            raise
        hint = "only the recorder's user and root may write there: try again with sudo"
        raise LogError(f"cannot be written: {error.strerror}", where=str(mark), hint=hint) from error


def _extent(path: Path) -> tuple[Reach | None, int | None]:
    """Extent of a log and its last UTC from GPS; None for what cannot be read."""
    try:
        with open_log_readonly(path) as connection:
            last = connection.execute("SELECT utc_us FROM clock ORDER BY rowid DESC LIMIT 1").fetchone()
            session, t_us, _ = read_extent(connection)
    except LogError:
        return None, None
    utc_us = last[0] if last else None
    if not isinstance(utc_us, int):  # a damaged page may hold any value
        utc_us = None
    return (session, t_us), utc_us


def _state(path: Path) -> tuple[int, ...]:
    """A value that differs when a log has changed."""
    stats = _stats(path, ("", "-wal"))
    return tuple(number for stat in stats for number in (stat.st_ino, stat.st_size, stat.st_mtime_ns))


def _stats(path: Path, tails: Iterable[str]) -> list[os.stat_result]:
    stats = []
    for tail in tails:
        with suppress(OSError):
            stats.append(path.with_name(path.name + tail).stat())
    return stats


def _note(path: Path, entry: Mapping[str, str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())
