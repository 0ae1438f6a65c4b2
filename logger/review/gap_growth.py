"""Find the stretches of road in which a gap grew most.

A stretch counts where the gap grows faster than `TIMES_USUAL` its usual rate; its ends are where it stops doing so. So
a stop, which takes minutes within metres, is one short stretch, and a slow hour is one long stretch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logger.review.evidence import Floats

MAX_STRETCHES = 3
"""Per car: what a team talks about in the evening."""
LEAST_S = 1.0
"""A gap that grows by less is within the noise of the fixes."""
TIMES_USUAL = 2.0
LEAST_S_PER_KM = 0.2
"""Rate below which growth is not notable, for cars that stay together."""
_TAKEN = -1e9
"""Excess of a step that a stretch has already, below anything a gap does."""


class Growth(NamedTuple):
    """A stretch in which a gap grew by `grown_s`."""

    from_km: float
    to_km: float
    grown_s: float


def growths(km: Floats, gap_s: Floats) -> tuple[Growth, ...]:
    """The stretches in which a gap grew most, the largest first."""
    known = np.isfinite(gap_s)
    km, gap_s = km[known], gap_s[known]
    if len(km) < 2:
        return ()
    usual_s_per_km = max(0.0, float(gap_s[-1] - gap_s[0])) / float(km[-1] - km[0])
    excess_s = np.diff(gap_s) - max(LEAST_S_PER_KM, TIMES_USUAL * usual_s_per_km) * np.diff(km)
    found: list[Growth] = []
    while len(found) < MAX_STRETCHES:
        first, last = _largest_sum(excess_s)
        grown_s = float(gap_s[last] - gap_s[first])
        if grown_s < LEAST_S or last == first:
            break
        found.append(Growth(float(km[first]), float(km[last]), grown_s))
        excess_s[first:last] = _TAKEN
    return tuple(sorted(found, key=lambda growth: -growth.grown_s))


def _largest_sum(steps: Floats) -> tuple[int, int]:
    """Begin and end of the run of steps with the largest sum; equal ends if no sum is positive."""
    total = np.concatenate([[0.0], np.cumsum(steps)])
    above = total - np.minimum.accumulate(total)
    last = int(above.argmax())
    return int(total[: last + 1].argmin()), last
