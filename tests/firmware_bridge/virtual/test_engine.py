"""Engine model: behaviour that a crew or an alarm would notice."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.virtual.engine import IDLE_RPM, REDLINE_RPM, Engine
from tests.firmware_bridge.virtual.courses import lively, steady

DRIVE = lively()
T = np.arange(0.0, 1200.0, 0.1)
STATES = Engine(DRIVE).sample(T)


def test_standing_it_idles_in_neutral() -> None:
    standing = STATES.speed_kmh == 0
    assert standing.any()
    assert np.all(STATES.gear[standing] == 0)
    assert np.all(np.abs(STATES.rpm[standing] - IDLE_RPM) < 20)
    assert np.all(STATES.wheel_kmh[standing] == 0)


def test_driving_it_shifts_through_its_gears_within_its_revs() -> None:
    driving = STATES.speed_kmh > 0
    assert set(STATES.gear[driving]) == {1, 2, 3, 4, 5, 6}
    assert STATES.rpm.max() < REDLINE_RPM * 1.02
    shifts = np.count_nonzero(np.diff(STATES.gear[driving]))
    assert 10 < shifts < 600  # a twisty road: about one in two seconds
    assert np.ptp(Engine(steady()).sample(np.arange(5.0, 590.0)).gear) == 0


def test_throttle_and_brake_are_never_used_together() -> None:
    assert STATES.throttle_pct.max() > 60
    assert STATES.brake_bar.max() > 20
    assert not np.any((STATES.throttle_pct > 30) & (STATES.brake_bar > 5))


def test_it_warms_up_and_the_thermostat_holds() -> None:
    drive = steady(28.0, 3600.0)
    coolant, oil = (
        getattr(Engine(drive).sample(np.array([0.0, 3500.0])), name) for name in ("coolant_c", "oil_c")
    )
    assert coolant[0] < 45
    assert 80 < coolant[1] < 100
    assert coolant[1] < oil[1] < 125


def test_fuel_only_falls() -> None:
    assert np.all(np.diff(STATES.fuel_pct) <= 0)
    assert STATES.fuel_pct[-1] < STATES.fuel_pct[0]


def test_wheels_over_read_by_their_scale_and_slip() -> None:
    fast = STATES.speed_kmh > 40
    ratio = STATES.wheel_kmh[fast] / STATES.speed_kmh[fast]
    assert 1.017 < ratio.min() < ratio.max() < 1.05


def test_a_snapped_belt_stops_the_alternator_and_the_water_pump() -> None:
    drive = steady(28.0, 3600.0)
    t = np.array([1799.0, 1803.0, 1860.0, 2400.0, 3500.0])
    whole, broken = Engine(drive).sample(t), Engine(drive, belt_snaps_s=1800.0).sample(t)
    assert broken.battery_v[0] == pytest.approx(whole.battery_v[0])
    assert broken.battery_v[0] > 13.9
    assert 12.3 < broken.battery_v[1] < 12.7
    assert np.all(np.diff(broken.battery_v[1:]) < 0)
    assert broken.coolant_c[2] > whole.coolant_c[2] + 2
    assert broken.coolant_c[3] > 110
    assert np.all(np.abs(whole.coolant_c - whole.coolant_c[0]) < 3)


def test_one_instant_equals_the_same_among_many() -> None:
    alone = Engine(DRIVE).sample(T[4321:4322])
    for name, one, many in zip(alone._fields, alone, STATES, strict=True):
        assert one[0] == many[4321], name
