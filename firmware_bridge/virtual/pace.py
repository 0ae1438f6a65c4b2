"""Speed planner of the virtual drive: a speed profile that meets given times at given distances.

The input is a path, stretches of it with a speed limit and a cruising speed, and anchors: instants at which the car
has to be at a distance. Between two anchors it drives like a driver: brakes for bends and limits, accelerates out of
them within the engine's power, and varies its speed with the ground. How hard it pushes is one number per leg,
solved so that the leg takes exactly its time; so every anchor is met to the microsecond on any terrain.

The speed profile is computed in the distance domain. Let w(v) be the distance the car needs from rest to reach
v: the limit on acceleration is then w[i+1] <= w[i] + ds, and a running minimum of w - s solves a whole leg in one
step. Braking is the same from the far end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.drive import Drive, Floats, Path
from firmware_bridge.virtual.solving import zero

NODE_SPACING_M = 10.0
"""Spacing of the plan's nodes: 0.2 s at the class limit of 170 km/h."""
MIN_NODES = 8
"""Minimum number of steps, for stretches of a few metres."""
ACCELERATION_MPS2 = 4.0
"""Acceleration from rest of a 300 kW, 2.5 t car on gravel; it falls to 0 at TOP_SPEED_MPS."""
TOP_SPEED_MPS = 55.0
"""Where drag takes all the power: 198 km/h."""
BRAKING_MPS2 = 6.0
"""Braking on gravel, short of locking."""
CORNERING_MPS2 = 5.5
"""Lateral grip on gravel."""
LIMIT_MARGIN = 0.985
"""A driver keeps this share of a limit, so that noise of the speed causes no over-speed."""
UNDULATION_M = (2600.0, 940.0, 410.0, 190.0)
"""Wavelengths of the ground's unevenness: fast plains, stony parts, washboard."""
MIN_PUSH, MAX_PUSH = 1e-3, 1e3
"""Bounds of the push: hardly moving, and always at the maximum."""
CLOCK_ROUNDING_S = 1e-6
"""Tolerance of a leg's time, which is the difference of two instants of a day."""
_NEVER = 1e9


class Stretch(NamedTuple):
    """Speeds from one distance to another: at most `limit_mps`, preferably about `cruise_mps`.

    `roughness` is how much the ground makes the speed vary, 0 to about 0.3. Where stretches overlap, the
    lowest numbers apply.
    """

    from_m: float
    to_m: float
    limit_mps: float = _NEVER
    cruise_mps: float = _NEVER
    roughness: float = 0.3


class Anchor(NamedTuple):
    """Be at `distance_m` at `t_s`. Two at one distance are a stop; `speed_mps` None: the plan chooses it."""

    t_s: float
    distance_m: float
    speed_mps: float | None = None


class Pace:
    """Planner of drives along one path. `seed` varies where the driver pushes."""

    def __init__(self, path: Path, stretches: Sequence[Stretch], seed: int = 0) -> None:
        self._path = path
        self._stretches = tuple(stretches)
        rng = np.random.default_rng(seed)
        self._phases = rng.uniform(0, 2 * np.pi, len(UNDULATION_M))

    def natural_s(self, from_m: float, to_m: float) -> float:
        """Return the time (s) from rest to rest at the cruising speeds."""
        return self._leg(from_m, to_m, 0.0, 0.0).time_s(push=1.0)

    def fastest_s(self, from_m: float, to_m: float) -> float:
        """Return the shortest time (s) from rest to rest that limits, bends and the engine allow."""
        return self._leg(from_m, to_m, 0.0, 0.0).time_s(push=_NEVER)

    def drive(self, anchors: Sequence[Anchor], utc_s: int = 0) -> Drive:
        """Plan a drive that meets every anchor, from rest to rest. Raises ConfigurationError if that is impossible."""
        speeds = self._anchor_speeds(anchors)
        nodes = [(np.array([anchors[0].t_s]), np.array([anchors[0].distance_m]), np.zeros(1))]
        for (start, v0), (end, v1) in pairwise(zip(anchors, speeds, strict=True)):
            if end.distance_m == start.distance_m:
                nodes.append((np.array([end.t_s]), np.array([end.distance_m]), np.zeros(1)))
            else:
                nodes.append(self._leg(start.distance_m, end.distance_m, v0, v1).solve(start.t_s, end.t_s))
        t_s, distance_m, speed_mps = (np.concatenate(column) for column in zip(*nodes, strict=True))
        return Drive(self._path, t_s, distance_m, speed_mps, utc_s)

    def _anchor_speeds(self, anchors: Sequence[Anchor]) -> list[float]:
        """Return the speed at each anchor: 0 at stops, else the average around it as far as possible."""
        speeds = [0.0] * len(anchors)
        moving = [i for i in range(1, len(anchors) - 1) if self._passes(anchors[i - 1 : i + 2])]
        for i in moving:
            before, here, after = anchors[i - 1 : i + 2]
            average = (after.distance_m - before.distance_m) / (after.t_s - before.t_s)
            speeds[i] = average if here.speed_mps is None else here.speed_mps
        # The possible speed there is that of the fastest drive from stop to stop.
        stops = [i for i in range(len(anchors)) if i not in moving]
        for first, last in pairwise(stops):
            if anchors[last].distance_m > anchors[first].distance_m and last - first > 1:
                leg = self._leg(anchors[first].distance_m, anchors[last].distance_m, 0.0, 0.0)
                fastest = leg.speeds(_NEVER)
                for i in range(first + 1, last):
                    at = float(np.interp(anchors[i].distance_m, leg.s, fastest))
                    speeds[i] = min(speeds[i], 0.95 * at)
        return speeds

    @staticmethod
    def _passes(three: Sequence[Anchor]) -> bool:
        before, here, after = three
        return before.distance_m < here.distance_m < after.distance_m

    def _leg(self, from_m: float, to_m: float, v0: float, v1: float) -> _Leg:
        edges = [e for stretch in self._stretches for e in stretch[:2] if from_m < e < to_m]
        steps = max(MIN_NODES, int((to_m - from_m) / NODE_SPACING_M))
        s = np.unique(np.concatenate((np.linspace(from_m, to_m, steps + 1), edges)))
        limit = np.full(len(s), TOP_SPEED_MPS * 0.98)
        cruise = np.full(len(s), _NEVER)
        roughness = np.full(len(s), 0.3)
        for stretch in self._stretches:
            inside = slice(np.searchsorted(s, stretch.from_m), np.searchsorted(s, stretch.to_m, side="right"))
            limit[inside] = np.minimum(limit[inside], stretch.limit_mps * LIMIT_MARGIN)
            cruise[inside] = np.minimum(cruise[inside], stretch.cruise_mps)
            roughness[inside] = np.minimum(roughness[inside], stretch.roughness)
        heading = np.radians(self._path.heading_deg(np.stack((s - 15.0, s + 15.0))))
        bend = np.sqrt(CORNERING_MPS2 / np.maximum(np.abs(heading[1] - heading[0]) / 30.0, 1e-6))
        waves = sum(
            np.sin(2 * np.pi * s / length + p) for length, p in zip(UNDULATION_M, self._phases, strict=True)
        )
        return _Leg(
            s, np.minimum(limit, bend), np.minimum(cruise, 200.0) * np.exp(roughness * waves / 2), v0, v1
        )


class _Leg:
    """One leg from anchor to anchor: its possible and preferred speeds, and the solution for its time."""

    def __init__(self, s: Floats, possible: Floats, preferred: Floats, v0: float, v1: float) -> None:
        self.s = s
        self._preferred = preferred
        self._v0, self._v1 = v0, v1
        ends = possible.copy()
        ends[0], ends[-1] = v0, v1
        self._possible = self._drivable(ends)
        # From a fixed speed at an anchor, brakes and engine limit the change too.
        braking = np.sqrt(np.maximum(0.0, v0 * v0 - 2 * BRAKING_MPS2 * (s - s[0])))
        gaining = _speed(np.maximum(0.0, _run_up(v1) - (s[-1] - s)))
        self._least = np.minimum(np.maximum(braking, gaining), self._possible)

    def speeds(self, push: float) -> Floats:
        preferred = np.minimum(self._possible, self._preferred * push)
        preferred = np.maximum(preferred, self._least)
        preferred[0], preferred[-1] = self._v0, self._v1
        return self._drivable(preferred)

    def time_s(self, push: float) -> float:
        return float(np.sum(self._steps_s(self.speeds(push))))

    def solve(self, t0_s: float, t1_s: float) -> tuple[Floats, Floats, Floats]:
        """Return times, distances and speeds of the nodes after the first, from `t0_s` to exactly `t1_s`."""
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
        run_up = np.minimum.accumulate(_run_up(v) - self.s) + self.s
        braked = _speed(run_up) ** 2 / (2 * BRAKING_MPS2) + self.s
        shed = np.minimum.accumulate(braked[::-1])[::-1] - self.s
        out: Floats = np.sqrt(2 * BRAKING_MPS2 * np.maximum(shed, 0.0))
        return out


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
