"""SQL queries over the dataset: DuckDB in this process, one view per table.

The SQL text is untrusted, so DuckDB is locked down first: it receives the tables as Arrow datasets, then loses all
access to files, network and extensions, and its settings are locked. A query can neither write to the store nor read
anything else. DuckDB receives only files whose log is in the table `log`.

What a query takes is bounded: its working memory (the rest goes to a temporary folder, also bounded), and one row group
per thread and the one being read.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
from pyarrow import compute

from firmware_bridge.errors import ConfigurationError, LogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import is_file_name
from logger.fleet import footers, tables
from logger.fleet.bounded_scan import dataset
from logger.fleet.catalogue import stored
from logger.fleet.store import Store

MAX_MESSAGE_CHARS = 600
"""Maximum length of a DuckDB error, which repeats the query."""
ROWS = 2_048
"""Rows per batch of the result: one vector of DuckDB, its unit."""
MEMORY_MB = 500
"""Default of DuckDB's working memory, for sorting, grouping and joining; beyond it DuckDB uses the temporary folder."""
MAX_THREADS = 4
"""Each holds a batch of rows, and so a row group."""
_TEMPORARY_SHARE = 0.5
"""Of the free space of the temporary folder, which a query may fill."""
_CHANGES = re.compile(r"\s*(alter|create|delete|drop|insert|truncate|update)\b", re.IGNORECASE)
_LOCKDOWN = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",  # otherwise Python variables would be tables
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@contextmanager
def run_query(
    store: Store, sql: str, run: str | None = None, memory_mb: int = MEMORY_MB
) -> Iterator[pa.RecordBatchReader | None]:
    """Run a query and yield its result; None if the statement has no result.

    `run` uses the tables of that review instead of those written by `fleet add`. Raises ConfigurationError for an
    invalid query, or one that needs more working memory.
    """
    with (
        tempfile.TemporaryDirectory(prefix="stagelog-fleet-") as temporary,
        duckdb.connect(config=_bounds(temporary, memory_mb)) as connection,
    ):
        for table, files in _datasets(store, sql, run):
            connection.register(table, files)
        for setting in _LOCKDOWN:
            connection.execute(setting)
        try:
            answer = connection.sql(sql)
            yield None if answer is None else answer.to_arrow_reader(ROWS)
        except duckdb.OutOfMemoryException as error:
            what = f"the query needs more than {memory_mb} MB of memory, or fills the temporary folder"
            hint = "select fewer rows or columns, or allow more with --memory"
            raise ConfigurationError(what, hint=hint) from error
        except duckdb.Error as error:
            reason, _, _ = str(error).partition("\nLINE ")  # the query again, with a mark below
            what = printable(" ".join(reason.split()), MAX_MESSAGE_CHARS)
            if _CHANGES.match(sql):
                what = "a query cannot change the store"
            raise ConfigurationError(
                f"DuckDB: {what}", hint=f"the tables are {', '.join(tables.TABLES)}"
            ) from error
        except pa.ArrowException as error:
            hint = "remove the damaged file from the store, and add its log again"
            raise LogError(f"cannot be read: {printable(error)}", where=store.shown, hint=hint) from error


def _bounds(temporary: str, memory_mb: int) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's settings for what a query may take."""
    temporary_mb = int(shutil.disk_usage(temporary).free * _TEMPORARY_SHARE / 1e6)
    return {
        "memory_limit": f"{memory_mb}MB",
        "threads": min(MAX_THREADS, os.cpu_count() or 1),
        "temp_directory": temporary,
        "max_temp_directory_size": f"{temporary_mb}MB",
    }


def _datasets(store: Store, sql: str, run: str | None) -> Iterator[tuple[str, object]]:
    """Yield every table as a dataset; footers are checked for tables that the query names, or may put together."""
    if run is not None and not is_file_name(run):
        raise ConfigurationError(
            "not a review's folder", where=repr(printable(run)), hint="name one under review/"
        )
    logs = stored(store)
    if run is not None and not store.list(f"review/{run}/", ".parquet"):
        runs = sorted({path.split("/")[1] for path in store.list("review/", ".parquet")})
        hint = (
            f"choose one of {', '.join(map(printable, runs))}"
            if runs
            else "`stagelog fleet review` makes one"
        )
        raise ConfigurationError(f"no review {printable(run)} in the store", where=store.shown, hint=hint)
    text = sql.lower()
    for table in tables.TABLES:
        below = f"review/{run}/" if run is not None and table in tables.REVIEW_TABLES else ""
        paths = [entry.path(table, below) for entry in logs]
        if table != "log":  # `entries` has read every row of it
            existing = set(store.list(f"{below}{table}/", ".parquet"))
            paths = [path for path in paths if path in existing]
            if table in text or "query" in text:  # the function query() takes a computed text
                paths = footers.readable_files(store, table, paths)
        yield table, dataset(store, table, paths, below)


def as_text(batch: pa.RecordBatch) -> pa.Table:
    """Convert timestamps to ISO 8601 text, for JSON and CSV."""
    rows = pa.table(batch)
    for at, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            text = compute.strftime(rows.column(at).cast(pa.timestamp("us")), "%Y-%m-%dT%H:%M:%S")
            zone = "Z" if field.type.tz else ""
            column = compute.binary_join_element_wise(text, zone, "")
            rows = rows.set_column(at, field.name, column)
    return rows
