"""Find the stretches of road in which a gap grew most.

A stretch counts where the gap grows faster than it does on average; its ends are where it stops doing so, and
it is short enough to look at. So a stop, which takes minutes within metres, is a stretch of metres.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logger.judgement.evidence import Floats

MAX_STRETCHES, MAX_PER_CAR = 12, 3
"""What a team talks about in the evening, and what fits on a drawing."""
LONGEST_SHARE, LONGEST_KM = 0.05, 2.0
"""Longest stretch, as a share of the road that both drove, or in kilometres if that is more."""
LEAST_S = 1.0
"""A gap that grows by less is within the noise of the fixes."""
LEAST_S_PER_KM = 0.2
"""Rate below which growth is not notable, for cars that stay together."""
_TAKEN = -1e9
"""Excess of a step that a stretch has already, below anything a gap does."""


class Growth(NamedTuple):
    """A stretch in which a gap grew by `grown_s`."""

    from_km: float
    to_km: float
    grown_s: float


def growths(km: Floats, gap_s: Floats, cars: int) -> tuple[Growth, ...]:
    """The stretches in which a gap grew most, the largest first; fewer for each of many cars."""
    most = max(1, min(MAX_PER_CAR, MAX_STRETCHES // cars))
    known = np.isfinite(gap_s)
    km, gap_s = km[known], gap_s[known]
    if len(km) < 2:
        return ()
    usual_s_per_km = max(0.0, float(gap_s[-1] - gap_s[0])) / float(km[-1] - km[0])
    longest_km = max(LONGEST_KM, LONGEST_SHARE * float(km[-1] - km[0]))
    steps = min(len(km) - 1, int(longest_km / float(np.median(np.diff(km)))))
    excess_s = np.diff(gap_s) - max(LEAST_S_PER_KM, usual_s_per_km) * np.diff(km)
    found: list[Growth] = []
    while len(found) < most:
        first, last = _largest_sum(excess_s, max(1, steps))
        grown_s = float(gap_s[last] - gap_s[first])
        if grown_s < LEAST_S or last == first:
            break
        found.append(Growth(float(km[first]), float(km[last]), grown_s))
        excess_s[first:last] = _TAKEN
    return tuple(sorted(found, key=lambda growth: -growth.grown_s))


def _largest_sum(values: Floats, most: int) -> tuple[int, int]:
    """Begin and end of the run of up to `most` values with the largest sum; equal ends if no sum is positive."""
    total = np.concatenate([np.full(most, np.inf), [0.0], np.cumsum(values)])
    before = np.lib.stride_tricks.sliding_window_view(total, most + 1)
    last = int((before[:, -1] - before.min(axis=1)).argmax())
    return last - most + int(before[last].argmin()), last
