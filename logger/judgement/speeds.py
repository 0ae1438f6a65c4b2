"""Speed at each fix as in the live computation, its source, and its uncertainty.

A receiver's own speed is accurate to 0.1 km/h. A speed computed from positions (a receiver without speed, a phone's
GPX) is not, and a review that judges over-speeds by it must say so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logger.judgement.evidence import Fixes, Floats
from logger.stage.fix_speed import DOUBTED_M, STILL_MPS, FixSpeeds
from logger.stage.limits import KMH

FLOOR_KMH, STANDARD_ERRORS = 5.0, 10.0
"""Uncertainty of a speed computed from positions: 95 % are within 5 km/h plus ten standard errors, in simulated drives
with up to 8 m/s2 and drifting noise of 0.1 to 3 m, which the standard error does not cover."""
DEGREE_M = 111_320.0


class Speeds(NamedTuple):
    """Speed of each fix (nan if unknown), and its uncertainty (0 for the receiver's own)."""

    mps: Floats
    uncertainty_kmh: Floats

    @property
    def computed(self) -> NDArray[np.bool_]:
        """Mask of the speeds computed from positions."""
        return self.uncertainty_kmh > 0

    def source(self, located: NDArray[np.bool_]) -> str | None:
        """ "receiver", "positions", "receiver and positions", or None without fixes."""
        computed = self.computed[located]
        if not len(computed):
            return None
        return "positions" if computed.all() else "receiver and positions" if computed.any() else "receiver"


def speeds_of(fixes: Fixes) -> Speeds:
    """Speed and uncertainty of each fix."""
    mps, uncertainty_kmh = fixes.mps.copy(), np.zeros(len(fixes.mps))
    located = np.flatnonzero(fixes.located)
    if np.isfinite(mps[located]).all() and not _drives_while_still(fixes, located):
        return Speeds(mps, uncertainty_kmh)
    session, speeds, last_us = None, FixSpeeds(), 0
    for index, number, at_us, lat, lon, own_mps in zip(
        located.tolist(),
        *(
            column[located].tolist()
            for column in (fixes.session, fixes.at_us, fixes.lat, fixes.lon, fixes.mps)
        ),
        strict=True,
    ):
        if number != session:
            session, speeds = number, FixSpeeds()
        elif at_us <= last_us:
            continue
        last_us = at_us
        speed = speeds.take(int(at_us), (lat, lon), own_mps if np.isfinite(own_mps) else None)
        mps[index] = speed.mps
        if speed.way_m is not None:
            error_mps = speed.error_mps if speed.mps >= STILL_MPS and np.isfinite(speed.error_mps) else 0.0
            uncertainty_kmh[index] = FLOOR_KMH + STANDARD_ERRORS * error_mps * KMH
    return Speeds(mps, uncertainty_kmh)


def _drives_while_still(fixes: Fixes, located: NDArray[np.int64]) -> bool:
    """Whether the position moves while the receiver reports a speed of 0."""
    still = fixes.mps[located] < STILL_MPS
    number = np.arange(len(located))
    begins = np.maximum.accumulate(np.where(still & ~np.concatenate([[False], still[:-1]]), number, 0))
    away = np.abs(fixes.lat[located] - fixes.lat[located][begins])
    away += np.abs(fixes.lon[located] - fixes.lon[located][begins])
    return bool((still & (away * DEGREE_M > DOUBTED_M)).any())
