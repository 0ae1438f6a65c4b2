"""Logs that the recorder set aside as damaged (logfile.open_or_quarantine): `X.db.damaged-1`, perhaps with its `-wal`.

Nobody writes to them any more, and SQLite may make nothing of them, so each file is carried as it is, by its own name.
"""

from __future__ import annotations

import re
from pathlib import Path

from logger.logfile.naming import LOG_PATTERN

_ASIDE = re.compile(r".+\.db\.damaged-\d+(-wal)?", re.ASCII | re.DOTALL)


def is_aside(name: str) -> bool:
    """Whether a file of this name was set aside, the write-ahead log beside it included."""
    return _ASIDE.fullmatch(name) is not None


def aside_in(folder: Path) -> list[Path]:
    """What was set aside in a folder."""
    return [path for path in folder.glob(f"{LOG_PATTERN}.damaged-*") if is_aside(path.name)]
