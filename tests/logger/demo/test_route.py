"""Roads are as long as the roadbook says, pass where it says, and are smooth enough to drive."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.drive import Path
from logger.demo.route import Place, road
from logger.stage import geo
from tests.examples import examples
from tests.logger.stage.destination import destination


def measured_m(path: Path) -> float:
    """Return the length by `logger.stage.geo`, which is independent of the road generator."""
    points = list(zip(path.lat.tolist(), path.lon.tolist(), strict=True))
    return sum(geo.distance_m(*a, *b) for a, b in pairwise(points))


PLACES = [
    Place(0.0, 20.0, 42.6),
    Place(9_500.0, 20.06, 42.56),
    Place(10_100.0, 20.064, 42.557),
    Place(30_000.0, 20.2, 42.5),
]


def test_a_road_has_its_stated_length() -> None:
    path = road(PLACES, 30_000.0, rough=[(0.0, 30_000.0)])
    assert path.distance_m[0] == 0.0
    assert path.distance_m[-1] == pytest.approx(30_000.0, abs=1e-6)
    assert measured_m(path) == pytest.approx(30_000.0, rel=1e-4)


def test_it_passes_its_places_at_their_kilometres() -> None:
    path = road(PLACES, 30_000.0, rough=[])
    for place in PLACES:
        lat, lon, _ = path.position(np.array([place.distance_m]))
        assert geo.distance_m(lat[0], lon[0], place.lat, place.lon) < 0.01


def test_it_is_dense_and_has_no_kinks() -> None:
    path = road(PLACES, 30_000.0, rough=[(0.0, 30_000.0)])
    assert np.diff(path.distance_m).max() < 70.0
    s = np.arange(0.0, 30_000.0, 10.0)
    assert np.max(np.abs(np.diff(path.heading_deg(s)))) < 45.0  # in 10 m: a hairpin of 13 m radius


@examples(20)
@given(
    st.integers(-60, 60),
    st.integers(-180, 179),
    st.floats(1_000.0, 60_000.0),
    st.floats(0.0, 0.99),
    st.floats(0, 359),
)
def test_any_two_places_near_enough_have_a_road(
    lat: int, lon: int, length_m: float, share: float, course: float
) -> None:
    there = destination(lat, lon, course, share * length_m)
    path = road([Place(0.0, lat, lon), Place(length_m, *there)], length_m, rough=[])
    assert measured_m(path) == pytest.approx(length_m, rel=1e-4)
    ends = path.position(np.array([0.0, length_m]))
    assert geo.distance_m(ends[0][1], ends[1][1], *there) < 0.1


def test_a_road_may_cross_the_antimeridian() -> None:
    path = road([Place(0.0, 66.0, 179.95), Place(8_000.0, 66.01, -179.95)], 8_000.0, rough=[])
    assert measured_m(path) == pytest.approx(8_000.0, rel=1e-4)
    assert abs(path.position(np.array([8_000.0]))[1][0] + 179.95) < 1e-6


def test_without_places_the_road_is_invented_and_reproducible() -> None:
    first, second = (road([], 50_000.0, rough=[]) for _ in range(2))
    assert measured_m(first) == pytest.approx(50_000.0, rel=1e-4)
    assert np.array_equal(first.lat, second.lat)


def test_one_place_in_the_middle_is_enough() -> None:
    path = road([Place(20_000.0, 24.0, 45.0)], 50_000.0, rough=[])
    lat, lon, _ = path.position(np.array([20_000.0]))
    assert geo.distance_m(lat[0], lon[0], 24.0, 45.0) < 0.01
    assert measured_m(path) == pytest.approx(50_000.0, rel=1e-4)


def test_a_loop_returns_to_its_start() -> None:
    path = road([Place(0.0, 24.0, 45.0), Place(40_000.0, 24.0, 45.0)], 40_000.0, rough=[])
    assert measured_m(path) == pytest.approx(40_000.0, rel=1e-4)
    assert (path.lat[-1], path.lon[-1]) == (pytest.approx(24.0), pytest.approx(45.0))


def test_places_too_far_apart_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"km 0\.000 and 10\.000 of the day are 1\d\.\d+ km apart"):
        road([Place(0.0, 20.0, 42.0), Place(10_000.0, 20.1, 42.0)], 10_000.0, rough=[])
