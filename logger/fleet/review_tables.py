"""Convert the document of `stagelog review --json` to rows of the dataset, with the same values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from logger.fleet.tables import TABLES


def document_tables(document: dict[str, Any], sha256: str) -> dict[str, pa.Table]:
    """The tables of `REVIEW_TABLES` for one log."""
    rows: dict[str, list[dict[str, Any]]] = {
        "section": [
            row | {"section": row["index"], "begun": row["begun_utc"], "ended": row["ended_utc"]}
            for row in document["sections"]
        ],
        "overspeed": document["overspeeds"],
        "quality": [document["quality"]],
    }
    return {table: _table(table, table_rows, sha256) for table, table_rows in rows.items()}


def _table(table: str, rows: list[dict[str, Any]], sha256: str) -> pa.Table:
    schema = TABLES[table]
    cells = [
        {field.name: _cell(row.get(field.name), field) for field in schema} | {"log": sha256} for row in rows
    ]
    return pa.Table.from_pylist(cells, schema=schema)


def _cell(value: Any, field: pa.Field) -> Any:
    if value is None:
        return None
    if field.name == "section":
        return value + 1
    return datetime.fromisoformat(value) if pa.types.is_timestamp(field.type) else value
