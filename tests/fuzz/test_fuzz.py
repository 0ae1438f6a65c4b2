"""The fuzzers for a moment, always with the same inputs; `python -m tests.fuzz` goes on for as long as one likes."""

from __future__ import annotations

import pytest

from tests.fuzz.running import TARGETS, run

INPUTS, SLOW = 300, {"log": 12, "resume": 40, "itinerary": 40, "dbc": 40, "openrally": 60}


_KNOWN = pytest.mark.xfail(
    strict=False,
    reason="store.open_log: SQLite's message about a damaged schema is no UTF-8, and that UnicodeDecodeError passes",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[_KNOWN] if name == "resume" else []) for name in TARGETS]
)
def test_damaged_input_is_survived(name: str) -> None:
    done = run(name, most=SLOW.get(name, INPUTS), seconds=20.0, seed=2)
    assert not done.found, "\n".join(done.found.values())
    print(f"fuzz: {name}, {done.inputs} inputs, no crash, no hang")
