"""Number of Hypothesis examples per property: few in `--fast` runs, many in CI."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

_FAST, _CI = 0.1, 1.0
"""Factors on the number that a test asks for."""
_MIN = 5
_USUAL = 100
_factor = 1.0


def pytest_configure(config: pytest.Config) -> None:
    """Set the factor before the tests are imported, and the default number of examples."""
    global _factor  # noqa: PLW0603 - decorators are called at import
    _factor = _FAST if config.getoption("--fast") else _CI if os.environ.get("CI") == "true" else 1.0
    # No deadline: a shared machine may stall any example. tests/bench measures speed.
    settings.register_profile("stagelog", examples(_USUAL), deadline=None)
    settings.load_profile("stagelog")


def examples(count: int) -> settings:
    """Settings with `count` examples on an engineer's machine, fewer in `--fast` runs, more in CI."""
    return settings(max_examples=max(_MIN, round(count * _factor)))
