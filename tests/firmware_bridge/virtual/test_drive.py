"""Consistency of a drive: position, distance, speed and time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.wgs84 import metres_per_degree
from tests.firmware_bridge.virtual.courses import NOON_UTC_S, lively, steady, straight

DRIVE = lively()


@given(st.floats(-50.0, 1300.0))
def test_one_moment_is_a_sample_of_one(t_s: float) -> None:
    among_others = DRIVE.sample(np.array([0.0, t_s, 777.0]))
    assert DRIVE.at(t_s) == tuple(float(column[1]) for column in among_others)


def test_speed_is_the_derivative_of_distance() -> None:
    t = np.arange(0.0, 1200.0, 0.01)
    distance, speed = DRIVE.motion(t)
    average = np.diff(distance) / 0.01
    assert np.max(np.abs(average - (speed[1:] + speed[:-1]) / 2)) < 0.01  # a node may lie between two samples
    assert np.all(np.diff(distance) >= 0)


@pytest.mark.parametrize(
    ("t_s", "is_standing"), [(0.0, True), (59.999, True), (61.0, False), (430.0, True), (1200.0, True)]
)
def test_stops_are_exactly_zero(t_s: float, is_standing: bool) -> None:
    assert (DRIVE.at(t_s).speed_mps == 0.0) is is_standing


@pytest.mark.parametrize("t_s", [-10.0, 1300.0])
def test_it_stands_before_and_after(t_s: float) -> None:
    moment = DRIVE.at(t_s)
    assert moment.speed_mps == 0.0
    assert moment.distance_m == (0.0 if t_s < 0 else 15_000.0)


@given(st.floats(0.001, 15_000.0))
def test_time_at_is_the_inverse_of_distance(distance_m: float) -> None:
    t_s = DRIVE.time_at(distance_m)
    assert DRIVE.at(t_s).distance_m == pytest.approx(distance_m, abs=1e-6)
    assert DRIVE.at(t_s - 0.01).distance_m < distance_m


def test_a_stop_has_an_arrival_and_a_departure() -> None:
    assert (DRIVE.time_at(7000.0), DRIVE.leaves_at(7000.0)) == (400.0, 460.0)
    assert DRIVE.leaves_at(6999.0) == DRIVE.time_at(6999.0)


@pytest.mark.parametrize("distance_m", [-0.001, 15_000.1])
def test_a_distance_never_reached_has_no_time(distance_m: float) -> None:
    with pytest.raises(ValueError, match="never comes"):
        DRIVE.time_at(distance_m)


def test_a_part_of_a_drive_is_the_same_drive() -> None:
    part = DRIVE.between(300, 500)
    t = np.linspace(0.0, 200.0, 997)
    for name, mine, whole in zip(part.sample(t)._fields, part.sample(t), DRIVE.sample(t + 300), strict=True):
        if name != "t_s":
            assert np.allclose(mine, whole, atol=1e-7), name
    assert (part.utc_s, part.end_s) == (NOON_UTC_S + 300, 200.0)


@pytest.mark.parametrize(("t0_s", "t1_s"), [(0.5, 10), (10, 10), (-1, 5)])
def test_a_part_begins_at_a_whole_second_within(t0_s: float, t1_s: float) -> None:
    with pytest.raises(ValueError, match="no drive"):
        DRIVE.between(t0_s, t1_s)


@pytest.mark.parametrize("course_deg", [0.0, 45.0, 180.0, 270.0, 359.0])
@pytest.mark.parametrize("lat", [-33.0, 0.0, 24.0, 68.0])
def test_course_and_position_follow_the_path(lat: float, course_deg: float) -> None:
    drive = steady(25.0, 400.0, straight(11_000.0, lat, 179.98, course_deg))
    start, end = drive.at(0.0), drive.at(400.0)
    north, east = metres_per_degree((start.lat + end.lat) / 2)
    eastwards = (end.lon - start.lon + 180.0) % 360.0 - 180.0
    assert np.hypot((end.lat - start.lat) * north, eastwards * east) == pytest.approx(10_000.0, rel=1e-4)
    assert abs((drive.at(200.0).course_deg - course_deg + 180.0) % 360.0 - 180.0) < 0.1
    assert -180.0 <= end.lon < 180.0


def test_a_path_may_jump_the_antimeridian() -> None:
    path = Path(
        np.zeros(3), np.array([179.999, -179.999, -179.997]), np.zeros(3), np.array([0.0, 222.6, 445.3])
    )
    drive = Drive(path, [0.0, 10.0], [0.0, 445.3], [44.53, 44.53])
    assert abs(drive.at(2.5).lon) == pytest.approx(180.0, abs=1e-5)
    assert drive.at(5.0).course_deg == pytest.approx(90.0)
