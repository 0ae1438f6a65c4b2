"""Each test finds signals as a terminal's program does, and leaves the environment of the process as it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest


def pytest_configure() -> None:
    """Restore SIGINT, which a shell's background job ignores, and every program that a test starts from it too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Remove what a test's code adds to the environment: Dask leaves PYTHONSAFEPATH there for its workers."""
    before = dict(os.environ)
    yield
    added = os.environ.keys() - before.keys() - {"PYTEST_CURRENT_TEST"}
    for name in added:
        del os.environ[name]
