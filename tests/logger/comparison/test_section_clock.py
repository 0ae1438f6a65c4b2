"""The clock of a section: first arrivals, passages that correct the odometer, the end of the drive."""

from __future__ import annotations

import numpy as np
import pytest

from logger.comparison.gap_growth import growths
from logger.comparison.same_road import Track, difference
from logger.comparison.section_clock import clock_of


def at(
    km: list[float], seconds: list[float], passages: list[tuple[float, float]], *wanted: float
) -> list[float]:
    clock = clock_of(np.array(km), np.array(seconds), passages)
    return [float(value) for value in clock.at(np.array(wanted))]


def test_where_the_car_stands_the_arrival_counts() -> None:
    assert at([0, 1, 1, 1, 2], [0, 60, 90, 120, 180], [(0.0, 0.0)], 0.5, 1, 1.5) == [30, 60, 120]


def test_driving_back_does_not_count_twice() -> None:
    assert at([0, 2, 1, 2, 3], [0, 60, 120, 180, 240], [(0.0, 0.0)], 2, 2.5) == [60, 150]


@pytest.mark.parametrize("shown_km", [9.8, 10.0, 10.2])
def test_the_odometer_is_wrong_before_a_waypoint(shown_km: float) -> None:
    """The car passes the waypoint at km 10 after 500 s, whatever its odometer shows, and has the roadbook's km then."""
    before = np.linspace(0, shown_km, 501)
    km = [*before, *np.linspace(10.0, 12.0, 101)]
    seconds = [*range(501), *range(500, 601)]
    assert at(km, seconds, [(0.0, 0.0), (10.0, 500.0)], 10, 11) == [500, 550]
    clock = clock_of(np.array(km), np.array(seconds, dtype=float), [(0.0, 0.0), (10.0, 500.0)])
    assert (np.diff(clock.km) > 0).all()
    assert (np.diff(clock.elapsed_s) >= 0).all()


def test_beyond_the_drive_nothing_is_known() -> None:
    assert np.isnan(at([0, 5], [0, 100], [(0.0, 0.0)], 5.1)).all()
    assert np.isnan(at([], [], [(0.0, 0.0)], 0, 1)).all()


def test_contradicting_passages_of_a_stranger_give_a_clock_all_the_same() -> None:
    clock = clock_of(np.linspace(0, 10, 50), np.linspace(0, 900, 50), [(0.0, 0.0), (5.0, 800.0), (8.0, 3.0)])
    assert (np.diff(clock.km) > 0).all()
    assert (np.diff(clock.elapsed_s) >= 0).all()


def test_many_passages_of_a_stranger() -> None:
    """If each of them looked at each fix, this would not end before the test's time limit."""
    km = np.linspace(0, 1000, 300_000)
    passages = [(float(at), float(at) * 30) for at in np.linspace(0, 1000, 100_000)]
    clock = clock_of(km, km * 30, passages)
    assert clock.last_km == 1000


KM = np.arange(0, 100.05, 0.1)


def test_gaps_that_do_not_grow_have_no_stretch() -> None:
    assert growths(KM, np.zeros(len(KM)), 2) == ()
    assert growths(KM, -0.5 * KM, 2) == ()
    assert growths(KM, np.full(len(KM), np.nan), 2) == ()
    assert growths(KM[:1], np.zeros(1), 2) == ()


def test_two_stops_are_two_stretches_the_longer_first() -> None:
    gap_s = 0.1 * KM + 40.0 * (KM > 30) + 90.0 * (KM > 70)
    first, second, *_ = growths(KM, gap_s, 2)
    assert (first.from_km, second.from_km) == pytest.approx((70, 30), abs=0.11)
    assert (first.grown_s, second.grown_s) == pytest.approx((90, 40), abs=0.2)
    assert max(first.to_km - first.from_km, second.to_km - second.from_km) < 0.25


def test_many_cars_have_fewer_stretches() -> None:
    gap_s = np.cumsum(10.0 * (np.arange(len(KM)) % 100 == 0))
    assert [len(growths(KM, gap_s, cars)) for cars in (2, 4, 6, 8)] == [3, 3, 2, 1]


def track(lat: np.ndarray, lon: np.ndarray, km: np.ndarray = KM) -> Track:
    return Track(km, lat, lon)


LINE = track(21 + KM / 111.2, np.full(len(KM), 40.0))
BACK = track(21 + np.minimum(KM, 100 - KM) / 111.2, np.full(len(KM), 40.0))


@pytest.mark.parametrize(
    ("first", "other", "found"),
    [
        (LINE, LINE, ""),
        (LINE, Track(KM * 0.98, LINE.lat, LINE.lon), ""),
        (LINE, track(LINE.lat, LINE.lon + 0.015), ""),
        (LINE, Track(KM[:300], LINE.lat[:300], LINE.lon[:300]), ""),
        (LINE, track(LINE.lat[::-1], LINE.lon), "in the other direction than"),
        (LINE, Track(KM[:300], LINE.lat[::-1][:300], LINE.lon[:300]), "in the other direction than"),
        (LINE, track(LINE.lat, LINE.lon + 1), "elsewhere, 104 km from"),
        (BACK, BACK, ""),
        (BACK, track(BACK.lat[::-1], BACK.lon), ""),
        (track(LINE.lat, LINE.lon + 139.999), track(LINE.lat, np.full(len(KM), -179.999)), ""),
        (LINE, Track(KM[:1], LINE.lat[:1], LINE.lon[:1]), ""),
    ],
    ids=["same", "odometer", "beside", "part", "reversed", "reversed part", "elsewhere", "out and back",
         "out and back reversed", "antimeridian", "one fix"],
)  # fmt: skip
def test_the_same_road(first: Track, other: Track, found: str) -> None:
    assert difference(first, other, 100.0) == found
