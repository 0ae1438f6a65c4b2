"""Gathering from the log folder: what lies there, and whether the newest log is whole. Never writes (`mode=ro`)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from firmware_bridge.errors import LogError
from logger.doctor.judge_storage import Shelf
from logger.logfile import border, reader
from logger.logfile.naming import is_quarantined
from logger.retention import log_directory, rule

CHECK_S = 5.0
"""A look through the newest log may take so long: about a hundred megabytes from a card."""
_STEP = 10_000
"""SQLite's instructions between two looks at the clock."""


def look(folder: Path, ledgers: Iterable[Path], in_use: Collection[Path]) -> Shelf:
    """The logs in a folder; `in_use` are being recorded. Raises PermissionError where they may not be read."""
    if not folder.is_dir():
        return Shelf()
    next(folder.iterdir(), None)  # `glob` takes a folder that may not be read for an empty one
    surveyed = log_directory.LogDirectory(folder).survey(log_directory.delivered(ledgers))
    stored = rule.oldest_first(log for log in surveyed if not is_quarantined(log.path.name))
    newest = next((log for log in stored if log.path in in_use), stored[-1] if stored else None)
    if newest is not None and not newest.path.is_file():
        newest = None  # a folder or a pipe that has a log's name
    if newest is not None:
        newest.path.open("rb").close()  # SQLite takes a log that may not be read for a damaged one
    wals = {
        path.name.removesuffix("-wal"): path.stat().st_size
        for path in folder.glob("*.db-wal")
        if path.exists()
    }
    name = max(wals, key=lambda log: wals[log], default="")
    missing = sum(log.size_bytes for log in stored if not log.is_delivered and log.path not in in_use)
    return Shelf(
        logs=len(stored),
        newest=newest.path.name if newest else "",
        problems=_problems(newest.path) if newest else (),
        cut_short=_cut_short(newest.path, newest.path in in_use) if newest else 0,
        set_aside=tuple(
            sorted(path.name for path in folder.glob("*.damaged-*") if path.suffix[-1:].isdigit())
        ),
        longest_wal=(name, wals.get(name, 0)),
        not_fetched_mb=missing // 1_000_000,
    )


def _problems(path: Path) -> tuple[str, ...] | None:
    """What SQLite finds wrong with a log's pages; None if there was no time to look at all of them."""
    until_s = time.monotonic() + CHECK_S
    try:
        with border.open_log_readonly(path) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > until_s, _STEP)
            try:
                said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    return None
                raise
    except LogError as error:
        return (error.what,)
    return tuple(word for word in said if word != "ok")


def _cut_short(path: Path, is_in_use: bool) -> int:
    """Sessions that ended without a word; the present one has not ended."""
    try:
        sessions = reader.info(path).sessions
    except LogError:
        return 0
    return sum(session.ended is None for session in sessions) - is_in_use
