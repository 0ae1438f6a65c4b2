"""The folder of logs on the card: what stands there, and how a log is taken away.

Only the recorder removes anything. A removal goes: the name into `removed.jsonl`, then `-shm`, `.db`, `-wal`, and when
the log has no name any more, its bytes. So a power cut in between leaves a whole log, or a lone `-wal` that is swept up
later; and the number in its name is never given to another log, which a laptop would take for the one that is gone.
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
from logger.logfile.border import has_wal, open_log_readonly
from logger.logfile.naming import LOG_PATTERN, REMOVED, aside_in, is_aside, removed
from logger.retention.rule import Stored
from logger.transfer import ledger
from logger.transfer.slow_delete import Nameless
from logger.transfer.state import read_state

log = logging.getLogger(__name__)

Reach = tuple[int, int]
"""How far a log goes: the session and t_us of its newest row. It is another as soon as a row is added."""

KEEP_TAIL = ".keep"
"""A file of this name beside a log protects it."""
MOST_LOGS = 2000
"""Looked at in one survey; a season has some hundreds."""
_TAILS = ("", "-wal", "-shm")
"""What belongs to a log."""


def delivered(folders: Iterable[Path]) -> dict[str, set[Reach]]:
    """How far each log has been downloaded, by name, as the ledgers in some folders tell; a folder may be missing.

    A log counts as delivered when it goes exactly so far: one that goes on has grown, and one that ends before is
    another log of the same name.
    """
    reached: dict[str, set[Reach]] = {}
    for folder in folders:
        for name, found in ledger.reaches(folder).items():
            reached.setdefault(name, set()).update(found)
    return reached


class Shelf:
    """One folder. Not thread-safe: the housekeeper's thread looks through it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[Path, tuple[tuple[int, ...], Reach | None, int | None]] = {}
        self._odd: set[Path] = set()

    def survey(self, delivered: Mapping[str, Collection[Reach]]) -> list[Stored]:
        """Every log, also what was set aside; one that has not changed since is not opened again. Raises OSError."""
        aside = (path for path in aside_in(self.folder) if not path.name.endswith("-wal"))
        paths = sorted((*self.folder.glob(LOG_PATTERN), *aside))[:MOST_LOGS]
        self._known = {path: self._known[path] for path in paths if path in self._known}
        return [self._look_at(path, delivered.get(path.name, ())) for path in paths]

    def _look_at(self, path: Path, delivered: Collection[Reach]) -> Stored:
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
                # Of what was set aside, the file and its WAL are carried by themselves: who has which is not known.
                is_delivered=how_far in delivered and not (is_aside(path.name) and has_wal(path)),
                is_protected=is_protected(path),
            )
        except Exception as error:  # noqa: BLE001 - whatever one log leads to: it stays, and the others are looked at
            if path not in self._odd:
                log.warning("%s: cannot be looked at, so it stays: %s", name_in_words(path), error)
            self._odd.add(path)
            return Stored(path, size_bytes(path), is_readable=False)

    def remove(self, path: Path, why: str) -> Nameless:
        """Take a log away for good; its room comes back when what is returned is freed. Raises OSError."""
        if path.name not in removed(self.folder):  # else it was tried before, and is perhaps again and again
            with suppress(OSError):  # a card that is full to the last byte takes no note: room comes first
                _note(self.folder / REMOVED, {"log": path.name, "why": why})
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        nameless = Nameless(path)
        with suppress(OSError):  # the next sweep tries again
            path.with_name(path.name + "-wal").unlink(missing_ok=True)
        return nameless

    def sweep(self) -> None:
        """What a power cut left of a removal; what cannot be taken away now is the next sweep's."""
        for name in removed(self.folder):
            with suppress(OSError):
                if not within(self.folder, name).exists():
                    for tail in ("-wal", "-shm"):
                        within(self.folder, name + tail).unlink(missing_ok=True)


def size_bytes(path: Path) -> int:
    """What a log takes on the card, with what lies beside it; 0 when it is gone."""
    return sum(stat.st_size for stat in _stats(path, _TAILS))


def name_in_words(path: Path) -> str:
    """A log's name in a line for people, whatever bytes it is made of: no page, journal or log takes them all."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in path.name)


def is_protected(path: Path) -> bool:
    """Whether somebody has said that a log stays."""
    return path.with_name(path.name + KEEP_TAIL).exists()


def protect(path: Path, *, on: bool = True) -> None:
    """Say that a log stays, or that it need not any longer. Raises LogError."""
    mark = path.with_name(path.name + KEEP_TAIL)
    try:
        if not path.is_file() and (on or not mark.exists()):
            hint = "`stagelog logs DIR` lists the logs in one"
            raise LogError("no such log", where=str(path), hint=hint)
        if on:
            mark.touch()
        else:
            mark.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, LogError):
            raise
        hint = "only the recorder's user and root may write there: try it with sudo"
        raise LogError(f"cannot be written: {error.strerror}", where=str(mark), hint=hint) from error


def _extent(path: Path) -> tuple[Reach | None, int | None]:
    """How far a log goes and the last time that GPS told it; None for what cannot be read."""
    try:
        with open_log_readonly(path) as connection:
            last = connection.execute("SELECT utc_us FROM clock ORDER BY rowid DESC LIMIT 1").fetchone()
            state = read_state(connection)
    except LogError:
        return None, None
    utc_us = last[0] if last else None
    if not isinstance(utc_us, int):  # a damaged page has anything
        utc_us = None
    return (state.session, state.t_us), utc_us


def _state(path: Path) -> tuple[int, ...]:
    """Differs when a log has changed."""
    stats = _stats(path, ("", "-wal"))
    return tuple(number for stat in stats for number in (stat.st_ino, stat.st_size, stat.st_mtime_ns))


def _stats(path: Path, tails: Iterable[str]) -> list[os.stat_result]:
    found = []
    for tail in tails:
        with suppress(OSError):
            found.append(path.with_name(path.name + tail).stat())
    return found


def _note(path: Path, entry: Mapping[str, str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())
