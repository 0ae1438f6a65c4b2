"""A short run of each fuzz target with fixed inputs; `python -m tests.fuzz` runs longer."""

from __future__ import annotations

import pytest

from tests.figures import Figures
from tests.fuzz.running import TARGETS, run

INPUTS, SLOW = 300, {"log": 12, "resume": 40, "itinerary": 40, "dbc": 40, "openrally": 60}


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_neither_crashes_nor_hangs(name: str, figures: Figures) -> None:
    done = run(name, most=SLOW.get(name, INPUTS), seconds=20.0, seed=2)
    assert not done.failures, "\n".join(done.failures.values())
    figures.tried(f"fuzzed inputs to {len(TARGETS)} decoders and readers, no crash and no hang", done.inputs)
