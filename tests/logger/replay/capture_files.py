"""Captures of other programs, and their frames as the replay reads them."""

from __future__ import annotations

from pathlib import Path

from logger.replay.replay import Capture
from logger.replay.replay_to_log import Outcome, replay
from tests.field_failures.recorder_process import query

CASES = Path(__file__).parents[2] / "field_cases"
Frames = list[tuple[int, int, int, str]]


def replayed(path: Path, folder: Path) -> tuple[Outcome, Path]:
    """Replay a capture into a log in `folder`; return the outcome and the log."""
    outcome = replay(Capture(path), folder, lambda _done: None)
    assert outcome.log is not None
    return outcome, outcome.log


def frames(path: Path, folder: Path) -> Frames:
    """(t_us, bus, can_id, data in hex) of all frames. The first frame is at 1 us: its beat is at 0."""
    _, log = replayed(path, folder)
    return query(log, "SELECT t_us - (t_us = 1), bus, can_id, lower(hex(data)) FROM frame ORDER BY rowid")  # type: ignore[return-value]


def text(folder: Path, lines: str, name: str = "capture.log") -> Path:
    """Write a capture."""
    path = folder / name
    path.write_text(lines)
    return path


FULL, THREE = "1122334455667788", "010203"
"""Payloads of eight and of three bytes in the captures."""
