"""What a Parquet file of a store says of itself, before a row of it is read.

A file may be anybody's: of other columns, or with a row group that is larger than this machine's memory. Such a file
costs itself and a line of the program's own log; the others are read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyarrow import parquet

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.fleet.store import Store
from logger.fleet.tables import ROWS_PER_GROUP, TABLES

log = logging.getLogger(__name__)

MOST_GROUP_ROWS = 2 * ROWS_PER_GROUP
"""Rows of a row group: ours have half of it at most."""
MOST_GROUP_BYTES = 1 << 29
"""Of a row group when it is unpacked, 512 MB: a full one of fixes has 20 MB, of events with long words some 100."""
MOST_LINES = 10
"""Files that are left out and named."""


def readable_files(store: Store, table: str, paths: Iterable[str]) -> list[str]:
    """Those of a table's files that can be read within bounds."""
    found, bad = [], []
    for path in paths:
        try:
            _require_readable(store, table, path)
        except LogError as error:
            bad.append(f"{printable(path)}: {error.what}")
        else:
            found.append(path)
    for line in bad[:MOST_LINES]:
        log.warning("%s; this file is left out", line)
    if len(bad) > MOST_LINES:
        log.warning("%d other files of the table %s are left out", len(bad) - MOST_LINES, table)
    return found


def _require_readable(store: Store, table: str, path: str) -> None:
    """Raise LogError for a file that is none of this table's."""
    try:
        with store.read(path) as stream:
            footer = parquet.read_metadata(stream)
            for wrong in _problems(footer, TABLES[table]):
                raise LogError(wrong)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise LogError(
            error.what if isinstance(error, LogError) else f"cannot be read: {printable(error)}"
        ) from error


def _problems(footer: parquet.FileMetaData, schema: pa.Schema) -> Iterator[str]:
    there = footer.schema.to_arrow_schema()
    for field in there:
        ours = schema.field(field.name) if field.name in schema.names else None
        if ours is not None and field.type != ours.type:
            yield f"its column {printable(field.name, 40)} is of type {printable(field.type, 40)}, not {ours.type}"
    if schema.names[0] not in there.names:
        yield f"it has no column {schema.names[0]}"
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        if not 0 <= group.num_rows <= MOST_GROUP_ROWS or not 0 <= group.total_byte_size <= MOST_GROUP_BYTES:
            yield f"a row group has {group.num_rows:,} rows in {group.total_byte_size / 1e6:,.0f} MB"
