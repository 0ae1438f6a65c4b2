"""Fixture with the inputs of the write faults, created once."""

from __future__ import annotations

import compileall
from pathlib import Path

import pytest

from tests.write_faults.inputs import make_template

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("firmware_bridge", "logger")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the inputs, to be copied.

    The project's modules are compiled, as other workers of the tests would do between two runs: the n-th file that a
    run opens is then the n-th of the next.
    """
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)
    return make_template(tmp_path_factory.mktemp("faults") / "template")
