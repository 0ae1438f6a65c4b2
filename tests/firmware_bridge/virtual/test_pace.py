"""Speed planner: anchors are met within the limits of a car."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.course import CORNERING_MPS2, LIMIT_MARGIN, Stretch
from firmware_bridge.virtual.leg import ACCELERATION_MPS2, BRAKING_MPS2
from firmware_bridge.virtual.pace import Anchor, Pace
from tests.examples import examples
from tests.firmware_bridge.virtual.courses import winding

PATH = winding()
STRETCHES = [
    Stretch(0.0, 20_000.0, limit_mps=45.0, cruise_mps=30.0),
    Stretch(4000.0, 5200.0, limit_mps=50 / 3.6),
]
PACE = Pace(PATH, STRETCHES, seed=3)


@examples(12)
@given(
    gaps=st.lists(st.tuples(st.floats(300.0, 4000.0), st.floats(1.1, 4.0)), min_size=1, max_size=5),
    stop_s=st.floats(0.0, 100.0),
)
def test_anchors_are_met(gaps: list[tuple[float, float]], stop_s: float) -> None:
    t, d = 20.0, 0.0
    anchors = [Anchor(0.0, 0.0), Anchor(t, d)]
    for length_m, slowness in gaps:
        t += slowness * PACE.fastest_s(d, d + length_m) + 1.0
        d += length_m
        anchors.append(Anchor(t, d))
        if stop_s > 50.0:
            t += stop_s
            anchors.append(Anchor(t, d))
    drive = PACE.drive(anchors)
    for anchor in anchors:
        assert drive.at(anchor.t_s).distance_m == pytest.approx(anchor.distance_m, abs=1e-5)


def test_a_car_can_do_it() -> None:
    pace = Pace(PATH, STRETCHES)
    least_s = pace.fastest_s(0.0, 18_000.0)
    drive = pace.drive([Anchor(0.0, 0.0), Anchor(1.15 * least_s, 18_000.0)])
    t = np.arange(0.0, 1.15 * least_s, 0.05)
    distance, speed = drive.motion(t)
    acceleration = np.diff(speed) / 0.05
    assert acceleration.max() <= ACCELERATION_MPS2 + 1e-6
    assert acceleration.min() >= -BRAKING_MPS2 - 1e-6
    assert speed.max() <= 45.0 * LIMIT_MARGIN + 1e-9
    turn = np.abs(PATH.heading_deg(distance + 15.0) - PATH.heading_deg(distance - 15.0)) / 30.0
    assert np.max(speed**2 * np.radians(turn)) < 1.15 * CORNERING_MPS2  # between nodes the bend may tighten
    zone = (distance >= 4000.0) & (distance <= 5200.0)
    assert zone.any()
    assert speed[zone].max() <= 50 / 3.6 * LIMIT_MARGIN + 1e-9


def test_a_speed_at_an_anchor_is_met() -> None:
    drive = PACE.drive([Anchor(0.0, 0.0), Anchor(3.5, 15.0, 8.0), Anchor(200.0, 3000.0)])
    assert drive.at(3.5).speed_mps == pytest.approx(8.0)
    assert drive.at(3.5).distance_m == pytest.approx(15.0)


def test_seeds_differ_and_each_is_reproducible() -> None:
    anchors = [Anchor(0.0, 0.0), Anchor(400.0, 9000.0)]
    first, again, other = (Pace(PATH, STRETCHES, seed).drive(anchors).at(170.0) for seed in (1, 1, 2))
    assert first == again
    assert abs(first.distance_m - other.distance_m) > 0.5


def test_an_impossible_time_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"10\.000 km cannot be driven in 100 s, it takes at least"):
        PACE.drive([Anchor(0.0, 0.0), Anchor(100.0, 10_000.0)])


def test_the_natural_time_is_between_the_fastest_and_a_walk() -> None:
    assert PACE.fastest_s(0.0, 9000.0) < PACE.natural_s(0.0, 9000.0) < 9000.0 / 10.0
