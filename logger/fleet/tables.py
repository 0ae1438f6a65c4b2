"""Schemas of the dataset's tables, with descriptions of their columns, and the Parquet writer.

    STORE/TABLE/event=EVENT/stage=STAGE/car=CAR/SHA256.parquet      one file per log and table
    STORE/logs/SHA256.db.zst                                        the compressed logs

`event`, `stage` and `car` are also columns, from the folder names (Hive partitioning). Units are in the names; times
are UTC in microseconds, null in a session without UTC; unknown values are null. Sections count from 1. The files
contain the descriptions as field metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

ROWS_PER_GROUP = 122_880
"""Rows per row group: the unit in which DuckDB reads with one thread (60 vectors of 2,048); suits Spark and polars."""
GROUP_BYTES = 1 << 25
"""A row group is written earlier at this size in memory, 32 MB; a full one of fixes has 20 MB. To read one takes three
times as much."""
FRAME = "frame"
"""The table that is written only on request: it is nine tenths of a log."""
PARTITIONS = pa.schema(
    [
        pa.field(
            "event", pa.string(), metadata={"description": "the event as in file names; `none` without one"}
        ),
        pa.field("stage", pa.int16(), metadata={"description": "the stage's number; 0 without one"}),
        pa.field("car", pa.int32(), metadata={"description": "the car's number"}),
    ]
)

_UTC, _TEXT, _REAL, _WHOLE, _SMALL = (
    pa.timestamp("us", "UTC"), pa.string(), pa.float64(), pa.int64(), pa.int16()
)  # fmt: skip
_Column = tuple[str, pa.DataType, str]
_LOG: _Column = ("log", _TEXT, "SHA-256 of the log that the row is from")
_MOMENT: tuple[_Column, ...] = (
    _LOG,
    ("session", pa.int32(), "number of the power-on within the log"),
    ("t_us", _WHOLE, "microseconds of the monotonic clock since the session began"),
    ("utc", _UTC, "the same moment in UTC"),
)
_SECTION: _Column = ("section", _SMALL, "section of the itinerary, from 1")


def _table(description: str, *columns: _Column) -> pa.Schema:
    fields = [pa.field(name, kind, metadata={"description": meaning}) for name, kind, meaning in columns]
    return pa.schema(fields, metadata={"description": description})


TABLES: dict[str, pa.Schema] = {
    "fix": _table(
        "One row per fix of the receiver, with its distance in the section and the limit used by the review.",
        *_MOMENT,
        ("lat", _REAL, "degrees, WGS 84"),
        ("lon", _REAL, "degrees, WGS 84"),
        ("alt_m", _REAL, "metres above the geoid"),
        ("speed_mps", _REAL, "metres per second, from the receiver"),
        ("course_deg", _REAL, "degrees from true north"),
        ("quality", _SMALL, "as in GGA: 0 none, 1 GPS, 2 differential, 4 RTK, 5 RTK float, 6 estimated"),
        ("satellites", _SMALL, "number in use"),
        ("hdop", _REAL, "horizontal dilution of precision"),
        ("accuracy_m", _REAL, "horizontal, one standard deviation, from the receiver"),
        ("alt_accuracy_m", _REAL, "vertical, one standard deviation"),
        ("speed_accuracy_mps", _REAL, "of the speed, one standard deviation"),
        _SECTION,
        ("distance_m", _REAL, "metres since the start of the section, by the roadbook"),
        ("limit_kmh", _REAL, "the speed limit there"),
        ("free", pa.bool_(), "near the begin or end of a zone, where over-speed is not charged"),
    ),
    "reading": _table(
        "One row per engine value, ten times per second.",
        *_MOMENT,
        ("channel", _TEXT, "what was measured"),
        ("value", _REAL, "in `unit`"),
        ("unit", _TEXT, ""),
        ("source", _TEXT, "the DBC message or the preset that defines it"),
    ),
    "event": _table(
        "One row per event: sections, waypoints, over-speeds, alarms, links, losses, commands.",
        *_MOMENT,
        ("kind", _TEXT, "the kind of event"),
        ("detail", _TEXT, "details of the event: a JSON object"),
    ),
    "progress": _table(
        "What the crew saw, one row per second.",
        *_MOMENT,
        _SECTION,
        ("distance_m", _REAL, "metres since the start of the section"),
        ("elapsed_s", _REAL, "counted time since its start"),
        ("average_mps", _REAL, "average speed, stops included"),
        ("limit_kmh", _REAL, "speed limit in force"),
        ("speed_mps", _REAL, "speed"),
    ),
    "section": _table(
        "One row per section driven, as judged by the review.",
        _LOG,
        _SECTION,
        ("kind", _TEXT, "liaison, selective, neutralisation or transfer"),
        ("name", _TEXT, ""),
        ("length_km", _REAL, "by the roadbook"),
        ("distance_km", _REAL, "as driven"),
        ("begun", _UTC, ""),
        ("ended", _UTC, ""),
        ("elapsed_s", _REAL, "counted time"),
        ("average_kmh", _REAL, "stops included"),
        ("moving_average_kmh", _REAL, "without stops"),
        ("max_kmh", _REAL, ""),
        ("finished", pa.bool_(), "its end was reached, with enough waypoints"),
        ("penalty_s", _REAL, "penalty under the rules"),
    ),
    "overspeed": _table(
        "One row per over-speed, as judged by the review.",
        _LOG,
        _SECTION,
        ("zone", _TEXT, "the speed zone; null for the section's own limit"),
        ("km", _REAL, "distance in the section where it began"),
        ("utc", _UTC, "when it began"),
        ("duration_s", _REAL, ""),
        ("distance_m", _REAL, ""),
        ("max_kmh", _REAL, ""),
        ("limit_kmh", _REAL, ""),
        ("over_kmh", _REAL, "the largest excess"),
        ("impulses", pa.int32(), "number that the official device would have recorded"),
        ("gained_m", _REAL, "extra distance compared with the limit"),
        ("penalty_s", _REAL, "penalty under the rules"),
    ),
    "quality": _table(
        "One row per log: the quality of the evidence.",
        _LOG,
        ("fixes", _WHOLE, ""),
        ("located", _WHOLE, "fixes with a position"),
        ("rate_hz", _REAL, "fixes per second"),
        ("satellites_min", _REAL, ""),
        ("satellites_median", _REAL, ""),
        ("hdop_median", _REAL, ""),
        ("hdop_max", _REAL, ""),
        ("gaps", _WHOLE, "stretches without a position"),
        ("gap_s", _REAL, "total time of the gaps"),
        ("longest_gap_s", _REAL, ""),
        ("estimated_m", _REAL, "estimated distance across the gaps"),
        ("position_jumps", _WHOLE, "positions rejected as jumps"),
        ("sessions", _WHOLE, "number of power-ons"),
        ("sessions_cut_short", _WHOLE, "sessions without an orderly end: power cuts"),
        ("sentences", _WHOLE, ""),
        ("frames", _WHOLE, ""),
        ("dropped_bytes", _WHOLE, "bytes that the recorder dropped"),
        ("dropped_rows", _WHOLE, "rows that the recorder dropped"),
        ("link_losses", _WHOLE, ""),
        ("rejected_bytes", _WHOLE, "bytes that were not part of a valid frame"),
        ("not_logged", _WHOLE, "rejected pieces that were only counted"),
        ("clock_error_s", _REAL, "uncertainty of the clock"),
    ),
    FRAME: _table(
        "One row per CAN frame; only with `fleet add --frames`.",
        *_MOMENT,
        ("bus", _SMALL, "number of the bus"),
        ("can_id", _WHOLE, "with SocketCAN's EFF, RTR and ERR bits; above 32 bits FD, BRS, ESI"),
        ("data", pa.binary(), "the payload"),
    ),
    "log": _table(
        "One row per log, written last: a log with a row here is complete, one without does not count.",
        _LOG,
        ("name", _TEXT, "name of the file that was added"),
        ("identity", _TEXT, "identity of its first session: copies of one recording share it"),
        ("rows", _WHOLE, "rows in all of its tables: of two copies, the longer one counts"),
        ("size_bytes", _WHOLE, "size of the uncompressed log"),
        ("software", _TEXT, "version of the recorder"),
        ("event_name", _TEXT, "full name of the event"),
        ("stage_name", _TEXT, "full name of the stage"),
        ("stage_date", _TEXT, "date of the stage in the itinerary"),
        ("car_name", _TEXT, ""),
        ("car_class", _TEXT, ""),
        ("crew", _TEXT, "driver / navigator"),
        ("from_utc", _UTC, "time of its first row"),
        ("to_utc", _UTC, "time of its last row"),
        ("duration_s", _REAL, "recorded time, over all sessions"),
    ),
}  # fmt: skip
REVIEW_TABLES = ("section", "overspeed", "quality")
"""Tables produced by the review; `stagelog fleet review` writes them again under other rules."""


def write(path: Path, table: str, blocks: Iterable[pa.Table]) -> None:
    """Write a table's file from blocks of rows, with about one row group in memory. Raises OSError."""
    schema = TABLES[table]
    with ParquetWriter(path, schema, compression="zstd") as writer:
        waiting = schema.empty_table()
        for block in blocks:
            waiting = pa.concat_tables([waiting, block])
            while len(waiting) >= ROWS_PER_GROUP or (waiting.nbytes > GROUP_BYTES and len(waiting) > 1):
                rows = min(len(waiting), ROWS_PER_GROUP)
                while rows > 1 and waiting.slice(0, rows).nbytes > GROUP_BYTES:
                    rows //= 2
                writer.write_table(waiting.slice(0, rows))
                waiting = waiting.slice(rows)
        writer.write_table(waiting)
