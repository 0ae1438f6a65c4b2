"""Render a comparison as an HTML page: gap, speed and channels over distance, the tracks, and the tables."""

from __future__ import annotations

from html import escape

from logger.review.compare import Comparison
from logger.review.compare_drawing import drawing
from logger.review.compare_tables import ComparedTable, tables
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
