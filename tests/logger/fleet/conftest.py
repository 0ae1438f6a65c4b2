"""Logs shared read-only by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from logger.config import configuration as configs
from logger.fleet.store import Store
from tests.logger import drives


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Logs of cars 71 and 72 on the short stage."""
    folder = tmp_path_factory.mktemp("pair")
    logs = []
    for number, seconds in ((71, 600), (72, 620)):
        car = configs.Car(number, "", "Stock", (f"Driver {number}",))
        seen = drives.fixes(drives.plan(seconds), 1)
        logs.append(drives.write_log(folder / f"test-7-car-{number}-001.db", seen, car))
    return logs


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(str(tmp_path / "store"))
