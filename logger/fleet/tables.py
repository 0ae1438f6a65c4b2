"""The tables of the dataset: their columns, what these mean, and how a file of one is written.

    STORE/TABLE/event=EVENT/stage=STAGE/car=CAR/SHA256.parquet      one file a log and table
    STORE/logs/SHA256.db.zst                                        the logs themselves

`event`, `stage` and `car` are columns as well, by the names of the folders (Hive's way). Units are in the names; times
are UTC to the microsecond, null in a session that never learned the time; what is not known is null. Sections count
from 1. The descriptions are in the files too, as metadata of their fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

ROWS_PER_GROUP = 122_880
"""Rows a row group: DuckDB reads just so many at a time (60 vectors of 2,048), a thread each; Spark and polars are
content with it."""
FRAME = "frame"
"""The one table that is made on request only: it is nine tenths of a log."""
PARTITIONS = pa.schema(
    [
        pa.field(
            "event", pa.string(), metadata={"description": "the event, as in a file's name; none without one"}
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
    ("session", pa.int32(), "the power-on within the log"),
    ("t_us", _WHOLE, "microseconds of the monotonic clock since the session began"),
    ("utc", _UTC, "the same moment in UTC"),
)
_SECTION: _Column = ("section", _SMALL, "section of the itinerary, from 1")


def _table(words: str, *columns: _Column) -> pa.Schema:
    fields = [pa.field(name, kind, metadata={"description": said}) for name, kind, said in columns]
    return pa.schema(fields, metadata={"description": words})


TABLES: dict[str, pa.Schema] = {
    "fix": _table(
        "A row a fix of the receiver, with the place in the section and the limit that the review goes by.",
        *_MOMENT,
        ("lat", _REAL, "degrees, WGS 84"),
        ("lon", _REAL, "degrees, WGS 84"),
        ("alt_m", _REAL, "metres above the geoid"),
        ("speed_mps", _REAL, "metres a second, by the receiver"),
        ("course_deg", _REAL, "degrees from true north"),
        ("quality", _SMALL, "GGA's: 0 none, 1 GPS, 2 differential, 4 RTK, 5 RTK float, 6 estimated"),
        ("satellites", _SMALL, "in use"),
        ("hdop", _REAL, "horizontal dilution of precision"),
        ("accuracy_m", _REAL, "horizontal, one standard deviation, by the receiver"),
        ("alt_accuracy_m", _REAL, "the same, vertical"),
        ("speed_accuracy_mps", _REAL, "the same, of the speed"),
        _SECTION,
        ("distance_m", _REAL, "metres since the section's beginning, by the roadbook"),
        ("limit_kmh", _REAL, "the speed limit there"),
        ("free", pa.bool_(), "about the beginning or end of a zone, where over-speed is not charged"),
    ),
    "reading": _table(
        "A row an engine value, ten times a second.",
        *_MOMENT,
        ("channel", _TEXT, "what was measured"),
        ("value", _REAL, "in `unit`"),
        ("unit", _TEXT, ""),
        ("source", _TEXT, "the DBC message or the preset that told it"),
    ),
    "event": _table(
        "A row an event: sections, waypoints, over-speeds, alarms, links, losses, commands.",
        *_MOMENT,
        ("kind", _TEXT, "the kind of event"),
        ("detail", _TEXT, "what there is to say of it: a JSON object"),
    ),
    "progress": _table(
        "What the crew saw, a row a second.",
        *_MOMENT,
        _SECTION,
        ("distance_m", _REAL, "metres since the section's beginning"),
        ("elapsed_s", _REAL, "counted seconds since its start"),
        ("average_mps", _REAL, "average speed, stops included"),
        ("limit_kmh", _REAL, "the limit then"),
        ("speed_mps", _REAL, "speed then"),
    ),
    "section": _table(
        "A row a section driven, as the review judges it.",
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
        ("penalty_s", _REAL, "what the rules would charge"),
    ),
    "overspeed": _table(
        "A row an over-speed, as the review judges it.",
        _LOG,
        _SECTION,
        ("zone", _TEXT, "the speed zone, null where it is the section's own limit"),
        ("km", _REAL, "where it began, in the section"),
        ("utc", _UTC, "when it began"),
        ("duration_s", _REAL, ""),
        ("distance_m", _REAL, ""),
        ("max_kmh", _REAL, ""),
        ("limit_kmh", _REAL, ""),
        ("over_kmh", _REAL, "the largest excess"),
        ("impulses", pa.int32(), "that the official device would have recorded"),
        ("gained_m", _REAL, "how much further than at the limit"),
        ("penalty_s", _REAL, "what the rules would charge"),
    ),
    "quality": _table(
        "A row a log: how good the evidence is.",
        _LOG,
        ("fixes", _WHOLE, ""),
        ("located", _WHOLE, "fixes with a position"),
        ("rate_hz", _REAL, "fixes a second"),
        ("satellites_min", _REAL, ""),
        ("satellites_median", _REAL, ""),
        ("hdop_median", _REAL, ""),
        ("hdop_max", _REAL, ""),
        ("gaps", _WHOLE, "stretches without a position"),
        ("gap_s", _REAL, "all of them"),
        ("longest_gap_s", _REAL, ""),
        ("estimated_m", _REAL, "distance that was estimated in them"),
        ("position_jumps", _WHOLE, "positions that were not believed"),
        ("sessions", _WHOLE, "power-ons"),
        ("sessions_cut_short", _WHOLE, "that ended without a word: power cuts"),
        ("sentences", _WHOLE, ""),
        ("frames", _WHOLE, ""),
        ("dropped_bytes", _WHOLE, "that the recorder could not take"),
        ("dropped_rows", _WHOLE, "that it could not store"),
        ("link_losses", _WHOLE, ""),
        ("rejected_bytes", _WHOLE, "that were no frame"),
        ("not_logged", _WHOLE, "pieces that were counted only"),
        ("clock_error_s", _REAL, "the clock was known to so much"),
    ),
    FRAME: _table(
        "A row a CAN frame; only where it was asked for.",
        *_MOMENT,
        ("bus", _SMALL, "number of the bus"),
        ("can_id", _WHOLE, "with SocketCAN's EFF, RTR and ERR bits; above 32 bits FD, BRS, ESI"),
        ("data", pa.binary(), "the payload"),
    ),
    "log": _table(
        "A row a log. It is written last: what it names is whole, and what it does not name does not count.",
        _LOG,
        ("name", _TEXT, "its file's name when it was added"),
        ("identity", _TEXT, "of its first session: two copies of one recording have the same"),
        ("rows", _WHOLE, "in all of its tables: of two copies, the longer one counts"),
        ("size_bytes", _WHOLE, "of the log as it was"),
        ("software", _TEXT, "that recorded it"),
        ("event_name", _TEXT, "the event in full"),
        ("stage_name", _TEXT, "the stage in full"),
        ("stage_date", _TEXT, "its date by the itinerary"),
        ("car_name", _TEXT, ""),
        ("car_class", _TEXT, ""),
        ("crew", _TEXT, "driver / navigator"),
        ("from_utc", _UTC, "its first moment"),
        ("to_utc", _UTC, "its last"),
        ("duration_s", _REAL, "recorded, over all sessions"),
    ),
}  # fmt: skip
REVIEW_TABLES = ("section", "overspeed", "quality")
"""What the review makes: of these `stagelog fleet review` writes new ones, under other rules."""


def write(path: Path, table: str, blocks: Iterable[pa.Table]) -> None:
    """Write a table's file out of blocks of rows; in memory is one row group at most. Raises OSError."""
    schema = TABLES[table]
    with ParquetWriter(path, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        for block in blocks:
            waiting.append(block)
            while (rows := sum(map(len, waiting))) >= ROWS_PER_GROUP:
                gathered = pa.concat_tables(waiting)
                writer.write_table(gathered.slice(0, ROWS_PER_GROUP))
                waiting = [gathered.slice(ROWS_PER_GROUP)] if rows > ROWS_PER_GROUP else []
        writer.write_table(pa.concat_tables([schema.empty_table(), *waiting]))
