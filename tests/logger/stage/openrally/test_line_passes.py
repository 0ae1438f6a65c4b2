"""The tree of balls gives what a search of every segment gives, whatever the line does."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from logger.stage import geo
from logger.stage.openrally.line_passes import (
    MAX_PLACES,
    OFF_LINE_M,
    SAME_PASS_M,
    LinePasses,
    Place,
    Vector,
)

Line = list[tuple[float, float]]


def plainly(points: Sequence[Vector], position: Vector) -> list[Place]:
    """Every segment of the line, one after the other."""
    passes: list[Place] = []
    along_m = 0.0
    for a, b in pairwise(points):
        way = [q - p for p, q in zip(a, b, strict=True)]
        length_m = math.dist(a, b)
        length_2 = sum(d * d for d in way)
        share = (
            sum(d * (p - q) for d, p, q in zip(way, position, a, strict=True)) / length_2 if length_2 else 0
        )
        share = min(1.0, max(0.0, share))
        foot = [p + share * d for p, d in zip(a, way, strict=True)]
        place = Place(along_m + share * length_m, math.dist(foot, position))
        along_m += length_m
        if place.off_m > OFF_LINE_M:
            continue
        if not passes or place.along_m - passes[-1].along_m > SAME_PASS_M:
            passes.append(place)
        elif place.off_m < passes[-1].off_m:
            passes[-1] = place
    return sorted(sorted(passes, key=lambda place: place.off_m)[:MAX_PLACES])


def walk(rng: random.Random, lat: float, lon: float, step_m: float, points: int, turn: float) -> Line:
    """A way that turns at random, by up to `turn` radians a step."""
    course, line = rng.uniform(0, math.tau), [(lat, lon)]
    for _ in range(points):
        course += rng.uniform(-turn, turn)
        lat = min(90.0, max(-90.0, lat + step_m * math.cos(course) / 111_195))
        lon += step_m * math.sin(course) / (111_195 * max(0.001, math.cos(math.radians(lat))))
        line.append((lat, (lon + 180) % 360 - 180))
    return line


def loops(rng: random.Random) -> Line:
    turns, points = rng.randint(1, 12), rng.randint(20, 90)
    size = rng.uniform(0.0005, 0.02)
    return [
        (20 + size * math.sin(t * math.tau / points), 45 + size * math.cos(t * math.tau / points))
        for t in range(turns * points)
    ]


def doubled(rng: random.Random) -> Line:
    line = walk(rng, 20, 45, 40, 200, 0.6)
    return [position for position in line for _ in range(rng.choice((1, 1, 2, 5)))]


def out_and_back(rng: random.Random) -> Line:
    line = walk(rng, 20, 45, 30, 200, 0.3)
    return line + line[::-1]


LINES: dict[str, Callable[[random.Random], Line]] = {
    "a road": lambda rng: walk(rng, 20, 45, rng.uniform(1, 200), 600, 0.2),
    "wound up": lambda rng: walk(rng, 20, 45, rng.uniform(1, 60), 600, 2.0),
    "far apart": lambda rng: walk(rng, 20, 45, 5000, 60, 0.5),
    "loops": loops,
    "out and back": out_and_back,
    "points doubled": doubled,
    "the antimeridian": lambda rng: walk(rng, -17, 179.999, 50, 400, 0.5),
    "the north pole": lambda rng: walk(rng, 89.998, 0, 50, 400, 0.5),
    "the south pole": lambda rng: walk(rng, -90, 0, 50, 400, 0.5),
    "one point": lambda rng: walk(rng, 20, 45, 50, 0, 0.5),
    "two points": lambda rng: walk(rng, 20, 45, 5000, 1, 0.5),
    "nine points": lambda rng: walk(rng, 20, 45, 400, 8, 0.5),
    "points that no metre tells apart": lambda rng: [(rng.random() * 1e-300, 45.0) for _ in range(50)],
}


@pytest.mark.parametrize("what", LINES)
def test_the_passes_are_those_of_every_segment(what: str) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        positions = LINES[what](rng)
        points = [geo.earth_centred_m(*position) for position in positions]
        passes = LinePasses(points, "route.gpx")
        for _ in range(12):
            lat, lon = rng.choice(positions)
            off = rng.choice((0.0, 0.0, 1e-4, 0.003, 0.02))
            lat = min(90.0, max(-90.0, lat + rng.uniform(-off, off)))
            point = geo.earth_centred_m(lat, lon + rng.uniform(-off, off))
            found, expected = passes.near(point), plainly(points, point)
            assert [place.along_m for place in found] == pytest.approx(
                [place.along_m for place in expected], abs=1e-5
            )
            assert [place.off_m for place in found] == pytest.approx(
                [place.off_m for place in expected], abs=1e-5
            )


def test_a_line_without_points_has_no_passes() -> None:
    assert LinePasses([], "route.gpx").near(geo.earth_centred_m(20, 45)) == []
