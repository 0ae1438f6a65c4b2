"""A connection to a log, whole or what is left of one that was cut short: a broken download, a full stick."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from logger.logfile.border import has_wal, open_cut_short, open_log_readonly

PAGES_AT = 28
"""Where SQLite's header says how many pages the file has; at 16 how large they are (1 means 65,536)."""


def log_connection(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    """A connection that can only read. Raises LogError."""
    return open_cut_short(path) if _is_cut_short(path) else open_log_readonly(path)


def _is_cut_short(path: Path) -> bool:
    """Whether a log is shorter than its header says: SQLite would not even open it."""
    with path.open("rb") as file:
        head = file.read(PAGES_AT + 4)
    page_bytes = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[PAGES_AT:], "big")
    return path.stat().st_size < pages * (page_bytes if page_bytes > 1 else 65_536) and not has_wal(path)
