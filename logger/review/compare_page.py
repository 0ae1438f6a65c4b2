"""Render a comparison as an HTML page: gap, speed and channels over distance, the tracks, and the tables."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from logger.review.compare import Comparison
from logger.review.compare_tables import ComparedTable, tables
from logger.review.drawing import Plane, bands, packed, points, thinned
from logger.review.evidence import Floats
from logger.review.sheet import Row, document, table


def page(comparison: Comparison) -> str:
    """Render the HTML page."""
    section = comparison.course.section
    title = f"{section.name or section.kind}: " + ", ".join(car.label for car in comparison.cars)
    legend = [(f"car{number}", car.label) for number, car in enumerate(comparison.cars, 1)]
    legend += [("zone", "speed zone"), ("free", "free area")]
    parts = map(_table, tables(comparison))
    return document(title, f"<h1>{escape(title)}</h1>", "", drawing(comparison), legend, parts)


def _table(compared: ComparedTable) -> str:
    columns = [compared.columns[0], *(f" {column}" for column in compared.columns[1:])]
    rows = [Row(row, span) for row, span in zip(compared.rows, compared.spans, strict=True)]
    return table(compared.title, columns, rows)
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
    kept = [thinned(car.kmh, car.at_us, []) for car in comparison.cars]
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


