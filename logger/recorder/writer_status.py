"""The writer's status for the live state and the status line."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class WriterStatus(NamedTuple):
    """The writer's status. `lag_s` is the age of the oldest row that is not on the card."""

    path: Path
    session: int
    rows: int
    frames: int
    fixes: int
    lag_s: float
    dropped: int
    commits: int
    trouble: str

    @property
    def ok(self) -> bool:
        """Whether rows reach the card."""
        return not self.trouble
