"""Check the footers of a store's Parquet files before reading any rows.

A file may be malicious: with other columns, or with a row group larger than this machine's memory. Such a file is
skipped with a warning; the others are read.
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
"""Maximum rows of a row group: twice the size that `fleet add` writes."""
MOST_GROUP_BYTES = 1 << 29
"""Maximum uncompressed size of a row group, 512 MB: a full one of fixes has 20 MB, of events with long texts 100."""
MOST_LINES = 10
"""Skipped files listed individually."""


def readable_files(store: Store, table: str, paths: Iterable[str]) -> list[str]:
    """Filter a table's files to those that are valid and within the size limits."""
    valid, invalid = [], []
    for path in paths:
        try:
            _require_readable(store, table, path)
        except LogError as error:
            invalid.append(f"{printable(path)}: {error.what}")
        else:
            valid.append(path)
    for line in invalid[:MOST_LINES]:
        log.warning("%s; this file is left out", line)
    if len(invalid) > MOST_LINES:
        log.warning("%d other files of the table %s are left out", len(invalid) - MOST_LINES, table)
    return valid


def _require_readable(store: Store, table: str, path: str) -> None:
    """Raise LogError if a file cannot belong to this table or is too large."""
    try:
        with store.read(path) as stream:
            footer = parquet.read_metadata(stream)
            for problem in _problems(footer, TABLES[table]):
                raise LogError(problem)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise LogError(
            error.what if isinstance(error, LogError) else f"cannot be read: {printable(error)}"
        ) from error


def _problems(footer: parquet.FileMetaData, schema: pa.Schema) -> Iterator[str]:
    actual = footer.schema.to_arrow_schema()
    for field in actual:
        expected = schema.field(field.name) if field.name in schema.names else None
        if expected is not None and field.type != expected.type:
            yield f"its column {printable(field.name, 40)} is of type {printable(field.type, 40)}, not {expected.type}"
    if schema.names[0] not in actual.names:
        yield f"it has no column {schema.names[0]}"
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        if not 0 <= group.num_rows <= MOST_GROUP_ROWS or not 0 <= group.total_byte_size <= MOST_GROUP_BYTES:
            yield f"a row group has {group.num_rows:,} rows in {group.total_byte_size / 1e6:,.0f} MB"
