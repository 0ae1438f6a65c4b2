"""SQL over the dataset: DuckDB within this process, one view a table.

The question is anybody's text, so DuckDB is shut in before it is read: it is handed the tables as Arrow datasets,
then forbidden every access to files, network and extensions, and its settings are locked. It can neither write into
the store nor read anything beside it. Only files whose log is in the table `log` are handed over.
"""

from __future__ import annotations

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
from logger.fleet.catalogue import dataset, entries
from logger.fleet.store import Store

MOST_MESSAGE_CHARS = 600
"""Of what DuckDB says: it repeats the question."""
ROWS = 10_000
"""Rows of the answer at a time."""
_LOCKDOWN = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",  # or a variable of ours would be a table
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@contextmanager
def run_query(store: Store, sql: str, run: str | None = None) -> Iterator[pa.RecordBatchReader | None]:
    """The answer to a question; None to what has none. `run` gives the tables of a review in place of the first one's.

    Raises ConfigurationError when the question cannot be answered.
    """
    with (
        tempfile.TemporaryDirectory(prefix="stagelog-fleet-") as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        for table, found in _datasets(store, sql, run):
            connection.register(table, found)
        for setting in _LOCKDOWN:
            connection.execute(setting)
        try:
            answer = connection.sql(sql)
            yield None if answer is None else answer.to_arrow_reader(ROWS)
        except duckdb.Error as error:
            what = printable(" ".join(str(error).split()), MOST_MESSAGE_CHARS)
            raise ConfigurationError(
                f"DuckDB: {what}", hint=f"the tables are {', '.join(tables.TABLES)}"
            ) from error
        except pa.ArrowException as error:
            hint = "remove the store's damaged file, and add its log again"
            raise LogError(f"cannot be read: {printable(error)}", where=store.shown, hint=hint) from error


def _datasets(store: Store, sql: str, run: str | None) -> Iterator[tuple[str, object]]:
    """Every table; the files of those that the question can mean have their footers read first."""
    if run is not None and not is_file_name(run):
        raise ConfigurationError(
            "not a review's folder", where=repr(printable(run)), hint="name one under review/"
        )
    found = entries(store)
    for table in tables.TABLES:
        below = f"review/{run}/" if run is not None and table in tables.REVIEW_TABLES else ""
        paths = [entry.path(table, below) for entry in found]
        if table != "log":  # of that one every row was read already
            there = set(store.list(f"{below}{table}/", ".parquet"))
            paths = [path for path in paths if path in there]
            if table in sql.lower():
                paths = footers.readable_files(store, table, paths)
        yield table, dataset(store, table, paths, below)


def as_text(batch: pa.RecordBatch) -> pa.Table:
    """Rows with their times as ISO 8601 text, which neither JSON nor CSV has a type for."""
    found = pa.table(batch)
    for at, field in enumerate(found.schema):
        if pa.types.is_timestamp(field.type):
            text = compute.strftime(found.column(at).cast(pa.timestamp("us")), "%Y-%m-%dT%H:%M:%S")
            zone = "Z" if field.type.tz else ""
            column = compute.binary_join_element_wise(text, zone, "")
            found = found.set_column(at, field.name, column)
    return found
