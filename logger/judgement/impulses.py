"""Where the impulses of an over-speed were.

The event has their number only. The live computation's own step (`limits.next_impulse`) over the recorded fixes gives
their places; if it counts fewer than the event, as where a fix did not count live, the places stay unknown.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logger.judgement.evidence import Floats
from logger.judgement.penalties import Overspeed
from logger.stage.limits import KMH, Over, at_part, next_impulse
from logger.stage.odometer import Leg
from logger.stage.rules import SpeedRules

MAX_IMPULSES = 1000
"""More impulses in one over-speed are not placed: 150 km above the limit, or an event that no recorder writes."""


class Impulse(NamedTuple):
    """An impulse; `km` counts within the section."""

    at_us: int
    km: float


def impulses_of(over: Overspeed, at_us: Floats, mps: Floats, rules: SpeedRules) -> tuple[Impulse, ...]:
    """The impulses of an over-speed, or none if their places are unknown. `mps` is the speed at each fix."""
    if not 0 < over.impulses <= MAX_IMPULSES:
        return ()
    end_us = over.at_us + over.duration_s * 1e6
    first = max(0, int(np.searchsorted(at_us, over.at_us, "right")) - 1)
    last = int(np.searchsorted(at_us, end_us, "left")) + 1
    impulses: list[Impulse] = []
    running: Over | None = None
    metres = from_m = 0.0
    times_us, speeds = at_us[first:last].tolist(), mps[first:last].tolist()
    for index in range(len(times_us) - 1):
        from_us, to_us = round(times_us[index]), round(times_us[index + 1])
        from_mps, to_mps = speeds[index], speeds[index + 1]
        if to_us <= from_us:
            continue
        way_m = (from_mps + to_mps) / 2 * (to_us - from_us) / 1e6
        leg = Leg(from_us, to_us, metres, metres + way_m, None, None, from_mps, to_mps, seen=True)
        if running is None:
            part = min(1.0, max(0.0, (over.at_us - from_us) / (to_us - from_us)))
            _, from_m = at_part(leg, part)
            begin = (over.at_us, from_m, over.max_kmh / KMH, 1, over.at_us, from_m)
            running = Over(over.section, over.zone, over.limit_kmh, over.km, *begin)
            impulses.append(Impulse(over.at_us, over.km))
        while len(impulses) < over.impulses:
            following = next_impulse(running, leg, rules)
            if following is None:
                break
            running = following
            impulses.append(Impulse(running.impulse_us, over.km + (running.impulse_m - from_m) / 1000))
        metres += way_m
    return tuple(impulses) if len(impulses) == over.impulses else ()
