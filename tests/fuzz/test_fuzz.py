"""The fuzzers for a moment, always with the same inputs; `python -m tests.fuzz` goes on for as long as one likes."""

from __future__ import annotations

import pytest

from tests.figures import Figures
from tests.fuzz.running import TARGETS, run

INPUTS, SLOW = 300, {"log": 12, "resume": 40, "itinerary": 40, "dbc": 40, "openrally": 60}


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_is_survived(name: str, figures: Figures) -> None:
    done = run(name, most=SLOW.get(name, INPUTS), seconds=20.0, seed=2)
    assert not done.found, "\n".join(done.found.values())
    figures.tried(f"fuzzed inputs to {len(TARGETS)} decoders and readers, no crash, no hang", done.inputs)
