"""Probe the log directory: list the logs and check the newest one. Never writes (`mode=ro`)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from firmware_bridge.errors import LogError
from logger.doctor.judge_storage import LogInventory
from logger.logfile import border, reader
from logger.logfile.naming import is_quarantined
from logger.retention import log_directory, rule

CHECK_S = 5.0
"""Time limit for checking the newest log: about a hundred megabytes from a card."""
_STEP = 10_000
"""SQLite virtual machine instructions between two checks of the time."""


def probe(folder: Path, ledgers: Iterable[Path], in_use: Collection[Path]) -> LogInventory:
    """The logs in a directory; `in_use` are being recorded. Raises PermissionError if it cannot be read."""
    if not folder.is_dir():
        return LogInventory()
    next(folder.iterdir(), None)  # raises PermissionError, which `glob` would hide
    surveyed = log_directory.LogDirectory(folder).survey(log_directory.delivered(ledgers))
    stored = rule.oldest_first(log for log in surveyed if not is_quarantined(log.path.name))
    newest = next((log for log in stored if log.path in in_use), stored[-1] if stored else None)
    if newest is not None and not newest.path.is_file():
        newest = None  # a directory or a pipe with the name of a log
    if newest is not None:
        newest.path.open("rb").close()  # raises PermissionError, which SQLite would report as damage
    wals = {
        path.name.removesuffix("-wal"): path.stat().st_size
        for path in folder.glob("*.db-wal")
        if path.exists()
    }
    name = max(wals, key=lambda log: wals[log], default="")
    missing = sum(log.size_bytes for log in stored if not log.is_delivered and log.path not in in_use)
    return LogInventory(
        logs=len(stored),
        newest=newest.path.name if newest else "",
        problems=_problems(newest.path) if newest else (),
        cut_short=_cut_short(newest.path, newest.path in in_use) if newest else 0,
        quarantined=tuple(
            sorted(path.name for path in folder.glob("*.damaged-*") if path.suffix[-1:].isdigit())
        ),
        longest_wal=(name, wals.get(name, 0)),
        not_fetched_mb=missing // 1_000_000,
    )


def _problems(path: Path) -> tuple[str, ...] | None:
    """Problems that SQLite finds in a log's pages; None if the check takes longer than `CHECK_S`."""
    until_s = time.monotonic() + CHECK_S
    try:
        with border.open_log_readonly(path) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > until_s, _STEP)
            try:
                results = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    return None
                raise
    except LogError as error:
        return (error.what,)
    return tuple(result for result in results if result != "ok")


def _cut_short(path: Path, is_in_use: bool) -> int:
    """The number of sessions without an end row, except the present one."""
    try:
        sessions = reader.info(path).sessions
    except LogError:
        return 0
    return sum(session.ended is None for session in sessions) - is_in_use
