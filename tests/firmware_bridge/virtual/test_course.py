"""What the ground demands: corners, crests, sand and slopes slow the car down, each as it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.virtual.course import (
    CORNERING_MPS2,
    CREST_SHARE,
    LIMIT_MARGIN,
    TURN_REACH_M,
    Stretch,
    course,
)
from firmware_bridge.virtual.drive import Drive, Floats, Path
from firmware_bridge.virtual.flights import GRAVITY_MPS2
from firmware_bridge.virtual.leg import ACCELERATION_MPS2, BRAKING_MPS2
from firmware_bridge.virtual.pace import Anchor, Pace
from firmware_bridge.wgs84 import metres_per_degree
from tests.examples import examples
from tests.firmware_bridge.virtual.courses import straight

LENGTH_M = 9000.0
GRIP = 1.15
"""Between two nodes a corner or crest may be sharper."""


def ground(seed: int) -> Path:
    """A path of corners, crests, dunes and sand at random."""
    rng = np.random.default_rng(seed)
    s = np.arange(0.0, LENGTH_M + 1.0, 7.5)
    knots = np.arange(0.0, LENGTH_M, 150.0) + rng.uniform(0, 110, 60)
    heading = np.interp(s, knots, rng.uniform(-0.8, 0.8, 60))
    north, east = metres_per_degree(24.0)
    lat = 24.0 + np.cumsum(7.5 * np.cos(heading)) / north
    lon = 41.0 + np.cumsum(7.5 * np.sin(heading)) / east
    alt = 500.0 + sum(
        height * np.exp(-(((s - at) / width) ** 2) / 2)
        for at, height, width in zip(
            rng.uniform(0, LENGTH_M, 25), rng.uniform(-3, 9, 25), rng.uniform(9, 60, 25), strict=True
        )
    )
    softness = np.interp(s, np.sort(rng.uniform(0, LENGTH_M, 8)), rng.uniform(0, 1, 8))
    return Path(lat, lon, alt, s, softness, np.interp(s, [0.0, LENGTH_M], rng.uniform(0.5, 1.6, 2)))


BETWEEN_NODES = 1.1
"""The plan keeps to a crest at its nodes; between them the ground may be a few per cent more curved."""


def driven(path: Path, seed: int, slowness: float, limit_mps: float = 47.0) -> tuple[Drive, Floats]:
    """A drive over it from rest to rest, in a multiple of the least time, and close instants."""
    pace = Pace(path, [Stretch(0.0, LENGTH_M, limit_mps=limit_mps, cruise_mps=28.0)], seed)
    end_s = slowness * pace.fastest_s(0.0, LENGTH_M - 10.0)
    drive = pace.drive([Anchor(0.0, 0.0), Anchor(end_s, LENGTH_M - 10.0)])
    return drive, np.arange(0.0, end_s, 0.05)


@examples(25)
@given(st.integers(0, 10_000), st.floats(1.0001, 3.0), st.floats(8.0, 50.0))
def test_a_car_can_drive_it_on_any_ground(seed: int, slowness: float, limit_mps: float) -> None:
    path = ground(seed)
    drive, t = driven(path, seed, slowness, limit_mps)
    distance, speed = drive.motion(t)
    assert distance[-1] == pytest.approx(LENGTH_M - 10.0, abs=1.0)
    assert drive.at(drive.end_s).distance_m == LENGTH_M - 10.0
    assert speed.min() >= 0.0
    assert np.all(np.diff(distance) >= 0.0)
    acceleration = np.diff(speed) / np.diff(t)
    assert -BRAKING_MPS2 - 1e-6 <= acceleration.min() <= acceleration.max() <= ACCELERATION_MPS2 + 1e-6
    assert speed.max() <= limit_mps * LIMIT_MARGIN + 1e-9
    before, after = path.heading_deg(distance - TURN_REACH_M), path.heading_deg(distance + TURN_REACH_M)
    turning = np.radians(np.abs(after - before)) / (2 * TURN_REACH_M)
    assert np.max(speed**2 * turning) <= GRIP * CORNERING_MPS2
    _, curvature = path.relief(distance)
    assert np.max(speed**2 * np.abs(curvature)) <= BETWEEN_NODES * GRIP * CREST_SHARE * GRAVITY_MPS2


def test_the_speed_is_the_derivative_of_the_distance() -> None:
    drive, t = driven(ground(5), 5, 1.2)
    distance, speed = drive.motion(np.concatenate([t, t + 1e-5]))
    rate = (distance[len(t) :] - distance[: len(t)]) / 1e-5
    assert np.max(np.abs(rate - (speed[: len(t)] + speed[len(t) :]) / 2)) < 1e-4


def test_a_driver_brakes_late_and_does_not_swing_from_throttle_to_brake_at_once() -> None:
    drive, t = driven(ground(7), 7, 1.05)
    _, speed = drive.motion(t)
    acceleration = np.diff(speed) / np.diff(t)
    assert acceleration.min() < -3.5
    pulls, brakes = np.flatnonzero(acceleration > 2.0), np.flatnonzero(acceleration < -3.5)
    nearest = np.abs(brakes[:, None] - pulls[None, :]).min() * 0.05
    assert nearest > 0.1


@pytest.mark.parametrize(("softness", "climb"), [(0.9, 0.0), (0.0, 0.15)])
def test_sand_and_slopes_weaken_the_pull(softness: float, climb: float) -> None:
    flat = straight(2000.0)
    hard = course(flat, [], 0)
    path = Path(
        flat.lat, flat.lon, flat.alt_m + climb * flat.distance_m, flat.distance_m, np.array([softness])
    )
    heavy = course(path, [], 0)
    assert heavy.pulling_m[-1] < 0.7 * hard.pulling_m[-1]
    assert bool(heavy.braking_m[-1] < hard.braking_m[-1]) is (softness > 0)


@examples(40)
@given(
    st.integers(0, 10_000),
    st.lists(
        st.tuples(st.floats(100.0, 8000.0), st.floats(0.1, 900.0), st.floats(5.0, 25.0)),
        min_size=1,
        max_size=4,
    ),
    st.floats(1.0, 2.0),
)
def test_a_limit_holds_from_its_first_to_its_last_metre(
    seed: int, zones: list[tuple[float, float, float]], slowness: float
) -> None:
    path = straight(LENGTH_M)
    stretches = [Stretch(0.0, LENGTH_M, cruise_mps=40.0)]
    stretches += [Stretch(at, at + length, limit_mps=limit) for at, length, limit in zones]
    pace = Pace(path, stretches, seed)
    end_s = slowness * pace.fastest_s(0.0, LENGTH_M - 3.0) + 0.001
    drive = pace.drive([Anchor(0.0, 0.0), Anchor(end_s, LENGTH_M - 3.0)])
    for at, length, limit in zones:
        inside = np.linspace(drive.time_at(at), drive.time_at(min(at + length, LENGTH_M - 3.0)), 400)
        assert drive.motion(inside)[1].max() <= limit
