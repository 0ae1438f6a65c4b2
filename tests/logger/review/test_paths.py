"""Clipping and simplifying many lines and rings at once, compared with one at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from logger.review.paths import (
    Box,
    Metres,
    Paths,
    clipped_lines,
    clipped_rings,
    joined,
    simplified,
    simplified_size,
)

BOX = Box(0.0, 0.0, 100.0, 50.0)
TURN_M = 40_000_000.0


def paths(*shapes: list[tuple[float, float]]) -> Paths:
    points = np.array([point for shape in shapes for point in shape], dtype=np.float64).reshape(-1, 2)
    return Paths(points, np.array([len(shape) for shape in shapes], dtype=np.intp))


def parts(of: Paths) -> list[Metres]:
    return np.split(of.points, np.cumsum(of.sizes)[:-1]) if len(of.sizes) else []


def listed(of: Paths) -> list[list[tuple[float, float]]]:
    return [[(x, y) for x, y in part.tolist()] for part in parts(of)]


def test_lines_within_outside_and_across_a_box() -> None:
    made = paths(
        [(10, 10), (20, 20), (30, 10)],  # within
        [(-50, 10), (-20, 40)],  # outside
        [(-10, 25), (110, 25)],  # across, without a point within
        [(50, 25), (50, 80), (60, 80), (60, 25)],  # leaves and comes back
        [(0, 0), (0, 50)],  # along the edge
    )
    assert listed(clipped_lines(made, BOX)) == [
        [(10, 10), (20, 20), (30, 10)],
        [(0, 25), (100, 25)],
        [(50, 25), (50, 50)],
        [(60, 50), (60, 25)],
        [(0, 0), (0, 50)],
    ]


def test_a_line_that_touches_a_corner_only_is_gone() -> None:
    assert not len(clipped_lines(paths([(-10, 10), (10, -10), (10, -20)]), BOX).sizes)


@pytest.mark.parametrize("seed", range(5))
def test_clipped_lines_are_the_part_within(seed: int) -> None:
    """Points taken densely along the lines lie within the box exactly where the clipped lines pass."""
    rng = np.random.default_rng(seed)
    made = paths(*[[(x, y) for x, y in rng.uniform(-60, 160, (n, 2))] for n in rng.integers(2, 8, 12)])
    length = 0.0
    for part in parts(clipped_lines(made, BOX)):
        assert (part.min(axis=0) >= [-1e-9, -1e-9]).all()
        assert (part.max(axis=0) <= [100 + 1e-9, 50 + 1e-9]).all()
        length += float(np.hypot(*np.diff(part, axis=0).T).sum())
    expected = 0.0
    for part in parts(made):
        for a, b in itertools.pairwise(part):
            along = a + np.linspace(0, 1, 20_001)[:, None] * (b - a)
            within = ((along >= [0, 0]) & (along <= [100, 50])).all(axis=1)
            expected += float(within.mean() * np.hypot(*(b - a)))
    assert length == pytest.approx(expected, abs=1.0)


def area(ring: Metres) -> float:
    x, y = ring.T
    return abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2


def test_rings_are_closed_along_the_box() -> None:
    made = paths(
        [(-100, -100), (300, -100), (300, 300), (-100, 300), (-100, -100)],  # around the box
        [(500, 500), (600, 500), (600, 600), (500, 500)],  # outside
        [(90, 40), (130, 40), (130, 45), (90, 45), (90, 40)],  # across a side
        [(10, 10), (20, 10), (20, 20), (10, 10)],  # within
    )
    clipped, some = clipped_rings(made, BOX)
    assert some.tolist() == [True, False, True, True]
    assert [area(ring) for ring in parts(clipped)] == pytest.approx([5000, 50, 50])


def test_nothing_is_nothing() -> None:
    empty = paths()
    assert not len(clipped_lines(empty, BOX).sizes)
    assert not len(clipped_rings(empty, BOX)[0].sizes)
    assert simplified_size(empty, 2.0) == 0
    assert not len(simplified(empty, 2.0).sizes)
    assert not len(joined(empty, TURN_M).sizes)
    assert not len(empty.extents())


def test_a_path_across_the_edge_of_the_plane_does_not_jump() -> None:
    half = TURN_M / 2
    made = joined(
        paths([(half - 10, 0), (-half + 10, 5)], [(-half + 10, 0), (half - 10, 5)], [(1, 1), (2, 2)]), TURN_M
    )
    assert listed(made) == [
        [(half - 10, 0), (half + 10, 5)],
        [(-half + 10, 0), (-half - 10, 5)],
        [(1, 1), (2, 2)],
    ]


def test_simplified_lines_keep_their_ends_and_stay_near() -> None:
    t = np.linspace(0, 20, 5000)
    curve = np.column_stack((t * 100, 300 * np.sin(t)))
    made = Paths(np.concatenate((curve, np.array([[5, 5], [5.1, 5.1]]))), np.array([5000, 2]))
    coarse = simplified(made, 10.0)
    assert len(coarse.points) == simplified_size(made, 10.0) < 2500
    first, second = parts(coarse)
    assert (first[0] == curve[0]).all() and (first[-1] == curve[-1]).all()
    assert len(second) == 2
    y = np.interp(curve[:, 0], first[:, 0], first[:, 1])
    assert np.abs(y - curve[:, 1]).max() < 10 * np.sqrt(2)
