"""Datasets that are read one row group after the other.

Arrow's own scan of a dataset reads ahead: four files, two million rows of each, and up to a gigabyte for a slow reader.
Files whose row groups are just within the limit (footers.py) would take gigabytes of memory. DuckDB scans a dataset by
the method `scanner` of its class, and reads what `to_reader` of the scanner returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as datasets

from logger.fleet.store import Store
from logger.fleet.tables import PARTITIONS, TABLES

_BATCH_ROWS = 20_480
"""Rows that DuckDB gets at once, ten of its vectors: its threads then work on the same row group."""
_OPTIONS: Final[dict[str, Any]] = {
    "batch_size": _BATCH_ROWS,
    "fragment_scan_options": datasets.ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True),
    "memory_pool": pa.system_memory_pool(),  # Arrow's own pool keeps what the last row group needed
}


class _BoundedDataset(datasets.FileSystemDataset):  # type: ignore[misc]  # Arrow has no types
    def scanner(self, **options: Any) -> _RowGroups:
        return _RowGroups(self, super().scanner(**options).projected_schema, options | _OPTIONS)


class _RowGroups:
    """The scan of a dataset: `options` are those of Arrow's scanner, which reads one row group each."""

    def __init__(self, files: datasets.Dataset, projected: pa.Schema, options: dict[str, Any]) -> None:
        self._files, self._projected, self._options = files, projected, options

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows, read as they are asked for."""
        return pa.RecordBatchReader.from_batches(self._projected, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        chosen = self._options.get("filter")
        for file in self._files.get_fragments(chosen):
            for group in file.split_by_row_group(chosen, self._files.schema):
                yield from group.scanner(schema=self._files.schema, **self._options).to_batches()


def dataset(store: Store, table: str, paths: Sequence[str], below: str = "") -> datasets.Dataset:
    """Open files of a table as one dataset, with event, stage and car from their folder names."""
    schema = TABLES[table]
    for field in PARTITIONS:
        schema = schema.append(field)
    files = datasets.dataset(
        [store.full(path) for path in paths],
        schema=schema,
        format="parquet",
        filesystem=store.for_arrow,
        partitioning=datasets.partitioning(PARTITIONS, flavor="hive"),
        partition_base_dir=store.full(f"{below}{table}"),
    )
    return _BoundedDataset(list(files.get_fragments()), files.schema, files.format, files.filesystem)
