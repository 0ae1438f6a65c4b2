"""Gears: revs follow the wheels, shifts are rare and short, and nothing hunts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.engine import CUT, REDLINE_RPM, WHEEL_OVER_READS, Engine
from firmware_bridge.virtual.gearbox import DWELL_STEPS, RPM_PER_MPS, SHIFT_S, STEP_S, Gearbox
from tests.examples import examples
from tests.firmware_bridge.virtual.courses import lively, steady, straight

UNEVEN = 0.01
"""No engine runs perfectly evenly."""
DRIVE = lively()


def accelerating(mps2: float, to_mps: float) -> Drive:
    """From rest to a speed and, without a pause, back to rest."""
    half_s = to_mps / mps2
    t = [0.0, 10.0, 10.0 + half_s, 10.0 + 2 * half_s, 20.0 + 2 * half_s]
    s = to_mps * half_s
    return Drive(straight(s + 500.0), t, [0.0, 0.0, s / 2, s, s], [0.0, 0.0, to_mps, 0.0, 0.0])


def shifts(drive: Drive) -> tuple[list[float], list[float]]:
    """Gears in order while moving, and the seconds between shifts."""
    t = np.arange(0.0, drive.end_s, 0.02)
    gear = Engine(drive).sample(t).gear
    changed = np.flatnonzero(np.diff(gear)) + 1
    return gear[changed].tolist(), np.diff(t[changed]).tolist()


def test_it_goes_up_and_down_through_all_gears() -> None:
    gears, _ = shifts(accelerating(2.5, 45.0))
    top = gears.index(6)
    assert gears[: top + 1] == [1, 2, 3, 4, 5, 6]
    assert gears[top:] == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("speed_mps", np.arange(2.0, 52.0, 2.5).tolist())
def test_a_steady_speed_keeps_its_gear(speed_mps: float) -> None:
    assert np.ptp(Engine(steady(speed_mps)).sample(np.arange(5.0, 590.0)).gear) == 0


@examples(20)
@given(st.floats(0.5, 4.0), st.floats(5.0, 50.0))
def test_no_gear_is_left_before_the_driver_can(mps2: float, to_mps: float) -> None:
    gears, between_s = shifts(accelerating(mps2, to_mps))
    assert all(abs(after - before) <= 1 or after == 0 for before, after in pairwise(gears))
    moving = [gap for gap, gear in zip(between_s, gears[1:], strict=False) if gear > 0]
    assert min(moving[1:], default=1.0) > DWELL_STEPS * STEP_S - 0.03


def test_revs_are_those_of_the_wheels_in_the_gear() -> None:
    t = np.arange(0.0, DRIVE.end_s, 0.05)
    states, gears = Engine(DRIVE).sample(t), Gearbox(DRIVE).at(t)
    ratio = np.array(RPM_PER_MPS)[np.maximum(states.gear.astype(int) - 1, 0)]
    locked = (states.gear > 1) & (gears.rpm_per_mps == ratio)
    assert np.count_nonzero(locked) > 10_000
    wheel_mps = states.wheel_kmh / 3.6 / WHEEL_OVER_READS
    off = states.rpm / np.maximum(ratio * wheel_mps, 1.0) - 1
    assert np.max(np.abs(off[locked])) < UNEVEN
    assert states.rpm.max() < REDLINE_RPM * (1 + UNEVEN)


def test_a_shift_up_interrupts_the_torque_and_the_revs_fall_evenly() -> None:
    drive = accelerating(2.5, 45.0)
    engine = Engine(drive)
    t = np.arange(10.0, 28.0, 0.01)
    gear = engine.sample(t).gear
    (second, *_) = t[np.flatnonzero(np.diff(gear)) + 1][gear[np.flatnonzero(np.diff(gear)) + 1] == 3]
    before, middle, after = engine.sample(
        np.array([second - 0.05, second + SHIFT_S / 2, second + SHIFT_S + 0.05])
    ).rpm
    assert before > middle > after
    throttle = engine.sample(
        np.array([second - 0.05, second + SHIFT_S / 2, second + SHIFT_S + 0.05])
    ).throttle_pct
    assert throttle[1] < 1.2 * (1 - CUT) * throttle[0]
    assert throttle[2] > 0.8 * throttle[0]


def test_a_shift_down_needs_a_touch_of_throttle() -> None:
    drive = accelerating(3.5, 45.0)
    t = np.arange(25.0, 36.0, 0.01)
    states = Engine(drive).sample(t)
    down = np.flatnonzero(np.diff(states.gear) < 0) + 1
    blips = [states.throttle_pct[at : at + 25].max() for at in down[:4]]
    assert min(blips) > 20
    assert not np.any((states.throttle_pct > 30) & (states.brake_bar > 5))
