"""The fixes of a drive that a page draws, thinned to keep the page of a day small, but never around an over-speed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from logger.judgement.evidence import Floats
from logger.judgement.report import Report
from logger.judgement.samples import near_overspeeds, on_road
from logger.stage.limits import KMH

MAX_POINTS = 30_000
"""Maximum points of one drive on a page: one fix per 20 m of a long stage, 20 per screen column."""


class PlottedFixes:
    """The fixes of a report to draw, thinned, one column per field. `km` counts through the day."""

    def __init__(self, report: Report) -> None:
        places, fixes = report.places, report.evidence.fixes
        at = on_road(report.evidence, places, report.day)
        at = at[thinned(places.mps[at], near_overspeeds(fixes.at_us[at], report.overspeeds))]
        self.km: Floats = np.maximum.accumulate(report.km_of_day(at))
        self.kmh: Floats = places.mps[at] * KMH
        self.limit_kmh: Floats = places.limit_kmh[at]
        self.at_us: Floats = fixes.at_us[at]
        self.lat, self.lon, self.alt_m = fixes.lat[at], fixes.lon[at], fixes.alt_m[at]
        self.quality, self.satellites, self.hdop = fixes.quality[at], fixes.satellites[at], fixes.hdop[at]


def thinned(
    values: Floats, near: NDArray[np.bool_] | None = None, most: int = MAX_POINTS
) -> NDArray[np.int64]:
    """Indices to draw: minimum and maximum of each stretch, `most` in all, and every index that `near` marks."""
    if len(values) <= most:
        return np.arange(len(values))
    size = -(-2 * len(values) // most)
    whole = len(values) // size * size
    blocks = values[:whole].reshape(-1, size)
    starts = np.arange(0, whole, size)
    keep = [starts + blocks.argmin(axis=1), starts + blocks.argmax(axis=1), np.arange(whole, len(values))]
    keep += [np.flatnonzero(near)] if near is not None else []
    return np.unique(np.concatenate(keep))
