"""Collect over-speeds from the events and measure gain and sustained time in the fixes."""

from __future__ import annotations

import numpy as np

from logger.judgement.evidence import Evidence, Floats
from logger.judgement.penalties import Overspeed
from logger.stage.limits import KMH


def overspeeds_of(
    evidence: Evidence, mps: Floats, uncertainty_kmh: Floats, sustained_share: float
) -> tuple[Overspeed, ...]:
    """Every over-speed, in order of time. `mps` is the speed at each fix.

    Sustained means above the limit by more than `sustained_share` of it.
    """
    overspeeds = []
    known = evidence.fixes.located & np.isfinite(mps)
    at_us, mps, uncertainty_kmh = evidence.fixes.at_us[known], mps[known], uncertainty_kmh[known]
    for event in evidence.events:
        if event.kind != "overspeed":
            continue
        detail = event.detail
        limit_kmh, duration_s = float(detail["limit_kmh"]), float(detail["duration_s"])
        gained_m, sustained_s = _measured(
            at_us, mps, event.at_us, duration_s, limit_kmh / KMH, limit_kmh * (1 + sustained_share) / KMH
        )
        overspeeds.append(
            Overspeed(
                int(detail["section"]),
                detail.get("zone"),
                float(detail["km"]),
                event.at_us,
                duration_s,
                float(detail["distance_m"]),
                float(detail["max_kmh"]),
                limit_kmh,
                int(detail["impulses"]),
                gained_m,
                sustained_s,
                _largest(uncertainty_kmh, at_us, event.at_us, duration_s),
            )
        )
    return tuple(sorted(overspeeds, key=lambda over: over.at_us))


def _largest(uncertainty_kmh: Floats, at_us: Floats, from_us: int, duration_s: float) -> float:
    """The largest uncertainty of the speeds within a time span."""
    first, last = np.searchsorted(at_us, [from_us, from_us + duration_s * 1e6])
    return round(float(uncertainty_kmh[first : last + 1].max(initial=0.0)), 1)


def _measured(
    at_us: Floats, mps: Floats, from_us: int, duration_s: float, limit_mps: float, sustained_mps: float
) -> tuple[float, float]:
    """Metres gained over the limit, and the longest continuous time (s) above `sustained_mps`."""
    to_us = from_us + duration_s * 1e6
    if not len(at_us):
        return 0.0, 0.0
    inside = at_us[np.searchsorted(at_us, from_us, "right") : np.searchsorted(at_us, to_us, "left")]
    times_us = np.concatenate([[from_us], inside, [to_us]])
    speeds = np.interp(times_us, at_us, mps)
    gained_m = float(np.trapezoid(np.maximum(0.0, speeds - limit_mps), times_us) / 1e6)
    return round(gained_m, 3), round(_longest_above_us(times_us, speeds, sustained_mps) / 1e6, 2)


def _longest_above_us(times_us: Floats, mps: Floats, above_mps: float) -> float:
    """The longest continuous time for which a speed, linear between the given ones, is above a value."""
    excess = mps - above_mps
    crosses = np.flatnonzero(excess[:-1] * excess[1:] < 0)
    part = excess[crosses] / (excess[crosses] - excess[crosses + 1])
    crossings_us = times_us[crosses] + part * (times_us[crosses + 1] - times_us[crosses])
    times_us = np.insert(times_us, crosses + 1, crossings_us)
    excess = np.insert(excess, crosses + 1, 0.0)
    above = np.maximum(excess[:-1], excess[1:]) > 0  # of each piece: neither crosses the value within
    joined = excess[1:-1] > 0
    begins = np.flatnonzero(above & ~np.concatenate([[False], above[:-1] & joined]))
    ends = np.flatnonzero(above & ~np.concatenate([above[1:] & joined, [False]]))
    return float((times_us[ends + 1] - times_us[begins]).max(initial=0.0))
