"""Write Parquet: the CSV columns, with types. Needs the extra [parquet], pyarrow.

Times are UTC in microseconds, speed is in m/s and `can_id` includes its flag bits, as in the log; unknown is null.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from logger.export import as_of_join
from logger.logfile.blocks import FixBlock, FrameBlock, Progress, frame_blocks
from logger.logfile.selection import Selection

_ROWS_PER_GROUP = 131_072
"""Rows buffered per row group: small row groups make large files that are slow to read."""
_MOMENT = [("utc", pa.timestamp("us", "UTC")), ("session", pa.int32()), ("t_us", pa.int64())]
_SMALL = {"quality", "satellites", "section"}
_FRAMES = pa.schema([*_MOMENT, ("bus", pa.int16()), ("can_id", pa.int64()), ("data", pa.binary())])
_SIGNALS = pa.schema(
    [
        *_MOMENT,
        ("bus", pa.int16()),
        *((name, pa.string()) for name in ("signal", "unit", "source")),
        ("value", pa.float64()),
    ]
)


def write_fixes(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write one row per fix, with stage and engine values."""
    _, titles = as_of_join.channel_titles(connection)
    names = [*FixBlock._fields[len(_MOMENT) :], *as_of_join.STAGE_COLUMNS, *titles]
    kinds = [(name, pa.int16() if name in _SMALL else pa.float64()) for name in names]
    with _table(stream, pa.schema([*_MOMENT, *kinds])) as write:
        for fixes, others in as_of_join.rows(connection, selection, progress):
            session, t_us, utc, *columns = fixes
            write([utc, session, t_us, *columns, *others.T])


def write_frames(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write one row per CAN frame."""
    with _table(stream, _FRAMES) as write:
        for block in frame_blocks(connection, selection, progress):
            write([block.utc, block.session, block.t_us, block.bus, block.can_id, frame_bytes(block)])


def write_signals(
    connection: sqlite3.Connection,
    selection: Selection,
    stream: BinaryIO,
    progress: Progress,
    dbc_texts: Mapping[str, str],
) -> None:
    """Write one row per signal value, in order of frames."""
    from logger.export import signals  # noqa: PLC0415 - cantools takes a third of a second to import

    with _table(stream, _SIGNALS) as write:
        for block, decoded in signals.signal_blocks(connection, selection, progress, dbc_texts):
            table = signals.long_table(decoded)
            names = [
                pa.array([channel[at] for channel in table.channels], pa.string()).take(
                    pa.array(table.channel)
                )
                for at in range(3)
            ]
            moments = [column[table.rows] for column in (block.utc, block.session, block.t_us, block.bus)]
            write([*moments, *names, table.values])


@contextmanager
def _table(stream: BinaryIO, schema: Any) -> Iterator[Callable[[list[Any]], None]]:
    """Open a Parquet file; yield a function that writes a block's columns in the order of the schema."""
    with ParquetWriter(stream, schema, compression="zstd") as writer:
        waiting: list[Any] = []

        def write(columns: list[Any]) -> None:
            waiting.append(arrow_table(columns, schema))
            if sum(map(len, waiting)) >= _ROWS_PER_GROUP:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()

        yield write
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def arrow_table(columns: Iterable[Any], schema: Any) -> Any:
    """Convert columns (numpy, Arrow or lists) to a schema's types; NaN and NaT become null."""
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def frame_bytes(block: FrameBlock) -> Any:
    """The data of a block's frames as an Arrow column, without a copy."""
    ends = np.append(block.start, len(block.data)).astype(np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(block.data)]
    return pa.Array.from_buffers(pa.binary(), len(block.t_us), buffers)


def _array(column: Any, kind: Any) -> Any:
    if isinstance(column, list):
        return pa.array(column, kind)
    return column if isinstance(column, pa.Array) else pa.array(column, from_pandas=True).cast(kind)
