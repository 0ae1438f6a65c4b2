"""Render a comparison as an HTML page: gap, speed and channels over distance, the tracks, and the tables."""

from __future__ import annotations

from html import escape

from logger.comparison.compare import Comparison
from logger.review.compare_drawing import drawing
from logger.review.compare_tables import ComparedTable, tables
from logger.review.sheet import Row, document, table

SOLID = 4
"""Cars with a solid line, those in front; the others are dashed (`page/cars.js`)."""
LEGEND = (("zone", "speed zone"), ("free", "free area"))
MAX_NAMED = 3
"""Cars named in the title."""
WIDE_COLUMNS = 4
"""A table with more has the width of the page: a column per car does not fit beside another table."""


def page(comparison: Comparison) -> str:
    """Render the HTML page."""
    section = comparison.course.section
    labels = ", ".join(car.label for car in comparison.cars)
    title = f"{section.name or section.kind}: {labels if len(comparison.cars) <= MAX_NAMED else len(comparison.cars)}"
    title += "" if len(comparison.cars) <= MAX_NAMED else " drives compared"
    lines = [
        (f"car{number}", car.label, "line" if number <= SOLID else "line dashed")
        for number, car in enumerate(comparison.cars, 1)
    ]
    parts = map(_table, tables(comparison))
    return document(title, f"<h1>{escape(title)}</h1>", "", drawing(comparison), LEGEND, parts, lines=lines)


def _table(compared: ComparedTable) -> str:
    rows = [Row(row, span) for row, span in zip(compared.rows, compared.spans, strict=True)]
    return table(compared.title, compared.columns, rows, wide=len(compared.columns) > WIDE_COLUMNS)
