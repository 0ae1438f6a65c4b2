"""One log for all tests of this folder: none of them can write to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.logger.export.logs_made import make


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("export") / "a.db")


@pytest.fixture(scope="session")
def timeless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("export") / "timeless.db", timed=False)
