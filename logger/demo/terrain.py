"""Ground of an invented road: what it is made of, where it turns, where it rises and falls.

A timed section crosses patches of different ground, each some kilometres long: fast gravel, tracks with corners,
stones, sand, dunes. A patch has corners between straights, crests and dips, or dunes; how fast a car may go there
follows from their curvature (`firmware_bridge.virtual.course`). A liaison is a hard road with wide bends. The same seed
always gives the same ground.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from firmware_bridge.virtual.drive import Floats

Range = tuple[float, float]


class Kind(NamedTuple):
    """One kind of ground. `ease`: preferred speed, as a multiple of the usual one. `softness`: 0 hard, 1 dune sand.

    `straight_m` and `radius_m` are between and of the corners, `turn` is the slope (tangent) by which a corner leaves
    the general direction. `bumps_per_km` counts crests and dips, `dips` is the share of dips; `dune_m` is a height.
    """

    ease: float
    softness: float
    straight_m: Range
    turn: Range
    radius_m: Range
    bumps_per_km: float = 0.0
    dips: float = 0.0
    dune_m: Range = (0.0, 0.0)


ROAD = Kind(1.0, 0.0, (400.0, 1800.0), (0.03, 0.12), (350.0, 900.0))
PLAIN = Kind(1.55, 0.05, (350.0, 1500.0), (0.05, 0.35), (70.0, 420.0), 1.6, 0.4)
TRACK = Kind(1.25, 0.15, (50.0, 390.0), (0.15, 0.65), (32.0, 230.0), 0.9, 0.3)
STONES = Kind(0.85, 0.1, (50.0, 260.0), (0.08, 0.40), (30.0, 120.0), 2.5, 0.6)
SAND = Kind(1.05, 0.6, (120.0, 600.0), (0.05, 0.35), (60.0, 260.0), 0.8, 0.4)
DUNES = Kind(0.66, 0.95, (90.0, 350.0), (0.05, 0.45), (30.0, 120.0), dune_m=(7.0, 16.0))

OPEN_GROUND = ((PLAIN, 0.66), (STONES, 0.13), (SAND, 0.15), (DUNES, 0.06))
CLOSED_GROUND = ((PLAIN, 0.43), (TRACK, 0.37), (STONES, 0.08), (SAND, 0.08), (DUNES, 0.04))
"""Shares of the patches where the road leaves no room for corners, and where it winds."""
WINDS = 0.03
"""A road this much longer than the straight line, as a share, has room for corners."""
PATCH_M = (900.0, 5200.0)
MERGE_M = 120.0
"""One kind of ground turns into the next over about this distance."""
WANDER_M = 90.0
"""The corners lead the road back when it is this far beside its general direction."""
STRAIGHT_AHEAD = 0.35
"""Share of corners that only lead back to the general direction."""
CREST_M, CREST_REACH_M = (0.8, 2.2), (13.0, 20.0)
DIP_M, DIP_REACH_M = (0.9, 2.8), (8.0, 11.0)
"""Height and half-width of crests and dips: a car flies over the sharpest crests, and brakes for dips."""
DUNE_LENGTH_M = (120.0, 260.0)
DUNE_SHARPNESS = 0.1
"""Share of a dune's shape that is rounded: a crest is a few metres wide."""


class Patch(NamedTuple):
    """Ground of one kind between two distances (m)."""

    from_m: float
    to_m: float
    kind: Kind


class Corner(NamedTuple):
    """A change of direction: from here on the slope off the general direction turns, over `arc_m`, into `slope`."""

    at_m: float
    arc_m: float
    slope: float


def patches(from_m: float, to_m: float, slack: float, rng: np.random.Generator) -> list[Patch]:
    """Return the patches of a timed stretch whose length exceeds the straight line by `slack` (a share)."""
    shares = OPEN_GROUND if slack < WINDS else CLOSED_GROUND
    kinds, weights = [kind for kind, _ in shares], [share for _, share in shares]
    out: list[Patch] = []
    at = from_m
    while at < to_m:
        end = at + float(rng.uniform(*PATCH_M))
        end = to_m if end > to_m - PATCH_M[0] else end
        out.append(Patch(at, end, kinds[int(rng.choice(len(kinds), p=weights))]))
        at = end
    return out


def corners(ground: Sequence[Patch], rng: np.random.Generator) -> list[Corner]:
    """Return the corners along the patches of one leg, in order, without overlaps."""
    out: list[Corner] = []
    slope = aside = 0.0
    for patch in ground:
        kind = patch.kind
        at = patch.from_m
        while True:
            straight = float(rng.uniform(*kind.straight_m))
            side = -1.0 if aside + slope * straight > 0 else 1.0
            if abs(aside) < WANDER_M and rng.random() < 0.4:
                side = -side
            is_back = slope != 0.0 and rng.random() < STRAIGHT_AHEAD
            turned = 0.0 if is_back else side * float(rng.uniform(*kind.turn))
            radius = kind.radius_m[0] * (kind.radius_m[1] / kind.radius_m[0]) ** float(rng.random())
            arc = max(1.0, 1.5 * radius * abs(math.atan(turned) - math.atan(slope)))
            if at + straight + arc > patch.to_m:
                aside += slope * (patch.to_m - at)
                break
            aside += slope * straight + (slope + turned) / 2 * arc
            at += straight
            out.append(Corner(at, arc, turned))
            at += arc
            slope = turned
    return out


def slopes(at: Sequence[Corner], distance_m: Floats) -> Floats:
    """Return the slope off the general direction at each distance: constant on straights, a smooth step in corners."""
    if not at:
        return np.zeros(len(distance_m))
    start, arc, after = (np.array(column) for column in zip(*at, strict=True))
    before = np.concatenate(([0.0], after[:-1]))
    corner = np.searchsorted(start, distance_m, side="right") - 1
    share = np.clip((distance_m - start[corner]) / arc[corner], 0.0, 1.0)
    turned = before[corner] + (after - before)[corner] * share * share * (3 - 2 * share)
    return np.where(corner < 0, 0.0, turned)


class Surface(NamedTuple):
    """What the ground is like at each point of a road: ease and softness as in Kind, relief in metres."""

    ease: Floats
    softness: Floats
    relief_m: Floats


def surface(ground: Sequence[Patch], distance_m: Floats, rng: np.random.Generator) -> Surface:
    """Return the surface at increasing distances; where there is no patch it is a hard road."""
    ease, softness = np.full(len(distance_m), ROAD.ease), np.full(len(distance_m), ROAD.softness)
    relief = np.zeros(len(distance_m))
    bumps: list[tuple[float, float, float]] = []
    for patch in ground:
        inside = slice(*np.searchsorted(distance_m, (patch.from_m, patch.to_m)))
        s = distance_m[inside]
        edge = np.clip(np.minimum(s - patch.from_m, patch.to_m - s) / MERGE_M, 0.0, 1.0)
        ease[inside] = patch.kind.ease
        softness[inside] += (patch.kind.softness - ROAD.softness) * edge
        if patch.kind.dune_m[1]:
            relief[inside] += edge * _dunes(s, patch, rng)
        bumps += _bumps(patch, rng)
    _add_bumps(relief, distance_m, bumps)
    return Surface(ease, softness, relief)


def _dunes(s: Floats, patch: Patch, rng: np.random.Generator) -> Floats:
    """Return heights of dunes with pointed crests, no two of the same length and height."""
    lengths = rng.uniform(*DUNE_LENGTH_M, int((patch.to_m - patch.from_m) / DUNE_LENGTH_M[0]) + 2)
    crests = patch.from_m + np.concatenate(([0.0], np.cumsum(lengths)))
    phase = np.interp(s, crests, np.arange(len(crests)))
    heights = np.interp(phase + 0.5, np.arange(len(crests)), rng.uniform(*patch.kind.dune_m, len(crests)))
    rounded = DUNE_SHARPNESS**2
    out: Floats = heights * (1 - np.sqrt((np.sin(np.pi * phase) ** 2 + rounded) / (1 + rounded)))
    return out


def _bumps(patch: Patch, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Return crests and dips of a patch: where, how high (dips are negative), half-width (all m)."""
    count = rng.poisson(patch.kind.bumps_per_km * (patch.to_m - patch.from_m) / 1000)
    out = []
    for at in rng.uniform(patch.from_m, patch.to_m, count).tolist():
        if rng.random() < patch.kind.dips:
            out.append((at, -float(rng.uniform(*DIP_M)), float(rng.uniform(*DIP_REACH_M))))
        else:
            out.append((at, float(rng.uniform(*CREST_M)), float(rng.uniform(*CREST_REACH_M))))
    return out


def _add_bumps(relief_m: Floats, distance_m: Floats, bumps: Sequence[tuple[float, float, float]]) -> None:
    for at, height, reach in bumps:
        near = slice(*np.searchsorted(distance_m, (at - 4 * reach, at + 4 * reach)))
        relief_m[near] += height * np.exp(-(((distance_m[near] - at) / reach) ** 2) / 2)
