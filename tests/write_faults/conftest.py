"""Fixture with the inputs of the write faults, created once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.write_faults.inputs import make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the inputs, to be copied."""
    return make_template(tmp_path_factory.mktemp("faults") / "template")
