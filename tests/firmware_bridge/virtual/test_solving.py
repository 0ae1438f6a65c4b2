"""Root finder: exact to the last bit, few evaluations, nearest end without a root."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.virtual.solving import MAX_STEPS, zero

LOOKS = 2 + MAX_STEPS


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[[float], float]) -> None:
        self._function = function
        self.looks = 0

    def __call__(self, x: float) -> float:
        self.looks += 1
        return self._function(x)


@pytest.mark.parametrize(
    ("function", "low", "high", "expected", "looks"),
    [
        (lambda x: x - 0.3, 0.0, 1.0, 0.3, 8),
        (lambda x: x**3 - 2, 0.0, 10.0, 2 ** (1 / 3), 20),
        (lambda x: math.exp(x) - 1000, -7.0, 9.0, math.log(1000), 20),
        (lambda x: math.hypot(100, x) - 101, 0.0, 30.0, math.sqrt(201), 20),
        (lambda x: min(x, 3.0) - 2.999999, 0.0, 100.0, 2.999999, 60),
        (lambda x: math.copysign(1.0, x - math.pi), 0.0, 10.0, math.pi, 70),
    ],
)
def test_found_to_the_last_bits(
    function: Callable[[float], float], low: float, high: float, expected: float, looks: int
) -> None:
    counted = Counted(function)
    assert zero(counted, low, high) == pytest.approx(expected, rel=1e-15, abs=4e-16 * max(-low, high))
    assert counted.looks <= looks


@pytest.mark.parametrize(("offset", "end"), [(-5.0, 3.0), (5.0, 1.0), (-3.0, 3.0), (-1.0, 1.0)])
def test_without_a_root_the_nearest_end_is_returned(offset: float, end: float) -> None:
    assert zero(lambda x: x + offset, 1.0, 3.0) == end


@given(
    st.lists(st.floats(0.0, 1e6), min_size=2, max_size=30),
    st.floats(-1e6, 1e6),
)
def test_any_increasing_steps_give_the_same_root_as_bisection(steps: list[float], wanted: float) -> None:
    def function(x: float) -> float:
        whole = min(int(x), len(steps) - 1)
        return sum(steps[:whole]) + (x - whole) * steps[whole] - wanted

    counted = Counted(function)
    found = zero(counted, 0.0, float(len(steps)))
    assert counted.looks <= LOOKS
    low, high = 0.0, float(len(steps))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    scale = max(1.0, sum(steps), abs(wanted))
    assert function(found) == pytest.approx(function(high), abs=1e-12 * scale)
