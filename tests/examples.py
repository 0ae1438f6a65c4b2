"""Number of Hypothesis examples per property, and whether they are new: in CI they are the same in each run."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

_FAST = 0.1
"""Factor on the number that a test asks for."""
_MIN = 5
_USUAL = 100
_factor = 1.0


def pytest_configure(config: pytest.Config) -> None:
    """Set the factor before the tests are imported, and the default number of examples."""
    global _factor  # noqa: PLW0603 - decorators are called at import
    _factor = _FAST if config.getoption("--fast") else 1.0
    # No deadline and no limit of the time that examples take to generate: a shared machine may stall any of them.
    # tests/bench measures speed. CI judges a change: the runs of its author find what older code has not shown yet.
    is_ci = os.environ.get("CI") == "true"
    settings.register_profile(
        "stagelog",
        examples(_USUAL),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=is_ci,
    )
    settings.load_profile("stagelog")


def examples(count: int) -> settings:
    """Settings with `count` examples, fewer in `--fast` runs."""
    return settings(max_examples=max(_MIN, round(count * _factor)))
