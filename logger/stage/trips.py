"""The two trip meters: distance and average since they were last set to zero, moved by hand when need be.

A trip is a difference against odometer and drive time, as a section is: nothing runs, nothing is lost.
"""

from __future__ import annotations

from typing import NamedTuple

TRIPS = 2


class Trip(NamedTuple):
    """What odometer and drive time read when the trip was zero."""

    base_m: float = 0.0
    base_us: int = 0
    correction_m: float = 0.0

    def metres(self, total_m: float) -> float:
        """Distance at a reading of the odometer; a crew may well move it below zero."""
        return total_m - self.base_m + self.correction_m

    def average_mps(self, total_m: float, at_us: int) -> float | None:
        """Average with stops; None in the first second."""
        elapsed_us = at_us - self.base_us
        return max(0.0, self.metres(total_m)) * 1e6 / elapsed_us if elapsed_us >= 1_000_000 else None
