"""Speeds of one leg of a drive, from anchor to anchor, and how hard the driver must push to take exactly its time.

The speeds are computed in the distance domain. Let w(v) be the distance the car needs from rest to reach v: the limit
on acceleration is then w[i+1] <= w[i] + ds, and a running minimum of w - s solves a whole leg in one step. Braking is
the same from the far end. Where pull or brakes are weaker, ds counts for less (`course`). At last the kinetic energy
is smoothed, because no driver goes from full throttle to full brakes at once; a mean of possible accelerations is
possible too.
"""

from __future__ import annotations

import math

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.course import TOP_SPEED_MPS, Course
from firmware_bridge.virtual.drive import Floats
from firmware_bridge.virtual.solving import zero

ACCELERATION_MPS2 = 4.0
"""Acceleration from rest of a 300 kW, 2.5 t car on gravel; it falls to 0 at TOP_SPEED_MPS."""
BRAKING_MPS2 = 6.0
"""Braking on gravel, short of locking."""
SMOOTHING = (1 / 4, 1 / 2, 1 / 4)
"""Weights of the node before to the node after."""
ALWAYS = 1e9
"""A push at which the driver is always at the maximum."""
MIN_PUSH, MAX_PUSH = 1e-3, 1e3
"""Bounds of the push: hardly moving, and always at the maximum."""
CLOCK_ROUNDING_S = 1e-6
"""Tolerance of a leg's time, which is the difference of two instants of a day."""


class Leg:
    """The part of a course from one anchor to the next, which are passed at `v0` and `v1` (m/s)."""

    def __init__(self, part: Course, v0: float, v1: float) -> None:
        self.s = part.s
        self._course = part
        self._v0, self._v1 = v0, v1
        ends = part.possible.copy()
        ends[0], ends[-1] = v0, v1
        self._possible = self._drivable(ends)
        # From a fixed speed at an anchor, brakes and engine limit the change too.
        pulled, braked = part.pulling_m, part.braking_m
        braking = np.sqrt(np.maximum(0.0, v0 * v0 - 2 * BRAKING_MPS2 * (braked - braked[0])))
        gaining = _speed(np.maximum(0.0, _run_up(v1) - (pulled[-1] - pulled)))
        self._least = np.minimum(np.maximum(braking, gaining), self._possible)

    def speeds(self, push: float) -> Floats:
        """Return the speed at each node."""
        preferred = np.minimum(self._possible, self._course.preferred * push)
        preferred = np.maximum(preferred, self._least)
        preferred[0], preferred[-1] = self._v0, self._v1
        return _smoothed(self._drivable(preferred))

    def time_s(self, push: float) -> float:
        """Return the time that the leg takes."""
        return float(np.sum(self._steps_s(self.speeds(push))))

    def solve(self, t0_s: float, t1_s: float) -> tuple[Floats, Floats, Floats]:
        """Return times, distances and speeds of the nodes after the first, from `t0_s` to exactly `t1_s`.

        Raises ConfigurationError if the car cannot be that fast.
        """
        wanted_s = t1_s - t0_s
        fastest_s = self.time_s(MAX_PUSH)
        if fastest_s > wanted_s + CLOCK_ROUNDING_S:
            raise ConfigurationError(
                f"{(self.s[-1] - self.s[0]) / 1000:.3f} km cannot be driven in {wanted_s:.0f} s,"
                f" it takes at least {fastest_s:.0f} s",
                hint="allow more time or higher speeds",
            )
        log_push = zero(
            lambda tried: wanted_s - self.time_s(math.exp(tried)), math.log(MIN_PUSH), math.log(MAX_PUSH)
        )
        v = self.speeds(math.exp(log_push))
        steps = self._steps_s(v)
        t = t0_s + np.cumsum(steps) * (wanted_s / float(np.sum(steps)))
        t[-1] = t1_s
        return t, self.s[1:], v[1:]

    def _steps_s(self, v: Floats) -> Floats:
        return 2 * np.diff(self.s) / np.maximum(v[1:] + v[:-1], 1e-9)

    def _drivable(self, v: Floats) -> Floats:
        """Return the highest speeds up to `v` that engine and brakes allow."""
        pulled, counted = self._course.pulling_m, self._course.braking_m
        run_up = np.minimum.accumulate(_run_up(v) - pulled) + pulled
        braked = _speed(run_up) ** 2 / (2 * BRAKING_MPS2) + counted
        shed = np.minimum.accumulate(braked[::-1])[::-1] - counted
        out: Floats = np.sqrt(2 * BRAKING_MPS2 * np.maximum(shed, 0.0))
        return out


def _smoothed(v: Floats) -> Floats:
    """Return speeds whose squares are smoothed over neighbouring nodes; the first and last remain.

    Beyond the ends the squares continue with the same slope, so that a start or a stop is not softened.
    """
    energy = v * v
    reach = len(SMOOTHING) // 2
    first, last = 2 * energy[0] - energy[reach:0:-1], 2 * energy[-1] - energy[-2 : -2 - reach : -1]
    padded = np.concatenate((first, energy, last))
    out = np.convolve(padded, SMOOTHING, mode="valid")
    out[0], out[-1] = energy[0], energy[-1]
    return np.sqrt(np.maximum(out, 0.0))


def _run_up(speed_mps: Floats | float) -> Floats:
    """Return the distance (m) from rest to a speed at full power, a0 (1 - v^2 / top^2): integral of v dv / a(v)."""
    share = np.minimum(np.asarray(speed_mps) / TOP_SPEED_MPS, 0.999) ** 2
    out: Floats = -(TOP_SPEED_MPS**2) / (2 * ACCELERATION_MPS2) * np.log1p(-share)
    return out


def _speed(run_up_m: Floats) -> Floats:
    """The inverse of `_run_up`."""
    out: Floats = TOP_SPEED_MPS * np.sqrt(
        -np.expm1(-2 * ACCELERATION_MPS2 * np.maximum(run_up_m, 0.0) / TOP_SPEED_MPS**2)
    )
    return out
