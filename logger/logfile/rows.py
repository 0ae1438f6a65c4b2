"""Rows on their way to the log: the pipeline creates them and the writer stores them.

One `Rows` holds the rows of a short period, one list per table. A row's fields are in the order of the table's
columns, without `session`, which the log adds. Readings still hold their channel; the log replaces it by a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from firmware_bridge.record_columns import FrameColumns, ReadingColumns
from firmware_bridge.records import Fix
from logger.stage.events import Event as EventRow
from logger.stage.events import ProgressRow

__all__ = [
    "BUSES_PER_PORT",
    "MAX_FRAME_BYTES",
    "TABLES",
    "ClockRow",
    "EventRow",
    "ProgressRow",
    "RejectedRow",
    "Rows",
    "SentenceRow",
]

BUSES_PER_PORT = 16
"""Bus numbers reserved for each CAN port: GVRET's bus field has four bits."""
MAX_FRAME_BYTES = 64
"""The longest CAN FD frame."""


class SentenceRow(NamedTuple):
    """One NMEA sentence and the port that received it."""

    t_us: int
    port: str
    text: str


class RejectedRow(NamedTuple):
    """Bytes that are not a frame, and the port that received them."""

    t_us: int
    port: str
    reason: str
    data: bytes


class ClockRow(NamedTuple):
    """Session time `t_us` corresponds to `utc_us`, within `error_us`, according to `source`."""

    t_us: int
    utc_us: int
    error_us: int
    source: str


# Memory of one waiting row, in bytes: tuple, boxed integers and payload, measured with sys.getsizeof on
# CPython 3.11 and rounded up: exact enough for a queue bounded by bytes.
_FRAME_BYTES = 200
_OTHER_BYTES = 400


@dataclass(slots=True)
class Rows:
    """Rows by table, in order of arrival."""

    frame: FrameColumns = field(default_factory=FrameColumns)
    sentence: list[SentenceRow] = field(default_factory=list)
    fix: list[Fix] = field(default_factory=list)
    reading: ReadingColumns = field(default_factory=ReadingColumns)
    clock: list[ClockRow] = field(default_factory=list)
    event: list[EventRow] = field(default_factory=list)
    progress: list[ProgressRow] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    state: str | None = None
    """State that the live computation needs to resume after a power cut; the log keeps only the newest."""

    def extend(self, other: Rows) -> None:
        """Append the rows of `other`, table by table."""
        for table in TABLES:
            getattr(self, table).extend(getattr(other, table))
        self.state = other.state or self.state

    def counts(self) -> dict[str, int]:
        """Rows per table, without empty tables."""
        return {table: len(rows) for table in TABLES if (rows := getattr(self, table))}

    def drop(self, counts: Mapping[str, int]) -> None:
        """Remove the given number of rows from the front of each table; a count below 1 removes none."""
        for table, count in counts.items():
            del getattr(self, table)[: max(count, 0)]

    @property
    def begins_us(self) -> int | None:
        """Time of the earliest first row of any table, or None if there are no rows."""
        return min((rows[0].t_us for table in TABLES if (rows := getattr(self, table))), default=None)

    def __len__(self) -> int:
        # Fifty times per second: a loop over the tables takes ten times as long. A test compares the two.
        return (
            len(self.frame.ids)
            + len(self.sentence)
            + len(self.fix)
            + len(self.reading.values)
            + len(self.clock)
            + len(self.event)
            + len(self.progress)
            + len(self.rejected)
        )

    @property
    def weight_bytes(self) -> int:
        """Approximate memory use of these rows."""
        frames = len(self.frame.ids)
        return frames * _FRAME_BYTES + (len(self) - frames) * _OTHER_BYTES


TABLES: tuple[str, ...] = tuple(table.name for table in fields(Rows) if table.name != "state")
"""The tables that the recorder fills while driving, in the order in which they are written."""
