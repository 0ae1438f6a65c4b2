"""What a path demands of a car and its driver, at nodes along it.

Four things hold a car back: limits, corners (lateral grip), crests and dips (the wheels leave the ground, or the
suspension is used up), and the ground itself. From each follows a speed that is possible, and a lower one that the
driver prefers; a push scales the preferred one (`leg`). Soft ground also weakens the brakes, and with slopes the pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from firmware_bridge.virtual.drive import Floats, Path
from firmware_bridge.virtual.flights import GRAVITY_MPS2

NODE_SPACING_M = 10.0
"""Spacing of the nodes: 0.2 s at the class limit of 170 km/h."""
TOP_SPEED_MPS = 55.0
"""Where drag takes all the power: 198 km/h."""
CORNERING_MPS2, CORNERING_WISH_MPS2 = 5.5, 4.3
"""Lateral grip on gravel, and what the driver uses of it."""
LIMIT_MARGIN = 0.985
"""A driver keeps this share of a limit, so that noise of the speed causes no over-speed."""
CLEAR, LIMIT_CLEAR = 2, 3
"""Speeds are reached so many nodes before what demands them: more than the smoothing of `leg` blurs. A leg's nodes lie
between those of the course and up to a twentieth further apart, so that limits, which are exact, need one more."""
BRIEF_M = 60.0
"""A driver does not accelerate for a straight shorter than this between two corners."""
TURN_REACH_M = 10.0
"""A corner's curvature is the change of course over this distance before and after."""
CREST_SHARE, CREST_WISH = 2.4, 1.5
"""Vertical acceleration over crests and dips, as a multiple of gravity: the most, and what a driver likes. Above 1 a
crest is a jump; in dunes nobody sees what is behind it."""
BLIND = 0.8
"""Soft ground takes this share of that: dunes are crossed with the wheels on the sand."""
SOFT_PULL, SOFT_BRAKES = 0.55, 0.3
"""Soft ground takes this share of the engine's pull, and of the brakes' grip."""
CLIMB_PULL, LEAST_PULL = 2.4, 0.3
"""A slope (rise per metre) takes this multiple of the pull, which at best is 0.4 of the weight; some always remains."""
HURRY = 0.25
"""The driver does not always brake as late as possible: at times with this share less."""
WAVES = ((2900.0, 0.65), (870.0, 0.55), (290.0, 0.35), (110.0, 0.2))
"""Lengths (m) and sizes of the unevenness of ground and driver: from plains to ruts."""
GROUND_NOISE, DRIVER_NOISE = 0.85, 0.5
"""Most of the unevenness is the ground's, the same for every car; the rest is the driver's own."""
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


class Course(NamedTuple):
    """Columns over the nodes `s`: speeds (m/s), and the distance that counts for pulling and for braking (m).

    Where the engine pulls with half its force, a metre counts for half a metre; likewise the brakes.
    """

    s: Floats
    possible: Floats
    preferred: Floats
    pulling_m: Floats
    braking_m: Floats

    def between(self, from_m: float, to_m: float, count: int) -> Course:
        """Return the same for `count` + 1 even nodes from one distance to another."""
        s = np.linspace(from_m, to_m, count + 1)
        return Course(s, *(np.interp(s, self.s, column) for column in self[1:]))


def course(path: Path, stretches: Sequence[Stretch], seed: int) -> Course:
    """Return the course of a path. `seed` varies where the driver is quick and where careful."""
    length = path.length_m
    s = path.distance_m[0] + np.linspace(0.0, length, max(2, round(length / NODE_SPACING_M)) + 1)
    limit, cruise, roughness = _stretched(s, stretches)
    softness = path.softness_at(s)
    ease = np.interp(s, path.distance_m, path.ease)
    heading = np.radians(path.heading_deg(np.stack((s - TURN_REACH_M, s + TURN_REACH_M))))
    turning = np.maximum(np.abs(heading[1] - heading[0]) / (2 * TURN_REACH_M), 1e-6)
    slope, curvature = path.relief(s)
    rising = np.maximum(np.abs(curvature), 1e-6)
    weightless = GRAVITY_MPS2 * (1 - BLIND * softness)
    possible = np.minimum(np.sqrt(CORNERING_MPS2 / turning), np.sqrt(CREST_SHARE * weightless / rising))
    wished = np.minimum(np.sqrt(CORNERING_WISH_MPS2 / turning), np.sqrt(CREST_WISH * weightless / rising))
    noise = GROUND_NOISE * _noise(s, 0) + DRIVER_NOISE * _noise(s, seed + 1)
    ground = np.minimum(cruise, 200.0) * ease * np.exp(roughness / np.maximum(ease, 1.0) ** 2 * noise)
    pull = (1 - SOFT_PULL * softness) * np.clip(1 - CLIMB_PULL * slope, LEAST_PULL, 1.0)
    brakes = (1 - SOFT_BRAKES * softness) * (1 - HURRY * np.abs(np.clip(noise, -1.0, 1.0)))
    gap = round(BRIEF_M / NODE_SPACING_M / 2)
    return Course(
        s,
        np.minimum(_lowest(limit, LIMIT_CLEAR), _lowest(possible, CLEAR)),
        np.minimum(_lowest(-_lowest(-_lowest(wished, gap), gap), CLEAR), ground),
        _counted(s, pull),
        _counted(s, brakes),
    )


def _stretched(s: Floats, stretches: Sequence[Stretch]) -> tuple[Floats, Floats, Floats]:
    """Return limit, cruising speed and roughness; a stretch counts from the node before it to the node after."""
    limit = np.full(len(s), TOP_SPEED_MPS * 0.98)
    cruise = np.full(len(s), _NEVER)
    roughness = np.full(len(s), 0.3)
    for stretch in stretches:
        first, last = np.searchsorted(s, stretch.from_m, side="right"), np.searchsorted(s, stretch.to_m)
        inside = slice(max(0, int(first) - 1), int(last) + 1)
        limit[inside] = np.minimum(limit[inside], stretch.limit_mps * LIMIT_MARGIN)
        cruise[inside] = np.minimum(cruise[inside], stretch.cruise_mps)
        roughness[inside] = np.minimum(roughness[inside], stretch.roughness)
    return limit, cruise, roughness


def _counted(s: Floats, share: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(np.diff(s) * (share[1:] + share[:-1]) / 2)))


def _lowest(values: Floats, reach: int) -> Floats:
    """Return the lowest value within `reach` nodes before and after each."""
    out = np.pad(values, reach, mode="edge")
    width, wanted = 1, 2 * reach + 1
    while width < wanted:
        step = min(width, wanted - width)
        out = np.minimum(out[:-step], out[step:])
        width += step
    return out


def _noise(s: Floats, seed: int) -> Floats:
    """Return noise of about unit size over the distance, the same for the same seed."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(s))
    for length, size in WAVES:
        knots = rng.standard_normal(int((s[-1] - s[0]) / length) + 3)
        out += size * np.interp((s - s[0]) / length + rng.random(), np.arange(len(knots)), knots)
    return out
