"""Invented ground: patches without gaps, corners without overlaps, continuous slopes, dunes that are soft."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.demo import terrain
from logger.demo.terrain import CLOSED_GROUND, DUNES, OPEN_GROUND, PATCH_M, Corner, Patch
from tests.examples import examples

LENGTHS = st.floats(1.0, 60_000.0)
SEEDS = st.integers(0, 2**32 - 1)


@examples(40)
@given(LENGTHS, st.floats(0.0, 0.4), SEEDS)
def test_patches_cover_the_stretch_and_each_is_long_enough(length_m: float, slack: float, seed: int) -> None:
    found = terrain.patches(500.0, 500.0 + length_m, slack, np.random.default_rng(seed))
    assert (found[0].from_m, found[-1].to_m) == (500.0, 500.0 + length_m)
    assert all(before.to_m == after.from_m for before, after in pairwise(found))
    assert all(patch.to_m - patch.from_m >= min(length_m, PATCH_M[0]) - 1e-6 for patch in found)


@pytest.mark.parametrize("shares", [OPEN_GROUND, CLOSED_GROUND])
def test_the_shares_are_whole(shares: tuple[tuple[terrain.Kind, float], ...]) -> None:
    assert sum(share for _, share in shares) == pytest.approx(1.0)


@examples(40)
@given(LENGTHS, SEEDS)
def test_corners_do_not_overlap_and_the_direction_is_continuous(length_m: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ground = terrain.patches(0.0, length_m, 0.1, rng)
    found = terrain.corners(ground, rng)
    assert all(before.at_m + before.arc_m <= after.at_m for before, after in pairwise(found))
    assert all(corner.at_m >= 0.0 and corner.at_m + corner.arc_m <= length_m + 1e-6 for corner in found)
    at = np.linspace(0.0, length_m, 20_001)
    slope = terrain.slopes(found, at)
    sharpest = max((1.5 * terrain.TRACK.turn[1] * 2 / corner.arc_m for corner in found), default=0.0)
    assert np.max(np.abs(np.diff(slope))) <= sharpest * (at[1] - at[0]) + 1e-9


def test_a_corner_turns_with_its_radius() -> None:
    arc = 1.5 * 50.0 * np.arctan(0.4)
    at = np.linspace(90.0, 110.0 + arc, 4001)
    angle = np.arctan(terrain.slopes([Corner(100.0, arc, 0.4)], at))
    assert np.max(np.abs(np.diff(angle)) / (at[1] - at[0])) == pytest.approx(1 / 50.0, rel=0.1)


def test_dunes_are_soft_and_high_and_the_ground_around_them_is_not() -> None:
    at = np.arange(0.0, 6000.0, 7.5)
    seen = terrain.surface([Patch(2000.0, 5000.0, DUNES)], at, np.random.default_rng(1))
    inside = (at > 2200) & (at < 4800)
    outside = (at < 2000) | (at > 5000)
    assert np.ptp(seen.relief_m[inside]) > 5.0
    assert np.all(seen.softness[inside] == DUNES.softness)
    assert np.all(seen.relief_m[outside] == 0.0)
    assert np.all(seen.softness[outside] == 0.0)
    assert np.max(np.abs(np.diff(seen.relief_m))) / 7.5 < 0.6, "a car can climb them"


def test_the_same_seed_gives_the_same_ground() -> None:
    first, second = (terrain.patches(0.0, 50_000.0, 0.1, np.random.default_rng(4)) for _ in range(2))
    assert first == second
    bumps = [
        terrain.surface(first, np.arange(0.0, 50_000.0, 10.0), np.random.default_rng(3)) for _ in range(2)
    ]
    assert np.array_equal(bumps[0].relief_m, bumps[1].relief_m)
