"""Penalty models: both sides of every boundary, the worked RallySafe example, and decisions of 2025."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest

from logger.judgement.penalties import MODELS, Overspeed, charges_of, missed_s
from logger.stage.rules import Penalties, default_rules

DEFAULT = default_rules().penalties
Model = Literal["bands", "rallysafe", "rallycheck", "over_time"]


def rules(model: Model) -> Penalties:
    return dataclasses.replace(DEFAULT, model=model)


def charged(overspeeds: list[Overspeed], penalties: Penalties) -> list[float]:
    return [charge.penalty_s for charge in charges_of(overspeeds, penalties)]


def over(
    by_kmh: float, impulses: int = 1, *, limit_kmh: float = 50.0, duration_s: float = 4.0, at_s: float = 0.0
) -> Overspeed:
    gained_m = by_kmh / 3.6 * duration_s
    distance_m = (limit_kmh + by_kmh) / 3.6 * duration_s
    sustained_s = duration_s if by_kmh > 0.1 * limit_kmh else 0.0
    return Overspeed(
        *(1, "DZ", 44.6, round(at_s * 1e6), duration_s, distance_m),
        *(limit_kmh + by_kmh, limit_kmh, impulses, gained_m, sustained_s),
    )


@pytest.mark.parametrize(
    ("by_kmh", "impulses", "seconds"),
    [
        (4, 1, 10),  # the decisions of 2025 on cars
        (5, 1, 10),
        (13, 1, 120),
        (16, 1, 120),
        (18, 1, 120),
        (26, 1, 120),
        (27, 4, 600),
        (1.1, 1, 10),
        (5.9, 1, 10),
        (6.0, 1, 10),  # the boundary belongs to the lower band
        (6.1, 1, 120),
        (4, 2, 20),  # charged per impulse
        (4, 4, 40),  # the repeat penalty applies only in the highest band
        (27, 3, 360),
        (27, 5, 600),
        (27, 6, 720),  # never less than the sum of its impulses
        (0, 1, 0),
    ],
)
def test_bands(by_kmh: float, impulses: int, seconds: float) -> None:
    assert charged([over(by_kmh, impulses)], rules("bands")) == [seconds]


def test_the_worked_rallysafe_example() -> None:
    """115 km/h at a limit of 110 km/h for 5 s."""
    [seconds] = charged([over(5, limit_kmh=110, duration_s=5)], rules("rallysafe"))
    assert seconds == pytest.approx(2.27, abs=0.005)


@pytest.mark.parametrize(
    ("by_kmh", "duration_s", "seconds"),
    [(5.0, 60.0, 0), (5.1, 5.0, 0), (5.1, 5.01, 10), (6.1, 5.01, 120), (30.0, 4.99, 0), (30.0, 60.0, 120)],
)
def test_rallycheck_needs_more_than_ten_percent_for_more_than_five_seconds(
    by_kmh: float, duration_s: float, seconds: float
) -> None:
    assert charged([over(by_kmh, duration_s=duration_s)], rules("rallycheck")) == [seconds]


@pytest.mark.parametrize(("apart_s", "seconds"), [(4.99, [10 * 8.0, 0.0]), (5.0, [8 * 4.0, 10 * 4.0])])
def test_over_time_merges_overspeeds_less_than_five_seconds_apart(
    apart_s: float, seconds: list[float]
) -> None:
    pair = [over(8), over(10, at_s=4.0 + apart_s)]
    assert charged(pair, rules("over_time")) == pytest.approx(seconds)


def test_over_time_does_not_merge_different_limits() -> None:
    pair = [over(8), over(10, at_s=5.0, limit_kmh=90.0)]
    assert charged(pair, rules("over_time")) == pytest.approx([32, 40])


@pytest.mark.parametrize(
    ("kind", "seconds"), [("wpm", 900), ("wpn", 3600), ("wpp", 120), ("cp", 900), ("dz", 900)]
)
def test_missed_waypoints(kind: str, seconds: float) -> None:
    assert missed_s(kind, default_rules().missed) == seconds


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_name_of_a_model_charges_something(name: str) -> None:
    chosen = dataclasses.replace(DEFAULT, model=MODELS[name])  # type: ignore[arg-type]
    assert charged([over(20, 2, duration_s=9)], chosen)[0] > 0
