"""The name that a log gets in a folder where logs are brought to: a laptop's, a stick's."""

from __future__ import annotations

from pathlib import Path

from logger.file_names import within
from logger.transfer.snapshot import readable_state
from logger.transfer.state import IDENTITY_DIGITS, LogState

DAMAGED_TAIL = ".damaged"
"""Behind the name of a log that was damaged in the car already: it is kept, and nothing takes it for a log."""


def place(folder: Path, name: str, state: LogState) -> Path:
    """Where a log belongs: under its name, or beside another log that has this name in the folder.

    Raises LogError for what is not a file's name.
    """
    target = within(folder, name, room_bytes=1 + IDENTITY_DIGITS)
    there = readable_state(target) if target.exists() else state
    is_it = there is not None and there.identity == state.identity
    return target if is_it else target.with_stem(f"{target.stem}.{state.identity}")
