"""The tables of a comparison, the same on the terminal and on the page: result, splits, sectors, growth of the gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from logger.boundary.time_text import elapsed_text, gap_tenths_text, gap_text, tenths_text, whole_s
from logger.comparison.compare import CarSection, Comparison
from logger.review.terminal import penalty_text
from logger.stage.limits import KMH

Span = tuple[float, float]


class ComparedTable(NamedTuple):
    """A table; a column whose name starts with a blank holds numbers. `spans` are the stretches of the rows in
    kilometres, None for a row without one."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    spans: Sequence[Span | None]


def tables(comparison: Comparison) -> Iterator[ComparedTable]:
    """Each table that is not empty."""
    labels = [car.label for car in comparison.cars]
    numbers = [f" {label}" for label in labels]
    result = [_result(car, comparison.cars[0]) for car in comparison.cars]
    columns = ["car", " time", " gap", " avg km/h", " max", " penalty", ""]
    yield ComparedTable("Result", columns, result, [None] * len(result))
    if comparison.splits:
        yield ComparedTable(
            "Splits",
            ["at", " km", *numbers],
            [
                [row.name, f"{row.km:.2f}", *map(_split, row.elapsed_s, row.behind_s)]
                for row in comparison.splits
            ],
            [None] * len(comparison.splits),
        )
    yield ComparedTable(
        "Sectors",
        ["sector", " km", *numbers],
        [
            [row.name, _stretch(row.from_km, row.to_km), *map(_sector, row.elapsed_s, row.behind_s)]
            for row in comparison.sectors
        ],
        [(row.from_km, row.to_km) for row in comparison.sectors],
    )
    grown = [
        (car.label, growth)
        for car, growths in zip(comparison.cars, comparison.growths, strict=True)
        for growth in growths
    ]
    if grown:
        yield ComparedTable(
            f"Where the gap to {labels[0]} grew most",
            ["km", "car", "after", " grew by"],
            [
                [
                    f"{growth.from_km:.1f} - {growth.to_km:.1f}",
                    label,
                    _before(comparison, growth.from_km),
                    gap_tenths_text(growth.grown_s),
                ]
                for label, growth in grown
            ],
            [(growth.from_km, growth.to_km) for _, growth in grown],
        )


def _result(car: CarSection, first: CarSection) -> list[str]:
    section = car.section
    return [
        car.label,
        elapsed_text(section.elapsed_s if section.finished else None),
        "" if car is first else gap_text(_behind_s(car, first)),
        "-" if section.average_mps is None else f"{section.average_mps * KMH:.1f}",
        "-" if section.max_kmh is None else f"{section.max_kmh:.1f}",
        penalty_text(section.penalty_s),
        ""
        if section.finished
        else f"not finished, km {section.distance_km:.1f} after {elapsed_text(section.elapsed_s)}",
    ]


def _behind_s(car: CarSection, first: CarSection) -> int | None:
    ours, theirs = car.section.elapsed_s, first.section.elapsed_s
    if ours is None or theirs is None or not (car.section.finished and first.section.finished):
        return None
    return whole_s(ours) - whole_s(theirs)


def _split(elapsed_s: float | None, behind_s: float | None) -> str:
    """A time in whole seconds, and how far it is behind the best."""
    return f"{elapsed_text(elapsed_s)} / {gap_text(behind_s)}" if behind_s else elapsed_text(elapsed_s)


def _sector(elapsed_s: float | None, behind_s: float | None) -> str:
    """A time in tenths, and how far it is behind the best: "0:04:06.9 / +3.8 s"."""
    return f"{tenths_text(elapsed_s)} / {gap_tenths_text(behind_s)}" if behind_s else tenths_text(elapsed_s)


def _stretch(from_km: float, to_km: float) -> str:
    return f"{from_km:.2f} - {to_km:.2f}"


def _before(comparison: Comparison, km: float) -> str:
    """The last waypoint before a kilometre."""
    passed = [mark for mark in comparison.course.marks if 0 < mark.metres / 1000 <= km]
    return passed[-1].label if passed else "start"
