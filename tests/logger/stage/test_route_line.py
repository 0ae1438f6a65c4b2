"""Waypoints are placed along the line of a route, in order, whatever the line does."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from logger.stage import geo
from logger.stage.route_line import OFF_LINE_M, RouteLine

DEG_M = 111_194.9


def north(*metres: float, lon: float = 45.0, lat: float = 20.0) -> list[tuple[float, float]]:
    return [(lat + m / DEG_M, lon) for m in metres]


def test_out_and_back_serves_both_passes() -> None:
    line = RouteLine(north(0, 5000, 10_000, 5000, 0))
    places = line.place(north(0, 4000, 10_000, 4000, 0))
    expected = [0, 4000, 10_000, 16_000, 20_000]
    assert places == pytest.approx([m * line.length_m / 20_000 for m in expected], abs=1)


def test_a_loop_driven_three_times() -> None:
    ring = [
        (20 + 0.01 * math.sin(t * math.tau / 60), 45 + 0.01 * math.cos(t * math.tau / 60)) for t in range(181)
    ]
    line = RouteLine(ring)
    places = line.place([ring[0], ring[30], ring[15], ring[10], ring[60]])
    share = [place / line.length_m * 180 for place in places if place is not None]
    assert share == pytest.approx([0, 30, 75, 130, 180], abs=0.5)


def test_what_is_off_the_line_or_breaks_the_order_has_no_place() -> None:
    line = RouteLine(north(0, 10_000))
    off = (20.04, 45 + 1.2 * OFF_LINE_M / (DEG_M * math.cos(math.radians(20))))
    places = line.place([*north(1000), off, None, *north(9000), *north(2000), *north(3000)])
    assert places[1:3] == [None, None]
    assert [place is None for place in places] == [False, True, True, True, False, False]


def test_a_few_points_far_apart_are_found_anywhere_along_them() -> None:
    line = RouteLine(north(0, 150_000, 300_000))
    for km in range(0, 300, 7):
        (place,) = line.place(north(km * 1000.0))
        assert place is not None
        assert place / line.length_m == pytest.approx(km / 300, abs=0.001)


@pytest.mark.parametrize("lat", [0.0, 60.0, 89.9, -45.0])
def test_antimeridian_and_poles(lat: float) -> None:
    line = RouteLine([(lat, 179.9), (lat, -179.9)])
    (place,) = line.place([(lat, 180.0)])
    assert place == pytest.approx(line.length_m / 2, rel=0.01)


def test_length_is_that_of_geo() -> None:
    positions = [(20 + random.Random(n).uniform(0, 0.01), 45 + n / 1000) for n in range(200)]
    whole_m = sum(geo.distance_m(*a, *b) for a, b in pairwise(positions))
    assert RouteLine(positions).length_m == pytest.approx(whole_m, rel=1e-6)


def test_points_that_repeat_make_no_segment() -> None:
    line = RouteLine([*north(0, 0, 1000, 1000, 2000)])
    assert line.place(north(1000)) == pytest.approx([line.length_m / 2], abs=0.01)


def test_a_long_drive_with_many_waypoints_is_soon_placed() -> None:
    """Not by the clock: a place looks at the segments of its own cells only."""
    positions = [(20 + n / 40_000, 45 + 0.002 * math.sin(n / 50)) for n in range(40_000)]
    line = RouteLine(positions)
    places = line.place([positions[n] for n in range(0, 40_000, 40)])
    found = [place for place in places if place is not None]
    assert len(found) == len(places)
    assert found == sorted(found)
