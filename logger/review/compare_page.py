"""Render a comparison: tables for the terminal, and an HTML page with gap and speed over distance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from logger.review.compare import CarSection, Comparison, Stretch
from logger.review.drawing import Plane, bands, packed, points, thinned
from logger.review.evidence import Floats
from logger.review.sheet import Row, document, table
from logger.review.terminal import Table
from logger.review.times import elapsed_text, gap_text

MAX_STRETCHES = 12
"""Stretches shown: those with the largest time differences."""


def tables(comparison: Comparison) -> Iterator[Table]:
    """Title, columns and rows of each table: result, splits, where time was won."""
    labels = [car.label for car in comparison.cars]
    yield (
        "Result",
        ["car", "time", "gap", "avg km/h", "max", ""],
        [
            [
                car.label,
                elapsed_text(car.section.elapsed_s),
                "" if first else gap_text(_behind(car, comparison.cars[0])),
                "-" if car.section.average_mps is None else f"{car.section.average_mps * 3.6:.1f}",
                "-" if car.section.max_kmh is None else f"{car.section.max_kmh:.1f}",
                "" if car.section.finished else f"not finished, km {car.section.distance_km:.1f}",
            ]
            for car, first in zip(comparison.cars, [True] + [False] * len(comparison.cars), strict=False)
        ],
    )
    yield (
        "Splits",
        ["at", "km", *labels],
        [
            [
                row.name,
                f"{row.km:.2f}",
                *(
                    elapsed_text(seconds) if not late else f"{elapsed_text(seconds)} {gap_text(late)}"
                    for seconds, late in zip(row.elapsed_s, row.behind_s, strict=True)
                ),
            ]
            for row in comparison.splits
        ],
    )
    rows = [_stretch_row(row) for row in _most_won(comparison)]
    if rows:
        yield "Where time was won", ["stretch", "km", *labels], rows


def page(comparison: Comparison) -> str:
    """Render the HTML page."""
    section = comparison.course.section
    title = f"{section.name or section.kind}: " + ", ".join(car.label for car in comparison.cars)
    legend = [(f"car{number}", car.label) for number, car in enumerate(comparison.cars, 1)]
    legend += [("zone", "speed zone"), ("free", "free area")]
    parts = []
    for name, columns, rows in tables(comparison):
        numbered = [columns[0], *(f" {column}" for column in columns[1:])]
        spans: Sequence[tuple[float, float] | None] = [None] * len(rows)
        if name == "Where time was won":
            spans = [(row.from_km, row.to_km) for row in _most_won(comparison)]
        parts.append(table(name, numbered, [Row(row, span) for row, span in zip(rows, spans, strict=True)]))
    return document(title, f"<h1>{escape(title)}</h1>", "", drawing(comparison), legend, parts)


def drawing(comparison: Comparison) -> dict[str, Any]:
    """The drawing: gap and speed over the kilometres of the section, and each car's track."""
    report = comparison.cars[0].report
    base_km = report.offset_m(comparison.cars[0].section.section) / 1000
    section, length_km = comparison.course.section, comparison.course.length_m / 1000
    plane = Plane(comparison.cars[0].lat, comparison.cars[0].lon)
    gaps = [
        _channel("gap", "s", number, car, comparison.km[np.isfinite(gap)], gap[np.isfinite(gap)])
        for number, (car, gap) in enumerate(zip(comparison.cars, comparison.gap_s, strict=True), 1)
    ]
    kept = [thinned(car.kmh, car.elapsed_s, []) for car in comparison.cars]
    speeds = [
        _channel("speed", "km/h", number, car, car.km[at], car.kmh[at])
        for number, (car, at) in enumerate(zip(comparison.cars, kept, strict=True), 1)
    ]
    road = [
        band | {"from": band["from"] - base_km, "to": band["to"] - base_km}
        for band in bands(report)
        if band["kind"] in ("zone", "free") and base_km <= band["from"] <= base_km + length_km
    ]
    return {
        "ranges": [{"name": section.name or section.kind, "from": 0.0, "to": length_km}],
        "channels": gaps + speeds,
        "lanes": [
            {"title": f"Behind {comparison.cars[0].label}", "unit": "s", "zero_line": True} | _lane(gaps),
            {"title": "Speed", "unit": "km/h", "from_zero": True} | _lane(speeds),
        ],
        "tracks": [
            {
                "name": car.label,
                "colour": f"car{number}",
                "km": packed(car.km[at]),
                "e": packed(plane.east(car.lon[at])),
                "n": packed(plane.north(car.lat[at])),
            }
            for number, (car, at) in enumerate(zip(comparison.cars, kept, strict=True), 1)
        ],
        "points": [
            point | {"x": point["x"] - base_km}
            for point in points(report, plane)
            if base_km <= point["x"] <= base_km + length_km
        ],
        "bands": road,
        "clock": None,
    }  # fmt: skip


def _lane(channels: list[dict[str, Any]]) -> dict[str, Any]:
    return {"share": 1, "bands": True, "channels": [channel["key"] for channel in channels]}


def _channel(
    what: str, unit: str, number: int, car: CarSection, km: Floats, values: Floats
) -> dict[str, Any]:
    names = {"key": f"{what}.{number}", "title": car.label, "unit": unit, "colour": f"car{number}"}
    return names | {"km": packed(km), "y": packed(values)}


def _behind(car: CarSection, first: CarSection) -> float | None:
    ours, theirs = car.section.elapsed_s, first.section.elapsed_s
    if ours is None or theirs is None or not (car.section.finished and first.section.finished):
        return None
    return round(ours) - round(theirs)


def _most_won(comparison: Comparison) -> list[Stretch]:
    largest = sorted(comparison.stretches, key=lambda row: -row.spread_s)[:MAX_STRETCHES]
    return sorted(largest, key=lambda row: row.from_km)


def _stretch_row(row: Stretch) -> list[str]:
    known = [seconds for seconds in row.seconds if seconds is not None]
    best = min(known, default=0.0)
    cells = [
        "-" if seconds is None else f"{seconds:.1f} s" if seconds == best else f"+{seconds - best:.1f}"
        for seconds in row.seconds
    ]
    return [row.name, f"{row.from_km:.1f} - {row.to_km:.1f}", *cells]
