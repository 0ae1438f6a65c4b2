"""Logs shared read-only by all tests of this folder."""

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
