"""How many examples a property is tried with: few in `--fast` runs, many in CI."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

_FAST, _CI = 0.1, 2.0
"""Shares of the number that a test names."""
_LEAST = 5
_USUAL = 100
_share = 1.0


def pytest_configure(config: pytest.Config) -> None:
    """Choose the share before the tests are imported, and the number for tests that name none."""
    global _share  # noqa: PLW0603 - decorators are called at import
    _share = _FAST if config.getoption("--fast") else _CI if os.environ.get("CI") == "true" else 1.0
    # A shared machine may stall any example; what is slow is for tests/bench to say.
    settings.register_profile("stagelog", examples(_USUAL), deadline=None)
    settings.load_profile("stagelog")


def examples(count: int) -> settings:
    """The settings of a property that `count` examples are enough for on an engineer's machine."""
    return settings(max_examples=max(_LEAST, round(count * _share)))
