"""Plugins of the test run, and the fixture of a drive that several tests share."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.logger.command_line import stagelog

pytest_plugins = (
    "tests.examples",
    "tests.figures",
    "tests.kinds",
    "tests.same_environment",
    "tests.sampling",
    "tests.second_look",
)

STAGE = "dakar-2026-11"
TIMED = "2"
"""The timed section, counted from 1."""
DRIVE_S = 500.0
"""Time limit: 3.5 hours of three cars take about 25 s on two idle cores, which all tests share."""


@pytest.fixture(scope="session")
def three_cars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Logs of the cars 501 to 503 over stage 11's timed section, by `stagelog simulate`. Tests do not write to them.

    The first worker that needs them makes them, once per run of the tests; the other workers wait.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # shared by all workers
    folder = base / "three-cars"
    with (base / "three-cars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = base / "three-cars.part"
            simulated = stagelog(
                "simulate", STAGE, "-o", part, "--section", TIMED, "--can-rate", "1",
                folder=base, patience_s=DRIVE_S,
            )  # fmt: skip
            assert simulated.code == 0, simulated.err
            assert simulated.out.splitlines() == sorted(map(str, part.iterdir()))
            part.rename(folder)
    return sorted(folder.iterdir())
