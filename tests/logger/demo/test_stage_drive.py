"""The drive of the built-in stage looks like an onboard trace of a rally-raid car."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.virtual.engine import WHEEL_OVER_READS, Engine
from logger.demo import stages

STAGE = stages.stage("dakar-2026-11")
PLANS = {car.key: stages.plan(STAGE, car) for car in STAGE.cars}
WINNER = PLANS["baciuska"]
BEGINS_S, ENDS_S = WINNER.sections[1]
T = np.arange(BEGINS_S, ENDS_S, 0.1)
TRUTH = WINNER.drive.sample(T)
ENGINE = Engine(WINNER.drive).sample(T)
KMH = TRUTH.speed_mps * 3.6
ACCELERATION = np.gradient(TRUTH.speed_mps, 0.1)
SOFTNESS = WINNER.drive.path.softness_at(TRUTH.distance_m)
DUNES = SOFTNESS > 0.9


def test_fast_tracks_have_plateaus_and_dunes_are_slow_and_uneven() -> None:
    steady = np.abs(ACCELERATION) < 0.5
    assert np.mean(KMH[steady] > 130) > 0.1
    assert np.mean(DUNES) > 0.03
    slow, middle, quick = np.percentile(KMH[DUNES], [5, 50, 95])
    assert 25 < slow < middle < 65
    assert quick - slow > 20


def test_braking_is_short_and_hard_and_speeds_of_corners_differ() -> None:
    hard = ACCELERATION < -2.5
    edges = np.flatnonzero(np.diff(np.pad(hard.astype(int), 1)))
    begins, ends = edges[::2], edges[1::2] - 1
    lengths = (ends - begins + 1) * 0.1
    assert len(lengths) > 200
    assert 0.5 < np.median(lengths) < 3.0
    assert np.percentile(lengths, 99) < 6.0
    assert np.ptp(np.percentile(KMH[ends], [10, 90])) > 40


def test_it_is_no_sawtooth() -> None:
    """Between two changes from throttle to brake lies a while, of very different length."""
    assert np.mean(np.abs(ACCELERATION) < 0.5) > 0.35
    assert np.mean(ACCELERATION < -5.0) < 0.05


def test_the_gears_are_used_and_kept_for_a_while() -> None:
    moving = ENGINE.gear > 0
    share = np.bincount(ENGINE.gear[moving].astype(int), minlength=7) / np.count_nonzero(moving)
    assert np.all(share[2:] > 0.02)
    shifts = np.count_nonzero(np.diff(ENGINE.gear))
    assert 4 < shifts / ((ENDS_S - BEGINS_S) / 60) < 15


def test_wheels_spin_in_the_sand_and_not_on_hard_ground() -> None:
    fast = KMH > 20
    slip = ENGINE.wheel_kmh / np.maximum(KMH, 1.0) / WHEEL_OVER_READS - 1
    grounded = WINNER.drive.flights.phase(T) == 0
    assert np.percentile(slip[DUNES & fast], 98) > 0.10
    assert np.percentile(slip[(SOFTNESS < 0.2) & fast & grounded], 98) < 0.04
    assert slip[fast].min() > -1e-6


def test_the_coolant_rises_in_the_dunes_and_raises_no_alarm() -> None:
    enters = np.flatnonzero(np.diff(DUNES.astype(int)) == 1)
    rises = [ENGINE.coolant_c[at : at + 1200].max() - ENGINE.coolant_c[at] for at in enters]
    assert max(rises) > 3.0
    assert ENGINE.coolant_c.max() < 105
    assert ENGINE.oil_bar[ENGINE.rpm > 1500].min() > 1.5


@pytest.mark.parametrize("car", PLANS)
def test_cars_jump_and_are_never_below_the_ground(car: str) -> None:
    drive = PLANS[car].drive
    begin, end = PLANS[car].sections[1]
    jumps = drive.flights
    on_stage = (jumps.begin_s > begin) & (jumps.begin_s < end)
    assert 10 < np.count_nonzero(on_stage) < 200
    around = (jumps.begin_s[:, None] + np.arange(-0.2, 2.0, 0.002)).ravel()
    seen = drive.sample(around)
    height = seen.alt_m - drive.path.altitude_m(seen.distance_m)
    assert -1e-9 < height.min() < 0.2 < height.max() < 3.0


def test_the_cars_drive_differently_and_each_the_same_again() -> None:
    first, second = (plan.drive.motion(T)[1] for plan in list(PLANS.values())[:2])
    assert np.corrcoef(first, second)[0, 1] < 0.98
    again = stages.plan(STAGE, STAGE.cars[0]).drive
    assert np.array_equal(again.motion(T)[1], TRUTH.speed_mps)
