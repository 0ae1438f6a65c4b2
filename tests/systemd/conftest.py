"""The Debian package, built once for all tests of it, whatever worker has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.debian import built_packages


@pytest.fixture(scope="session")
def packages(testrun_uid: str) -> Iterator[Path]:
    """A folder with old.deb, new.deb and answers."""
    with built_packages(testrun_uid) as folder:
        yield folder
