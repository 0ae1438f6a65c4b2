"""What holds for every test, and the drive that several of them look at."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.logger.command_line import stagelog

pytest_plugins = ("tests.examples", "tests.figures", "tests.kinds", "tests.sampling", "tests.second_look")

STAGE = "dakar-2026-11"
TIMED = "2"
"""The timed section, counted from 1."""
DRIVE_S = 500.0
"""Three and a half hours of three cars: some 25 s on two cores of their own, and all tests have but two."""


@pytest.fixture(scope="session")
def three_cars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Stage 11's timed section by `stagelog simulate`: the logs of the cars 501 to 503. Nobody writes into them.

    Made once a run of the tests, by the first worker that needs them; the others wait for it.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # one for all workers
    folder = place / "three-cars"
    with (place / "three-cars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = place / "three-cars.part"
            made = stagelog(
                "simulate", STAGE, "-o", part, "--section", TIMED, "--can-rate", "1",
                folder=place, patience_s=DRIVE_S,
            )  # fmt: skip
            assert made.code == 0, made.err
            assert made.out.splitlines() == sorted(map(str, part.iterdir()))
            part.rename(folder)
    return sorted(folder.iterdir())
