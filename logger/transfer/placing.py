"""The name that a log gets in a folder where logs are brought to: a laptop's, a stick's."""

from __future__ import annotations

from pathlib import Path

from logger.transfer.snapshot import readable_state
from logger.transfer.state import LogState

DAMAGED_TAIL = ".damaged"
"""Behind the name of a log that was damaged in the car already: it is kept, and nothing takes it for a log."""


def place(target: Path, state: LogState) -> Path:
    """Where a log belongs: at `target`, or beside another log that is there."""
    there = readable_state(target) if target.exists() else state
    is_it = there is not None and there.identity == state.identity
    return target if is_it else target.with_stem(f"{target.stem}.{state.identity}")
