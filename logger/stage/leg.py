"""One stretch of the drive, between two fixes or two wheel readings: what odometer, progress and limits share."""

from __future__ import annotations

from typing import NamedTuple

Position = tuple[float, float]
"""Latitude and longitude in degrees."""


class Leg(NamedTuple):
    """One stretch of the drive. `a` and `b` are where it began and ended if positions are to be trusted;
    `seen` is False where GPS did not see it (the distance is an estimate)."""

    from_us: int
    to_us: int
    from_m: float
    to_m: float
    a: Position | None
    b: Position | None
    from_mps: float
    to_mps: float
    seen: bool

    def at_us(self, fraction: float) -> int:
        """When the car was at a fraction of the leg's way, if it changed speed evenly along it."""
        v0, v1 = self.from_mps, self.to_mps
        if self.seen and v0 + v1 > 0 and v0 != v1:
            way = fraction * (v0 + v1) / 2
            root = max(0.0, v0 * v0 + 2 * (v1 - v0) * way) ** 0.5
            fraction = 2 * way / (v0 + root) if v0 + root > 0 else 0.0
        return self.from_us + round(fraction * (self.to_us - self.from_us))
