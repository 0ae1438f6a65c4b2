"""The odometer against drives of known length."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gps.jump_filter import FASTEST_CAR_MPS
from firmware_bridge.records import Channel, Fix, Reading
from logger.stage.odometer import BLINK_US, OBD, WHEEL, Leg, Odometer
from tests.logger.stage import truth

S = 1_000_000


def drive_through(odometer: Odometer, fixes: list[Fix], readings: list[Reading] | None = None) -> list[Leg]:
    """Feed fixes and wheel speeds in order of time; the truth's own time is drive time here."""
    inputs: list[Fix | Reading] = sorted([*fixes, *(readings or [])], key=lambda record: record.t_us)
    legs = []
    for record in inputs:
        if isinstance(record, Reading):
            source = WHEEL if record.channel == truth.WHEEL else OBD
            leg = odometer.wheel(record.t_us, record.value / 3.6, source)
        elif record.lat is None or record.lon is None or record.utc_us is None:
            continue
        else:
            at_us = record.utc_us - truth.START_UTC_US
            leg = odometer.fix(at_us, record.lat, record.lon, record.speed_mps)
        if leg is not None:
            legs.append(leg)
    return legs


def fix_at(odometer: Odometer, at_s: float, mps: float | None, east_m: float = 0.0) -> Leg | None:
    return odometer.fix(round(at_s * S), 0.0, east_m / 111_319.5, mps)


@pytest.mark.parametrize("hz", [1, 5, 10])
def test_a_tenth_of_a_per_cent_at_any_rate(hz: float) -> None:
    drive = truth.rally(40_000)
    odometer = Odometer()
    drive_through(odometer, truth.fixes(drive, hz))
    assert odometer.total_m == pytest.approx(drive.length_m, rel=0.001)
    assert odometer.estimated_m == 0


@pytest.mark.parametrize("hz", [1, 10])
def test_nothing_creeps_at_standstill(hz: float) -> None:
    drive = truth.planned(truth.road(1000), [(1800, 0.0)])
    odometer = Odometer()
    drive_through(odometer, truth.fixes(drive, hz))
    assert odometer.total_m < 0.5
    assert odometer.moving_us < 2 * S


@pytest.mark.parametrize(
    ("channel", "scale", "step_kmh", "hz"),
    [
        (truth.WHEEL, 1.03, 0.1, 10),
        (truth.WHEEL, 0.9, 0.1, 5),
        (truth.OBD, 1.04, 1.0, 4),
        (truth.OBD, 1.0, 1.0, 1),
    ],
)
def test_the_wheel_measures_ten_minutes_without_gps(
    channel: Channel, scale: float, step_kmh: float, hz: float
) -> None:
    drive = truth.rally(40_000)
    gap = (500.0, 1100.0)
    odometer = Odometer()
    readings = list(truth.wheel(drive, hz, scale=scale, channel=channel, step_kmh=step_kmh))
    legs = drive_through(odometer, truth.fixes(drive, 5, lost=[gap]), readings)
    blind_m = drive.at(gap[1]).distance_m - drive.at(gap[0]).distance_m
    assert blind_m > 10_000
    assert odometer.total_m == pytest.approx(drive.length_m, abs=0.005 * blind_m + 0.001 * drive.length_m)
    assert odometer.estimated_m == pytest.approx(blind_m, rel=0.01)
    bridging = next(leg for leg in legs if not leg.seen and leg.a is not None)
    assert bridging.to_us == gap[1] * S
    assert all(leg.seen for leg in legs[legs.index(bridging) + 1 :])


def test_the_distance_follows_the_wheel_while_gps_is_lost() -> None:
    drive = truth.rally(20_000)
    odometer = Odometer()
    fixes = truth.fixes(drive, 5, noise=False, to_s=400)
    drive_through(odometer, fixes, [r for r in truth.wheel(drive) if r.t_us < 500 * S])
    assert odometer.total_m == pytest.approx(drive.at(499.9).distance_m, rel=0.005)
    assert odometer.speed(500 * S)[1] == "wheel"
    assert odometer.lost(500 * S)


def test_without_a_wheel_a_gap_is_the_straight_distance() -> None:
    drive = truth.planned(truth.road(30_000), [(10, 90.0), (600, 90.0)])
    odometer = Odometer()
    legs = drive_through(odometer, truth.fixes(drive, 1, lost=[(100.0, 300.0)]))
    (bridge,) = [leg for leg in legs if not leg.seen]
    assert bridge.a is not None and bridge.b is not None
    winding_m, straight_m = 201 * 25.0, bridge.to_m - bridge.from_m
    assert 0.8 * winding_m < straight_m < winding_m
    assert odometer.estimated_m == pytest.approx(straight_m)


@pytest.mark.parametrize(("gap_us", "seen"), [(BLINK_US, True), (BLINK_US + 1, False)])
def test_a_short_gap_is_bridged_by_the_speeds_at_its_ends(gap_us: int, seen: bool) -> None:
    odometer = Odometer()
    fix_at(odometer, 0, 20.0)
    leg = odometer.fix(gap_us, 0.0, 60.0 / 111_319.5, 20.0)
    assert leg is not None
    assert leg.seen is seen
    assert odometer.total_m == pytest.approx(60.0, abs=0.1)


@pytest.mark.parametrize(
    ("mps", "taken"),
    [
        (FASTEST_CAR_MPS, True),
        (FASTEST_CAR_MPS + 0.1, False),
        (-0.1, False),
        (math.nan, False),
        (math.inf, False),
    ],
)
def test_impossible_speeds_are_rejected(mps: float, taken: bool) -> None:
    odometer = Odometer()
    fix_at(odometer, 0, 85.0)
    assert (fix_at(odometer, 1, mps) is not None) is taken
    assert odometer.rejected.take(0) == ({} if taken else {"gps": 1})


@pytest.mark.parametrize(
    ("change_mps", "taken"), [(3.9, True), (4.1, False)]
)  # 20 m/s2 over 0.1 s, and 2 m/s
def test_impossible_changes_of_speed_are_rejected(change_mps: float, taken: bool) -> None:
    odometer = Odometer()
    fix_at(odometer, 0, 20.0)
    assert (fix_at(odometer, 0.1, 20.0 + change_mps) is not None) is taken


def test_a_jump_of_position_is_not_driven_and_not_used() -> None:
    odometer = Odometer()
    for i in range(10):
        fix_at(odometer, i, 20.0, 20.0 * i)
    leg = fix_at(odometer, 10, 20.0, 5000.0)
    assert leg is not None
    assert (leg.a, leg.b) == (None, None)
    assert odometer.total_m == pytest.approx(200.0)
    leg = fix_at(odometer, 11, 20.0, 220.0)
    assert leg is not None
    assert leg.a == (0.0, 180.0 / 111_319.5)
    assert odometer.total_m == pytest.approx(220.0)


def test_a_gap_behind_false_positions_is_counted_once() -> None:
    """Five seconds are counted by speed while the position is false, then fixes pause for four seconds."""
    odometer = Odometer()
    for i in range(16):
        fix_at(odometer, i, 20.0, 5000.0 if i > 10 else 20.0 * i)
    fix_at(odometer, 19, 20.0, 380.0)
    assert odometer.total_m == pytest.approx(380.0)


def test_a_receiver_without_speed() -> None:
    drive = truth.rally(20_000, wait_s=600)
    odometer = Odometer()
    for fix in truth.fixes(drive, 5):
        assert fix.lat is not None and fix.lon is not None and fix.utc_us is not None
        odometer.fix(fix.utc_us - truth.START_UTC_US, fix.lat, fix.lon, None)
        if fix.utc_us - truth.START_UTC_US == 590 * S:
            assert odometer.total_m < 5
    assert odometer.total_m == pytest.approx(drive.length_m, rel=0.01)


def test_a_spinning_wheel_does_not_calibrate() -> None:
    odometer = Odometer()
    for i in range(2000):
        fix_at(odometer, i / 10, 10.0, float(i))
        odometer.wheel(i * S // 10 + 1, 20.0, WHEEL)  # twice as fast as the ground: sand
    at_us = 202 * S
    before_m = odometer.total_m
    for i in range(11):
        odometer.wheel(at_us + i * S // 10, 10.0, WHEEL)
    assert odometer.total_m - before_m == pytest.approx(
        12.0, abs=0.2
    )  # as it reads (and 0.1 s at 20 m/s), not half of it


def test_speed_ages_and_vanishes() -> None:
    odometer = Odometer()
    assert odometer.speed(0) == (None, None)
    fix_at(odometer, 10, 20.0)
    assert odometer.speed(10 * S) == (20.0, "gps")
    assert odometer.speed(15 * S - 1) == (20.0, "gps")
    assert odometer.speed(15 * S) == (None, None)
    odometer.wheel(13 * S, 21.0, OBD)
    assert odometer.speed(13 * S) == (21.0, "obd")


def test_the_past_is_remembered_for_late_commands() -> None:
    drive = truth.rally(20_000)
    odometer = Odometer()
    drive_through(odometer, truth.fixes(drive, 10, noise=False, to_s=600))
    for back_s in (0.0, 0.3, 10.05, 300.0, 500.0):
        past = odometer.past(round((599.9 - back_s) * S))
        assert past.total_m == pytest.approx(drive.at(599.9 - back_s).distance_m, abs=3)
    assert odometer.past(10**12).total_m == odometer.total_m


def test_a_gap_between_two_sessions_is_bridged_like_any_other() -> None:
    drive = truth.rally(20_000)
    fixes = truth.fixes(drive, 5, noise=False)
    whole, first, second = Odometer(), Odometer(), Odometer()
    drive_through(whole, [fix for i, fix in enumerate(fixes) if not 1000 <= i < 1100])
    drive_through(first, fixes[:1000])
    second.resume(first.state())
    drive_through(second, fixes[1100:])
    assert second.total_m == pytest.approx(whole.total_m, abs=1e-6)
    assert second.estimated_m > 0
    assert second.moving_us == whole.moving_us


_ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 60 * S),
            st.floats(-90, 90),
            st.floats(-180, 180),
            st.none() | _ANY | st.floats(0, 90),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_the_total_never_decreases(
    inputs: list[tuple[int, float, float, float | None, bool]],
) -> None:
    odometer, last_m = Odometer(), 0.0
    for at_us, lat, lon, mps, is_wheel in inputs:
        if is_wheel:
            odometer.wheel(at_us, mps or 0.0, WHEEL)
        else:
            odometer.fix(at_us, lat, lon, mps)
        assert odometer.total_m >= last_m
        assert odometer.past(at_us).total_m <= odometer.total_m
        last_m = odometer.total_m


def test_a_speed_each_second_among_ten_positions() -> None:
    drive, odometer = truth.rally(20_000), Odometer()
    fixes = [f if i % 10 == 0 else f._replace(speed_mps=None) for i, f in enumerate(truth.fixes(drive, 10))]
    drive_through(odometer, fixes)
    assert odometer.total_m == pytest.approx(drive.length_m, rel=0.005)
    assert not odometer.rejected.take(0)


def test_missing_speeds_are_bridged() -> None:
    drive, odometer = truth.rally(20_000), Odometer()
    fixes = [f._replace(speed_mps=None) if i % 7 < 2 else f for i, f in enumerate(truth.fixes(drive, 5))]
    drive_through(odometer, fixes)
    assert odometer.total_m == pytest.approx(drive.length_m, rel=0.003)


@pytest.mark.parametrize("hz", [1, 10])
def test_a_speed_that_stays_at_0_while_the_car_drives(hz: float) -> None:
    drive, odometer = truth.rally(20_000), Odometer()
    drive_through(odometer, [f._replace(speed_mps=0.0) for f in truth.fixes(drive, hz)])
    assert odometer.total_m == pytest.approx(drive.length_m, rel=0.01)


def test_speed_from_positions_names_its_source() -> None:
    odometer = Odometer()
    for i in range(100):
        fix_at(odometer, i / 10, None, 2.0 * i)
    mps, source = odometer.speed(10 * S)
    assert source == "positions"
    assert mps == pytest.approx(20.0, abs=0.1)
    assert odometer.speedless_us == 0


def test_impossible_positions_give_no_speed() -> None:
    odometer = Odometer()
    for i in range(100):
        fix_at(odometer, i / 10, None, 300.0 * (i * i % 7))
    assert odometer.speedless_us > 5 * S


def test_standing_positions_with_a_turning_wheel_give_no_speed() -> None:
    odometer = Odometer()
    for i in range(100):
        odometer.wheel(i * S // 10, 20.0, WHEEL)
        fix_at(odometer, i / 10, None, 0.0)
    assert odometer.speedless_us > 5 * S


def test_endless_impossible_speeds_give_no_speed() -> None:
    odometer = Odometer()
    for i in range(100):
        fix_at(odometer, i / 10, 300.0, 2.0 * i)
    assert odometer.speedless_us > 5 * S
