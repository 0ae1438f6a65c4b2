"""Placing waypoints in order along the line of a route, with loops, laps and gaps."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.stage import geo
from logger.stage.openrally import line_passes
from logger.stage.openrally.line_passes import OFF_LINE_M
from logger.stage.openrally.route_line import RouteLine, Sought, once

DEG_M = 111_194.9


def north(*metres: float, lon: float = 45.0, lat: float = 20.0) -> list[tuple[float, float]]:
    return [(lat + m / DEG_M, lon) for m in metres]


def placed(line: RouteLine, positions: Sequence[tuple[float, float] | None]) -> list[float | None]:
    return line.place([None if position is None else Sought(position) for position in positions])


def ring(turns: int) -> list[tuple[float, float]]:
    steps = range(60 * turns + 1)
    return [(20 + 0.01 * math.sin(t * math.tau / 60), 45 + 0.01 * math.cos(t * math.tau / 60)) for t in steps]


def test_a_stated_distance_picks_the_lap() -> None:
    line = RouteLine(ring(3))
    lap_m = line.length_m / 3
    for lap in range(3):
        (place,) = line.place([Sought(ring(1)[30], (lap + 0.5) * lap_m + 150)])
        assert place == pytest.approx((lap + 0.5) * lap_m, abs=1)
        assert line.nearest_m(Sought(ring(1)[30], (lap + 0.5) * lap_m)) == place
    (elsewhere,) = line.place([Sought(ring(1)[30], 100_000.0)])
    assert elsewhere is not None


def test_one_kind_at_one_place_is_two_passes_and_two_kinds_are_one() -> None:
    line = RouteLine(ring(2))
    here = ring(1)[30]
    first, second = line.place([Sought(here, None, "cp"), Sought(here, None, "cp")])
    assert first is not None
    assert second == pytest.approx(first + line.length_m / 2, abs=1)
    first, second = line.place([Sought(here, None, "fz"), Sought(here, None, "ass")])
    assert first == second
    once_only = RouteLine(north(0, 10_000))
    (zone, finish) = once_only.place(
        [Sought(north(5000)[0], None, "fz"), Sought(north(5000)[0], None, "ass")]
    )
    assert zone == finish


def test_copies_of_a_track_are_one_and_laps_are_laps() -> None:
    track = north(0, 1000, 5000)
    assert once(track * 3) == track
    assert once(track + north(6000, 7000, 8000)) == track + north(6000, 7000, 8000)
    laps = ring(1)[:60] * 2
    assert once(laps) == laps


def test_out_and_back_serves_both_passes() -> None:
    line = RouteLine(north(0, 5000, 10_000, 5000, 0))
    places = placed(line, north(0, 4000, 10_000, 4000, 0))
    expected = [0, 4000, 10_000, 16_000, 20_000]
    assert places == pytest.approx([m * line.length_m / 20_000 for m in expected], abs=1)


def test_a_loop_driven_three_times() -> None:
    laps = ring(3)
    line = RouteLine(laps)
    places = placed(line, [laps[0], laps[30], laps[15], laps[10], laps[60]])
    share = [place / line.length_m * 180 for place in places if place is not None]
    assert share == pytest.approx([0, 30, 75, 130, 180], abs=0.5)


def test_waypoints_off_the_line_or_out_of_order_have_no_place() -> None:
    line = RouteLine(north(0, 10_000))
    off = (20.04, 45 + 1.2 * OFF_LINE_M / (DEG_M * math.cos(math.radians(20))))
    places = placed(line, [*north(1000), off, None, *north(9000), *north(2000), *north(3000)])
    assert places[1:3] == [None, None]
    assert [place is None for place in places] == [False, True, True, True, False, False]


def test_a_few_points_far_apart_are_found_anywhere_along_them() -> None:
    line = RouteLine(north(0, 150_000, 300_000))
    for km in range(0, 300, 7):
        (place,) = placed(line, north(km * 1000.0))
        assert place is not None
        assert place / line.length_m == pytest.approx(km / 300, abs=0.001)


@pytest.mark.parametrize("lat", [0.0, 60.0, 89.9, -45.0])
def test_antimeridian_and_poles(lat: float) -> None:
    line = RouteLine([(lat, 179.9), (lat, -179.9)])
    (place,) = placed(line, [(lat, 180.0)])
    assert place == pytest.approx(line.length_m / 2, rel=0.01)


def test_length_is_that_of_geo() -> None:
    positions = [(20 + random.Random(n).uniform(0, 0.01), 45 + n / 1000) for n in range(200)]
    whole_m = sum(geo.distance_m(*a, *b) for a, b in pairwise(positions))
    assert RouteLine(positions).length_m == pytest.approx(whole_m, rel=1e-6)


def test_points_that_repeat_make_no_segment() -> None:
    line = RouteLine([*north(0, 0, 1000, 1000, 2000)])
    assert placed(line, north(1000)) == pytest.approx([line.length_m / 2], abs=0.01)


@pytest.mark.slow
def test_a_long_drive_with_many_waypoints_needs_few_comparisons() -> None:
    """Not by the clock: a place looks at the segments of its own cells only."""
    positions = [(20 + n / 40_000, 45 + 0.002 * math.sin(n / 50)) for n in range(40_000)]
    line = RouteLine(positions)
    places = placed(line, [positions[n] for n in range(0, 40_000, 40)])
    found = [place for place in places if place is not None]
    assert len(found) == len(places)
    assert found == sorted(found)


@pytest.mark.slow
def test_a_drive_at_ten_hertz_with_three_thousand_waypoints_is_placed() -> None:
    """Not by the clock: the steps are counted, and a search of every segment nearby takes fifty times as many."""
    positions = [(20 + n / 50_000, 45 + 0.0001 * math.sin(n / 20)) for n in range(400_000)]
    line = RouteLine(positions)
    assert None not in placed(line, [(lat, lon + 0.0002) for lat, lon in positions[::133]])


def test_a_line_that_is_wound_up_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_passes, "MAX_STEPS", 100_000)
    positions = [(20 + 0.003 * math.sin(n * 0.037), 45 + 0.003 * math.cos(n * 0.011)) for n in range(20_000)]
    with pytest.raises(ConfigurationError, match=r"^day\.gpx: the track passes its waypoints too often"):
        placed(RouteLine(positions, "day.gpx"), positions[::100])
