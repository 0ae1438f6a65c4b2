"""Jumps: the car leaves a crest that it takes too fast, and its altitude is a parabola until it lands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.flights import GRAVITY_MPS2
from tests.examples import examples
from tests.firmware_bridge.virtual.courses import steady, straight

CRESTS_M = (1000.0, 1500.0, 2300.0)


def over_crests(speed_mps: float, height_m: float = 1.6, width_m: float = 15.0) -> Drive:
    """A steady drive over crests of this height and half-width."""
    flat = straight(3100.0)
    s = np.arange(0.0, 3101.0, 5.0)
    alt = 500.0 + height_m * np.exp(-(((s[:, None] - CRESTS_M) / width_m) ** 2) / 2).sum(axis=1)
    lat, lon, _ = flat.position(s)
    return steady(speed_mps, 3000.0 / speed_mps, Path(lat, lon, alt, s))


def test_a_fast_car_jumps_once_at_each_crest_and_a_slow_one_never() -> None:
    fast = over_crests(40.0).flights
    assert len(fast.begin_s) == len(CRESTS_M)
    assert np.all(np.abs(fast.begin_s * 40.0 - CRESTS_M) < 30.0)
    assert np.all((fast.end_s - fast.begin_s > 0.1) & (fast.end_s - fast.begin_s < 1.6))
    assert len(over_crests(15.0).flights.begin_s) == 0
    assert len(steady().flights.begin_s) == 0


def test_in_the_air_the_car_falls_freely() -> None:
    drive = over_crests(40.0)
    begin, end = drive.flights.begin_s[0], drive.flights.end_s[0]
    t = np.linspace(begin + 0.02, end - 0.06, 9)
    alt = drive.sample(t).alt_m
    assert np.diff(alt, 2) / (t[1] - t[0]) ** 2 == pytest.approx(-GRAVITY_MPS2, rel=1e-3)


@examples(15)
@given(st.floats(5.0, 50.0), st.floats(0.2, 3.0), st.floats(10.0, 30.0))
def test_the_altitude_is_continuous_and_never_below_the_ground(
    speed: float, height: float, width: float
) -> None:
    drive = over_crests(speed, height, width)
    t = np.arange(0.0, drive.end_s, 0.002)
    seen = drive.sample(t)
    ground = drive.path.altitude_m(seen.distance_m)
    assert np.all(seen.alt_m >= ground - 1e-9)
    steepest = height / width * speed + 2 * GRAVITY_MPS2
    assert np.max(np.abs(np.diff(seen.alt_m))) < 0.002 * steepest


def test_the_wheels_speed_up_and_the_driver_lifts() -> None:
    drive = over_crests(40.0)
    jump = drive.flights
    middle = (jump.begin_s + jump.end_s) / 2
    flying, rolling = Engine(drive).sample(middle), Engine(drive).sample(jump.begin_s - 3.0)
    assert np.all(flying.rpm > 1.05 * rolling.rpm)
    assert np.all(flying.wheel_kmh > 1.05 * rolling.wheel_kmh)
    assert np.all(flying.throttle_pct < rolling.throttle_pct)
    assert np.array_equal(flying.gear, rolling.gear)
