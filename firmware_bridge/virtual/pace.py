"""Speed planner of the virtual drive: a speed profile that meets given times at given distances.

The input is a path, stretches of it with a speed limit and a cruising speed, and anchors: instants at which the car
has to be at a distance. Between two anchors it drives like a driver: brakes for corners, crests and limits, accelerates
out of them within the engine's power, and varies its speed with the ground (`course`). How hard it pushes is one
number per leg, solved so that the leg takes exactly its time (`leg`); so every anchor is met to the microsecond on any
terrain.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from firmware_bridge.virtual.course import NODE_SPACING_M, Stretch, course
from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.virtual.leg import ALWAYS, Leg

MIN_NODES = 8
"""Minimum number of steps of a leg, for legs of a few metres."""


class Anchor(NamedTuple):
    """Be at `distance_m` at `t_s`. Two at one distance are a stop; `speed_mps` None: the plan chooses it."""

    t_s: float
    distance_m: float
    speed_mps: float | None = None


class Pace:
    """Planner of drives along one path. `seed` varies where the driver pushes."""

    def __init__(self, path: Path, stretches: Sequence[Stretch], seed: int = 0) -> None:
        self._path = path
        self._course = course(path, stretches, seed)

    def natural_s(self, from_m: float, to_m: float) -> float:
        """Return the time (s) from rest to rest at the cruising speeds."""
        return self._leg(from_m, to_m, 0.0, 0.0).time_s(push=1.0)

    def fastest_s(self, from_m: float, to_m: float) -> float:
        """Return the shortest time (s) from rest to rest that limits, corners and the engine allow."""
        return self._leg(from_m, to_m, 0.0, 0.0).time_s(push=ALWAYS)

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
                fastest = leg.speeds(ALWAYS)
                for i in range(first + 1, last):
                    at = float(np.interp(anchors[i].distance_m, leg.s, fastest))
                    speeds[i] = min(speeds[i], 0.95 * at)
        return speeds

    @staticmethod
    def _passes(three: Sequence[Anchor]) -> bool:
        before, here, after = three
        return before.distance_m < here.distance_m < after.distance_m

    def _leg(self, from_m: float, to_m: float, v0: float, v1: float) -> Leg:
        count = max(MIN_NODES, round((to_m - from_m) / NODE_SPACING_M))
        return Leg(self._course.between(from_m, to_m, count), v0, v1)
