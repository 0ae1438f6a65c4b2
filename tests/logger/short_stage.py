"""A stage of a few minutes, for tests that need a whole simulated log."""

from __future__ import annotations

from pathlib import Path

from tests.logger.command_line import stagelog

TEXT = """
[stage]
event = "Test"
number = 7
name = "There and back"
date = 2026-01-15

[[section]]
kind = "liaison"
name = "Out"
length_km = 2.0
"""
LOG = "test-7-car-1-001.db"
RATES = ("--gps-hz", "5", "--can-rate", "100")
FEW = ("--gps-hz", "1", "--can-rate", "5")
"""For a log of few pages."""


def simulated(folder: Path, rates: tuple[str, ...] = RATES) -> Path:
    """Simulate the stage with `stagelog simulate`; returns its log."""
    (folder / "short.toml").write_text(TEXT)
    ended = stagelog(
        *("simulate", "short.toml", "-o", "logs", "--section", "1", *rates),
        folder=folder,
    )
    assert ended.code == 0, ended.err
    assert ended.out.split() == [f"logs/{LOG}"]
    return folder / "logs" / LOG
