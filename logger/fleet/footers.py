"""Check the footers and page headers of a store's Parquet files before reading any rows.

A file may be malicious: with other columns, or with a row group larger than this machine's memory. Such a file is
skipped with a warning; the others are read. The footer only claims; the bounds are on what the pages state
(page_headers.py), and on the size of repeated texts: a text of 100 kB, stored once and repeated by a run of 100,000
rows, is 10 GB in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from typing import IO

import pyarrow as pa
from pyarrow import compute, parquet

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.fleet.page_headers import (
    BIT_PACKED,
    PLAIN,
    PLAIN_DICTIONARY,
    RLE,
    RLE_DICTIONARY,
    pages,
)
from logger.fleet.store import Store
from logger.fleet.tables import GROUP_BYTES, ROWS_PER_GROUP, TABLES

log = logging.getLogger(__name__)

MAX_GROUP_ROWS = 2 * ROWS_PER_GROUP
"""Maximum rows of a row group: twice the size that `fleet add` writes."""
MAX_GROUP_BYTES = 2 * GROUP_BYTES
"""Maximum size of a row group in memory, likewise."""
_ENCODINGS = {PLAIN, PLAIN_DICTIONARY, RLE, BIT_PACKED, RLE_DICTIONARY}
"""Those that `fleet add` writes. Others store a text as the difference to the one before: its size has no bound."""
MAX_LINES = 10
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
    for line in invalid[:MAX_LINES]:
        log.warning("%s; this file is left out", line)
    if len(invalid) > MAX_LINES:
        log.warning("%d other files of the table %s are left out", len(invalid) - MAX_LINES, table)
    return valid


def _require_readable(store: Store, table: str, path: str) -> None:
    """Raise LogError if a file cannot belong to this table or is too large."""
    try:
        with store.read(path) as stream:
            footer = parquet.read_metadata(stream)
            for problem in _problems(footer, TABLES[table]):
                raise LogError(problem)
            for number in range(footer.num_row_groups):
                require_bounded(stream, footer, number, TABLES[table].names, MAX_GROUP_BYTES)
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
        if not 0 <= group.num_rows <= MAX_GROUP_ROWS or not 0 <= group.total_byte_size <= MAX_GROUP_BYTES:
            yield f"a row group has {group.num_rows:,} rows in {group.total_byte_size / 1e6:,.0f} MB"


def require_bounded(
    stream: IO[bytes], footer: parquet.FileMetaData, number: int, names: Collection[str], max_bytes: int
) -> None:
    """Raise LogError where these columns of a row group take more than `max_bytes` in memory, and OSError."""
    group = footer.row_group(number)
    size_bytes = 0
    for index in range(group.num_columns):
        chunk = group.column(index)
        if chunk.path_in_schema not in names:
            continue
        dictionary_bytes = values = 0
        for page in pages(stream, _start(chunk), chunk.total_compressed_size):
            if page.encoding not in _ENCODINGS:
                raise LogError(
                    f"a page of its column {chunk.path_in_schema} has the encoding {page.encoding}"
                )
            size_bytes += page.size_bytes
            if page.is_dictionary:
                dictionary_bytes += page.size_bytes
            else:
                values += page.values
            _require(size_bytes, max_bytes)
        if values > group.num_rows:
            raise LogError(f"its column {chunk.path_in_schema} has more values than the row group has rows")
        if dictionary_bytes and chunk.physical_type == "BYTE_ARRAY":
            if size_bytes + dictionary_bytes * values > max_bytes:
                size_bytes += _repeated_bytes(stream, number, chunk.path_in_schema)
            else:
                size_bytes += dictionary_bytes * values
        _require(size_bytes, max_bytes)


def _start(chunk: parquet.ColumnChunkMetaData) -> int:
    """Where a reader begins: at the dictionary, if one lies before the values."""
    first, values = chunk.dictionary_page_offset, chunk.data_page_offset
    return int(first if chunk.has_dictionary_page and first and first < values else values)


def _require(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise LogError(f"a row group takes over {max_bytes / 1e6:,.0f} MB of memory")


def _repeated_bytes(stream: IO[bytes], number: int, name: str) -> int:
    """What the texts of a column come to when each is repeated in its rows; they are in memory once only."""
    stream.seek(0)
    file = parquet.ParquetFile(stream, read_dictionary=[name])
    column = file.read_row_group(number, columns=[name], use_threads=False).column(0)
    lengths = (compute.binary_length(part.dictionary).take(part.indices) for part in column.chunks)
    return sum(compute.sum(found).as_py() or 0 for found in lengths)
