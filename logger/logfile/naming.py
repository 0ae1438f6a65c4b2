"""What a log is called: the stage, the car and a counter, never the clock (a Pi wakes up in 1970).

A power-cycle in mid-stage goes on in the same file. Without a stage there is nothing to tell one drive from
the next but the power-on itself, so each boot begins a new file, and a restart within it goes on.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from firmware_bridge.errors import LogError
from logger.boundary import untrusted_json
from logger.boundary.file_names import is_file_name
from logger.logfile.border import odd_neighbour, open_log_readonly
from logger.logfile.schema import NewerLogError

LOG_PATTERN = "*.db"
"""How logs are named, in any folder."""
REMOVED = "removed.jsonl"
"""The logs that had to go, a JSON object a line: their numbers are not given to others."""
_REMOVED_BYTES = 1024 * 1024
"""Read of it at most, from its end: ten thousand logs."""


def stem(stage_key: str | None, car_number: int | None) -> str:
    """The name of a log without its counter, such as "dakar-2026-11-car-500"."""
    words = stage_key or "drive"
    if car_number is not None:
        words = f"{words} car {car_number}"
    return slug(words)


def slug(text: str) -> str:
    """Text as a file name: lower-case letters, digits and single dashes; "log" when nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "log"


def choose(directory: Path, name: str, *, boot_id: str | None) -> Path:
    """The file to record into: the newest of this name, or the next number.

    `boot_id` None resumes whatever is there (a stage); otherwise only a log last written in the same boot. One that a
    later version has begun, or that belongs to somebody else, is left as it is: a car that went back to an older
    stagelog, or was once tried as root, records nevertheless.
    """
    found = logs_named(directory, name)
    if found and found[-1][1].is_file() and _may_go_on(found[-1][1]):
        _, newest = found[-1]
        if boot_id is None or _last_boot_id(newest) in (boot_id, None):
            return newest
    return next_free(directory, name)


def next_free(directory: Path, name: str) -> Path:
    """The file after the newest of this name that there ever was."""
    numbers = [number for number, _ in logs_named(directory, name)]
    numbers += [number for gone in removed(directory) if (number := _counter(gone, name)) is not None]
    return directory / f"{name}-{max(numbers, default=0) + 1:03d}.db"


def logs_named(directory: Path, name: str) -> list[tuple[int, Path]]:
    """The logs of one name in a folder, with their counters, in that order."""
    return sorted(
        (counter, path)
        for path in directory.glob(f"{name}-*.db")
        if (counter := _counter(path.name, name)) is not None
    )


def removed(directory: Path) -> list[str]:
    """Names of logs that had to go; a note that cannot be read costs only itself."""
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


def _may_go_on(path: Path) -> bool:
    """Whether this version may add to a log, as far as can be seen: what is damaged is dealt with when it is opened."""
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
    """The boot of a log's newest session; None when it cannot be read, which opening it will deal with."""
    try:
        with open_log_readonly(path) as connection:
            row = connection.execute("SELECT boot_id FROM session ORDER BY id DESC LIMIT 1").fetchone()
    except LogError:
        return None
    return None if row is None else str(row[0])


_ASIDE = re.compile(r".+\.db\.damaged-\d+(-wal)?", re.ASCII | re.DOTALL)


def is_aside(name: str) -> bool:
    """Whether a file of this name was set aside, the write-ahead log beside it included."""
    return _ASIDE.fullmatch(name) is not None


def aside_in(folder: Path) -> list[Path]:
    """What was set aside in a folder."""
    return [path for path in folder.glob(f"{LOG_PATTERN}.damaged-*") if is_aside(path.name)]
