"""Log file names: stage, car and a counter, never the clock (a Pi without an RTC starts in 1970).

After a power cycle in mid-stage, recording resumes in the same file. Without a stage only the power-on separates one
drive from the next, so each boot begins a new file, and a restart within the same boot resumes it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from firmware_bridge.errors import LogError
from logger.boundary import untrusted_json
from logger.boundary.file_names import is_file_name
from logger.logfile.border import open_log_readonly
from logger.logfile.connect import odd_neighbour
from logger.logfile.schema import NewerLogError

LOG_PATTERN = "*.db"
"""The file name pattern of logs, in any folder."""
REMOVED = "removed.jsonl"
"""A list of removed logs, one JSON object per line; their numbers are not reused."""
_REMOVED_BYTES = 1024 * 1024
"""Only this much is read, from the end: ten thousand logs."""


def stem(stage_key: str | None, car_number: int | None) -> str:
    """The name of a log without its counter, such as "dakar-2026-11-car-500"."""
    words = stage_key or "drive"
    if car_number is not None:
        words = f"{words} car {car_number}"
    return slug(words)


def slug(text: str) -> str:
    """Text as a file name: lower-case letters, digits and single dashes; "log" if nothing remains."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "log"


def choose(directory: Path, name: str, *, boot_id: str | None) -> Path:
    """The file to record into: the newest of this name, or the next number.

    `boot_id` None resumes the newest log (a stage); otherwise only a log last written in the same boot. A log that a
    later version began, or that belongs to another user, is left alone: a car that went back to an older stagelog, or
    once ran it as root, still records.
    """
    logs = logs_named(directory, name)
    if logs and logs[-1][1].is_file() and _is_resumable(logs[-1][1]):
        _, newest = logs[-1]
        if boot_id is None or _last_boot_id(newest) in (boot_id, None):
            return newest
    return next_free(directory, name)


def next_free(directory: Path, name: str) -> Path:
    """The file after the highest number that this name ever had."""
    numbers = [number for number, _ in logs_named(directory, name)]
    numbers += [
        number for file_name in removed(directory) if (number := _counter(file_name, name)) is not None
    ]
    return directory / f"{name}-{max(numbers, default=0) + 1:03d}.db"


def logs_named(directory: Path, name: str) -> list[tuple[int, Path]]:
    """The logs of one name in a folder, as (counter, path), sorted by counter."""
    return sorted(
        (counter, path)
        for path in directory.glob(f"{name}-*.db")
        if (counter := _counter(path.name, name)) is not None
    )


def removed(directory: Path) -> list[str]:
    """Names of removed logs; unreadable lines are skipped."""
    names = []
    with suppress(OSError):
        for line in (directory / REMOVED).read_bytes()[-_REMOVED_BYTES:].splitlines():
            with suppress(ValueError, TypeError, KeyError):
                name = untrusted_json.loads(line)["log"]
                if is_file_name(name):
                    names.append(name)
    return names


def _counter(file_name: str, name: str) -> int | None:
    match = re.fullmatch(rf"{re.escape(name)}-(\d{{1,9}})\.db", file_name, re.ASCII)
    return int(match[1]) if match else None


def _is_resumable(path: Path) -> bool:
    """Whether this version may append to a log, as far as a reader can see; opening it handles damage."""
    if not os.access(path, os.W_OK):
        return False
    if odd_neighbour(path) is not None:
        return True
    try:
        with open_log_readonly(path):
            return True
    except NewerLogError:
        return False
    except LogError:
        return True


def _last_boot_id(path: Path) -> str | None:
    """The boot of a log's newest session; None if it cannot be read, which opening it handles."""
    try:
        with open_log_readonly(path) as connection:
            row = connection.execute("SELECT boot_id FROM session ORDER BY id DESC LIMIT 1").fetchone()
    except LogError:
        return None
    return None if row is None else str(row[0])


_QUARANTINED = re.compile(r".+\.db\.damaged-\d+(-wal)?", re.ASCII | re.DOTALL)


def is_quarantined(name: str) -> bool:
    """Whether a file name is that of a quarantined log or its write-ahead log."""
    return _QUARANTINED.fullmatch(name) is not None


def quarantined_in(folder: Path) -> list[Path]:
    """The quarantined files in a folder."""
    return [path for path in folder.glob(f"{LOG_PATTERN}.damaged-*") if is_quarantined(path.name)]
