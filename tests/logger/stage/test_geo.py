"""Geometry, with the limits of the sphere in it: poles, antimeridian, equator, no distance at all."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware_bridge.wgs84 import FLATTENING, SEMI_MAJOR_M, SEMI_MINOR_M
from logger.stage.geo import (
    Crossing,
    course_deg,
    crossing,
    distance_m,
)
from tests.logger.stage.destination import destination

EVERYWHERE = pytest.mark.parametrize(
    ("lat", "lon"),
    [
        (0, 0),
        (22.3, 42.6),
        (-45, 170),
        (60, 180),
        (60, -180),
        (0, 179.9999),
        (89.9999, 30),
        (90, 0),
        (-90, 77),
    ],
)

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
courses = st.floats(0, 360, exclude_max=True)


def vincenty_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Independent reference: Vincenty's iteration for the geodesic (Survey Review XXIII, 1975)."""
    u1 = math.atan((1 - FLATTENING) * math.tan(math.radians(lat1)))
    u2 = math.atan((1 - FLATTENING) * math.tan(math.radians(lat2)))
    difference = math.radians(lon2 - lon1)
    lam = difference
    for _ in range(100):
        across = math.cos(u2) * math.sin(lam)
        along = math.cos(u1) * math.sin(u2) - math.sin(u1) * math.cos(u2) * math.cos(lam)
        sin_sigma = math.hypot(across, along)
        if sin_sigma == 0:
            return 0.0
        cos_sigma = math.sin(u1) * math.sin(u2) + math.cos(u1) * math.cos(u2) * math.cos(lam)
        sigma = math.atan2(sin_sigma, cos_sigma)
        sin_alpha = math.cos(u1) * across / sin_sigma
        cos2_alpha = 1 - sin_alpha**2
        middle = cos_sigma - 2 * math.sin(u1) * math.sin(u2) / cos2_alpha if cos2_alpha else 0.0
        c = FLATTENING / 16 * cos2_alpha * (4 + FLATTENING * (4 - 3 * cos2_alpha))
        bend = sigma + c * sin_sigma * (middle + c * cos_sigma * (2 * middle**2 - 1))
        previous, lam = lam, difference + (1 - c) * FLATTENING * sin_alpha * bend
        if abs(lam - previous) < 1e-13:
            break
    u_2 = cos2_alpha * (SEMI_MAJOR_M**2 / SEMI_MINOR_M**2 - 1)
    a = 1 + u_2 / 16384 * (4096 + u_2 * (-768 + u_2 * (320 - 175 * u_2)))
    b = u_2 / 1024 * (256 + u_2 * (-128 + u_2 * (74 - 47 * u_2)))
    third = b / 6 * middle * (4 * sin_sigma**2 - 3) * (4 * middle**2 - 3)
    second = middle + b / 4 * (cos_sigma * (2 * middle**2 - 1) - third)
    return SEMI_MINOR_M * a * (sigma - b * sin_sigma * second)


@pytest.mark.parametrize(
    ("a", "b", "expected_m"),
    [
        ((0, 0), (0, 0), 0.0),
        ((0, 0), (0, 0.4), 44_527.796),  # along the equator: the semi-major axis times the angle
        ((0, 0), (0.4, 0), 44_229.7),  # along the meridian, where the equator is flattest
        ((89.8, 0), (90, 0), 22_338.8),  # and at the pole
        ((89.9, 0), (89.9, 180), 22_338.8),  # over the pole
        ((90, 0), (90, 123), 0.0),
        ((-90, 5), (-90, -5), 0.0),
        ((0, 179.9), (0, -179.9), 22_263.898),
        ((0, 180), (0, -180), 0.0),
        ((10, 350), (10, -10), 0.0),
        (
            (-37.95103342, 144.42486789),
            (-37.65282114, 143.92649553),
            54_972.271,
        ),  # Flinders Peak to Buninyong
    ],
)
def test_distances(a: tuple[float, float], b: tuple[float, float], expected_m: float) -> None:
    assert distance_m(*a, *b) == pytest.approx(expected_m, rel=2e-6, abs=1e-6)
    assert distance_m(*b, *a) == distance_m(*a, *b)


def test_distant_points_do_not_raise() -> None:
    assert distance_m(0, 0, 90, 0) == pytest.approx(10_001_965.7, rel=0.006)
    assert distance_m(0, 0, 0, 90) == pytest.approx(10_018_754.2, rel=0.006)
    assert distance_m(0, 0, 0, 180) == pytest.approx(
        math.pi * 6_371_008.8
    )  # the chord is longer than the sphere
    assert distance_m(90, 0, -90, 0) == pytest.approx(20_003_931.5, rel=0.05)


@given(st.floats(-89.9, 89.9), longitudes, courses, st.floats(1, 50_000))
def test_distance_agrees_with_vincenty(lat: float, lon: float, course: float, metres: float) -> None:
    lat2, lon2 = destination(lat, lon, course, metres)
    assume(abs(lat2) < 89.9)
    assert distance_m(lat, lon, lat2, lon2) == pytest.approx(
        vincenty_m(lat, lon, lat2, lon2), rel=2e-6, abs=1e-4
    )


@given(latitudes, longitudes, courses, st.floats(0, 50_000))
def test_destination_has_its_distance_and_course(
    lat: float, lon: float, course: float, metres: float
) -> None:
    lat2, lon2 = destination(lat, lon, course, metres)
    assert -90 <= lat2 <= 90
    assert -180 <= lon2 < 180
    assert distance_m(lat, lon, lat2, lon2) == pytest.approx(metres, rel=1e-6, abs=1e-5)
    if metres > 1:
        off_deg = (course_deg(lat, lon, lat2, lon2) - course + 180) % 360 - 180
        assert abs(off_deg) < 1e-4 + math.degrees(1e-5 / metres)


@given(latitudes, longitudes, courses, st.floats(0, 49_000), st.floats(0.01, 1000))
def test_distance_grows_along_a_course(
    lat: float, lon: float, course: float, metres: float, more: float
) -> None:
    near, far = destination(lat, lon, course, metres), destination(lat, lon, course, metres + more)
    assert distance_m(lat, lon, *near) < distance_m(lat, lon, *far)


@pytest.mark.parametrize(
    ("a", "b", "expected_deg"),
    [
        ((0, 0), (1, 0), 0),
        ((0, 0), (0, 1), 90),
        ((0, 0), (-1, 0), 180),
        ((0, 0), (0, -1), 270),
        ((0, 179.9), (0, -179.9), 90),
        ((0, -179.9), (0, 179.9), 270),
        ((89, 10), (90, 0), 0),
        ((90, 0), (89, 0), 180),
        ((90, 0), (89, 90), 90),
        ((-90, 0), (-89, 0), 0),
        ((89.9, 0), (89.9, 180), 0),
        ((45, 45), (45, 45), 0),
        ((1e-9, 0), (1e-9, -1e-15), 270),
        ((-37.95103342, 144.42486789), (-37.65282114, 143.92649553), 306.868158),
    ],
)
def test_courses(a: tuple[float, float], b: tuple[float, float], expected_deg: float) -> None:
    off_deg = (course_deg(*a, *b) - expected_deg + 180) % 360 - 180
    assert off_deg == pytest.approx(0, abs=1e-5)


@given(latitudes, longitudes, latitudes, longitudes)
def test_a_course_is_never_a_whole_turn(lat1: float, lon1: float, lat2: float, lon2: float) -> None:
    assert 0 <= course_deg(lat1, lon1, lat2, lon2) < 360


def test_a_course_slightly_west_of_north_is_below_360() -> None:
    assert course_deg(0, 0, 1, -1e-15) < 360


def around(lat: float, lon: float, east_m: float, north_m: float) -> tuple[float, float]:
    """The point so many metres east and north."""
    course = math.degrees(math.atan2(east_m, north_m)) % 360
    return destination(lat, lon, course, math.hypot(east_m, north_m))


@EVERYWHERE
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [  # metres east and north of the centre; a circle of 90 m
        ((-200, 0), (200, 0), Crossing(0.275, 0.5, 0.725, 0)),
        ((-200, 54), (200, 54), Crossing(0.32, 0.5, 0.68, 54)),
        ((-200, 89.99), (200, 89.99), Crossing(0.5 - 1.3413 / 400, 0.5, 0.5 + 1.3413 / 400, 89.99)),
        ((-200, 90.01), (200, 90.01), None),
        ((-200, 0), (-100, 0), None),
        ((-200, 0), (0, 0), Crossing(0.55, 1, 1, 0)),
        ((0, 0), (0, 200), Crossing(0, 0, 0.45, 0)),
        ((10, 0), (50, 0), Crossing(0, 0, 1, 10)),
        ((-30, 0), (50, 0), Crossing(0, 0.375, 1, 0)),
        ((60, 0), (60, 0), Crossing(0, 0, 1, 60)),
        ((91, 0), (91, 0), None),
        ((100, 300), (100, 100), None),
        ((0, -20_000), (0, 20_000), Crossing(0.5 - 90 / 40_000, 0.5, 0.5 + 90 / 40_000, 0)),
    ],
)
def test_crossing(
    lat: float, lon: float, a: tuple[float, float], b: tuple[float, float], expected: Crossing | None
) -> None:
    found = crossing(around(lat, lon, *a), around(lat, lon, *b), (lat, lon), 90)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found == pytest.approx(expected, abs=2e-5 if expected.nearest_m < 89 else 2e-3)


def test_a_tangent_touches() -> None:
    radius_m = distance_m(0, 0, 0, 0.001)
    found = crossing((0.01, 0.001), (-0.01, 0.001), (0, 0), radius_m + 1e-6)
    assert found is not None
    assert found.enter <= found.nearest <= found.leave
    assert found == pytest.approx((0.5, 0.5, 0.5, radius_m), abs=1e-4)


def test_the_far_side_of_the_earth_does_not_cross() -> None:
    assert crossing((0, 179.99), (0, -179.99), (0, 0), 90) is None
    assert crossing((0, 0), (0, 180), (0, 0), 90) is None


def test_a_segment_over_the_antimeridian() -> None:
    assert crossing((0, 179.999), (0, -179.999), (0, 180), 50) == pytest.approx(
        (0.5 - 50 / 222.639, 0.5, 0.5 + 50 / 222.639, 0), abs=1e-5
    )


_metres = st.tuples(st.floats(-300, 300), st.floats(-300, 300))


@given(st.tuples(latitudes, longitudes), _metres, _metres, st.floats(1, 300))
def test_a_crossing_has_its_stated_distances(
    centre: tuple[float, float], a_m: tuple[float, float], b_m: tuple[float, float], radius_m: float
) -> None:
    a, b, (ax, ay), (bx, by) = around(*centre, *a_m), around(*centre, *b_m), a_m, b_m
    found = crossing(a, b, centre, radius_m)
    away_m = [math.hypot(ax + f / 50 * (bx - ax), ay + f / 50 * (by - ay)) for f in range(51)]
    if found is None:
        assert min(away_m) > radius_m - 1e-3
        return
    assert 0 <= found.enter <= found.nearest <= found.leave <= 1
    assert found.nearest_m <= min(away_m) + 1e-3
    back = crossing(b, a, centre, radius_m)
    assert back is not None
    assert back.nearest_m == pytest.approx(found.nearest_m, abs=1e-6)
    for fraction, metres in zip(range(51), away_m, strict=True):
        if found.enter < fraction / 50 < found.leave:
            assert metres < radius_m + 1e-3
        else:
            assert metres > radius_m - 1e-3 or fraction in (0, 50)
