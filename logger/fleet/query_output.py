"""Print a query result as a table, JSON lines or CSV; rows are streamed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from logger.boundary.terminal import echo, echo_json, output_bytes, print_table
from logger.export.csv_cells import cell_text
from logger.fleet.query import as_text

_CELLS_BYTES = 1 << 23
"""Of a batch, which may have a whole row group of long texts, so much becomes Python's objects at once."""
MAX_ROWS = 1_000
"""Rows of a table shown at most: its column widths need all rows in memory."""


def as_json(answer: pa.RecordBatchReader) -> None:
    """Print one JSON object per row."""
    for row in _rows(answer):
        document = dict(zip(answer.schema.names, row, strict=True))
        echo_json(document, indent=None, default=_plain)


def as_csv(answer: pa.RecordBatchReader) -> None:
    """Print CSV (RFC 4180) with a header; null is empty."""
    lines = io.TextIOWrapper(output_bytes(), encoding="utf-8", newline="")
    try:
        writer = csv.writer(lines)
        writer.writerow(map(cell_text, answer.schema.names))
        for row in _rows(answer):
            writer.writerow(map(_cell, row))
    finally:
        lines.detach()


def as_table(answer: pa.RecordBatchReader) -> None:
    """Print an aligned table."""
    rows: list[list[str]] = []
    for row in _rows(answer):
        if len(rows) == MAX_ROWS:
            echo(f"stagelog: only the first {MAX_ROWS} rows are shown; use --csv for all", err=True)
            break
        rows.append([_words(cell) for cell in row])
    print_table(answer.schema.names, rows)


def _rows(answer: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in answer:
        at_once = max(1, batch.num_rows * _CELLS_BYTES // max(1, batch.nbytes))
        for begin in range(0, batch.num_rows, at_once):
            yield from zip(*map(_cells, as_text(batch.slice(begin, at_once)).columns), strict=True)


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """The cells of a column; an interval in seconds, with months of 30 days as in DuckDB."""
    cells: list[Any]
    try:
        cells = column.to_pylist()
    except (OverflowError, ValueError):
        cells = [_value(cell) for cell in column]
    if not pa.types.is_interval(column.type):
        return cells
    return [cell and (cell.months * 30 + cell.days) * 86_400 + cell.nanoseconds / 1e9 for cell in cells]


def _value(cell: pa.Scalar) -> Any:
    """A cell by itself; as text where Python has no such date or time."""
    try:
        return cell.as_py()
    except (OverflowError, ValueError):
        pass
    try:
        return cell.cast(pa.string()).as_py()
    except pa.ArrowException:
        return f"a {cell.type} out of range"


def _words(cell: Any) -> str:
    if cell is None:
        return "-"
    return f"{cell:.6g}" if isinstance(cell, float) else str(_plain(cell))


def _cell(cell: Any) -> Any:
    """A CSV cell: numbers and times unchanged, values that can contain text escaped."""
    if isinstance(cell, str | list | dict):
        return cell_text(str(cell))
    return _plain(cell) if isinstance(cell, bytes) else cell


def _plain(cell: Any) -> Any:
    """Convert a value without a JSON type: a decimal to a number, bytes to hexadecimal, others to text."""
    match cell:
        case bytes():
            return cell.hex()
        case Decimal():  # the sum of integers is one
            return int(cell) if cell == cell.to_integral_value() else float(cell)
        case datetime():  # within a list or a struct; `as_text` has converted the others
            return cell.isoformat().replace("+00:00", "Z")
    return str(cell)


FORMS: dict[str, Callable[[pa.RecordBatchReader], None]] = {
    "json": as_json,
    "csv": as_csv,
    "table": as_table,
}
