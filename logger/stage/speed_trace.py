"""Speed and limit over the last kilometres driven, at equal steps of the odometer, for display.

The steps are those of the road, so a stop adds nothing and the trace keeps its length. After a restart it begins again.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from logger.stage.limits import KMH
from logger.stage.odometer import BLINK_US, Leg

STEP_M = 20.0
"""Fine enough for a bend, coarse enough for a hundred values in each live document."""
LENGTH_M = 2000.0


class Trace(NamedTuple):
    """Values at each `STEP_M` of the road, the newest last and at most one step behind the car; None if unknown."""

    kmh: tuple[int | None, ...] = ()
    limit_kmh: tuple[float | None, ...] = ()


class SpeedTrace:
    """The trace of one car, made from its legs."""

    def __init__(self) -> None:
        steps = round(LENGTH_M / STEP_M) + 1
        self._kmh: deque[int | None] = deque(maxlen=steps)
        self._limits_kmh: deque[float | None] = deque(maxlen=steps)
        self._next_m = 0.0
        self._shown: Trace | None = None

    def leg(self, leg: Leg, limit_kmh: float | None) -> None:
        """Take a leg, with the limit at its end. Across a gap in GPS the speed is unknown."""
        if leg.to_m < self._next_m:
            return  # the usual case: at 10 Hz a leg is shorter than a step
        at_m = max(self._next_m, math.ceil(max(leg.from_m, leg.to_m - LENGTH_M) / STEP_M) * STEP_M)
        way_m, is_known = leg.to_m - leg.from_m, leg.to_us - leg.from_us <= BLINK_US
        while at_m <= leg.to_m:
            part = (at_m - leg.from_m) / way_m if way_m > 0 else 1.0
            mps = leg.from_mps + part * (leg.to_mps - leg.from_mps)
            self._kmh.append(round(mps * KMH) if is_known else None)
            self._limits_kmh.append(limit_kmh)
            at_m += STEP_M
        self._next_m = at_m
        self._shown = None

    @property
    def shown(self) -> Trace:
        """The trace up to now: the same object until the next step."""
        if self._shown is None:
            self._shown = Trace(tuple(self._kmh), tuple(self._limits_kmh))
        return self._shown
