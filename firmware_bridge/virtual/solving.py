"""Root finder for increasing functions (Chandrupatla's method).

Advances in Engineering Software 28, 1997. The root stays bracketed as in bisection; where three points are close enough
to linear, inverse quadratic interpolation gives the next point. A dozen evaluations replace fifty bisections.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_STEPS = 120
"""Bound on steps: twice what bisection alone takes to the last bit of a float."""
TOLERANCE = 2.0**-53
"""Relative to the larger end of the bracket: the last bit of a float."""


def zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of a non-decreasing function between `low` and `high`, or the end nearest to it."""
    near, far = function(high), function(low)
    if near <= 0.0:
        return high
    if far >= 0.0:
        return low
    tolerance = TOLERANCE * max(abs(low), abs(high))
    # `a` is the newest point, the root lies between it and `b`, and `c` is the point before.
    a, b, c = high, low, high
    at_a, at_b, at_c = near, far, near
    share = 0.5
    for _ in range(MAX_STEPS):
        point = a + share * (b - a)
        value = function(point)
        if (value > 0.0) == (at_a > 0.0):
            c, at_c = a, at_a
        else:
            b, at_b, c, at_c = a, at_a, b, at_b
        a, at_a = point, value
        least_share = tolerance / abs(b - a) if a != b else 1.0
        if value == 0.0 or least_share > 0.5:
            break
        share = _share(a, b, c, at_a, at_b, at_c)
        share = min(1.0 - least_share, max(least_share, share))
    return a if abs(at_a) < abs(at_b) else b


def _share(a: float, b: float, c: float, at_a: float, at_b: float, at_c: float) -> float:
    """Return the next point as a fraction of the way from `a` to `b`: by interpolation if it is safe, else 0.5."""
    if at_c in (at_a, at_b):
        return 0.5
    xi, phi = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
    if not 1.0 - (1.0 - xi) ** 0.5 < phi < xi**0.5:
        return 0.5
    first = at_a / (at_b - at_a) * at_c / (at_b - at_c)
    return first + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
