"""Gears of a virtual drive: when the driver shifts, and what a shift does to revs and torque.

The driver shifts up at high revs under load and early when cruising, and down before the revs fall too low, earlier
when braking. Between the two lies a gap, so that no gear is left as soon as it is taken. All shifts of a drive are
found once, so that the gear at any instant follows from the instant alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from firmware_bridge.virtual.drive import Drive, Floats
from firmware_bridge.virtual.effort import MASS_KG, effort

RPM_PER_MPS = (430.0, 290.0, 215.0, 170.0, 142.0, 120.0)
"""Revs for each m/s in first to sixth: gear, final drive and a 37-inch tyre; 190 km/h at the red line."""
UP_RPM, UP_LOADED_RPM = 3600.0, 5800.0
"""The driver shifts up at these revs, with no effort and with all of it."""
DOWN_RPM, DOWN_LOADED_RPM = 2200.0, 4300.0
"""The driver shifts down below these revs."""
RETURN_SHARE = 0.85
"""After a shift down the revs are at most this share of those at which the driver shifts up again."""
FULL_BRAKING_MPS2 = 3.5
"""Braking that takes the driver down the gears as early as full throttle holds them."""
STEP_S = 0.25
"""Steps in which shifts are looked for: about the time that a shift takes."""
EFFORT_STEPS = 5
"""A driver chooses gears by the effort of about a second, not by each touch of the throttle."""
SHIFT_S = 0.22
"""Without torque, while the revs change to those of the new gear: a sequential gearbox."""
DWELL_STEPS = 3
"""From one shift to the next at least."""


class Gears(NamedTuple):
    """The gearbox at many instants: gear from 1, revs for each m/s of the wheels, and the phase of a shift.

    `shifting` is 0 between shifts, else how much of the shift is over (0 to 1); `is_up` whether the newest shift is up.
    """

    gear: Floats
    rpm_per_mps: Floats
    shifting: Floats
    is_up: Floats


class Gearbox:
    """The shifts of one drive."""

    def __init__(self, drive: Drive) -> None:
        t = np.arange(0.0, drive.end_s + 2 * STEP_S, STEP_S)
        now = effort(drive, t)
        busy = np.maximum(now.throttle, np.minimum(now.braking_n / (MASS_KG * FULL_BRAKING_MPS2), 1.0))
        busy = np.convolve(
            np.pad(busy, EFFORT_STEPS // 2, mode="edge"), np.full(EFFORT_STEPS, 1 / EFFORT_STEPS), "valid"
        )
        steps, gears = _shifts(now.speed_mps, busy)
        self._at_s = t[steps]
        self._gear = np.array(gears)

    def at(self, t_s: Floats) -> Gears:
        """Return the gearbox at each instant, as if the car moved."""
        newest = np.maximum(np.searchsorted(self._at_s, t_s, side="right") - 1, 0)
        before = np.maximum(newest - 1, 0)
        ratios = np.array((RPM_PER_MPS[0], *RPM_PER_MPS))
        old, new = ratios[self._gear[before]], ratios[self._gear[newest]]
        share = np.clip((t_s - self._at_s[newest]) / SHIFT_S, 0.0, 1.0)
        is_shifting = (newest > 0) & (share < 1.0)
        return Gears(
            self._gear[newest].astype(np.float64),
            old + (new - old) * share,
            np.where(is_shifting, share, 0.0),
            self._gear[newest] > self._gear[before],
        )


def _shifts(speed_mps: Floats, busy: Floats) -> tuple[list[int], list[int]]:
    """Return the steps at which a gear is taken, the first at 0, and the gears."""
    up_rpm = UP_RPM + (UP_LOADED_RPM - UP_RPM) * busy
    down_rpm = DOWN_RPM + (DOWN_LOADED_RPM - DOWN_RPM) * busy
    count, never = len(speed_mps), np.int32(len(speed_mps))
    number = np.arange(count, dtype=np.int32)
    next_up: list[Floats] = []
    next_down: list[Floats] = []
    for gear, ratio in enumerate(RPM_PER_MPS):
        revs = speed_mps * ratio
        too_high = revs > up_rpm if gear + 1 < len(RPM_PER_MPS) else np.zeros(count, bool)
        if gear:
            too_low = revs < np.minimum(down_rpm, RETURN_SHARE * up_rpm * ratio / RPM_PER_MPS[gear - 1])
        else:
            too_low = np.zeros(count, bool)
        for table, due in ((next_up, too_high), (next_down, too_low)):
            table.append(np.minimum.accumulate(np.where(due, number, never)[::-1])[::-1])
    gear = next((g for g, up in enumerate(next_up) if up[0] > 0), len(RPM_PER_MPS) - 1)
    steps, gears = [0], [gear + 1]
    at = 0
    while at < count:
        up, down = int(next_up[gear][at]), int(next_down[gear][at])
        step = min(up, down)
        if step == never:
            break
        gear += 1 if up <= down else -1
        steps.append(step)
        gears.append(gear + 1)
        at = step + DWELL_STEPS
    return steps, gears
