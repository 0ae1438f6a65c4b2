"""Rows on their way to the log: what the pipeline makes and the writer stores.

One `Rows` holds what a short stretch of time came to, a list a table, each row in the order of the table's
columns but for `session`, which only the log knows. Readings still name their channel: the log gives the number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from firmware_bridge.records import CanFrame, Fix, Reading
from logger.stage.events import Event as EventRow
from logger.stage.events import ProgressRow

__all__ = [
    "BUSES_A_PORT",
    "MOST_FRAME_BYTES",
    "TABLES",
    "ClockRow",
    "EventRow",
    "ProgressRow",
    "RejectedRow",
    "Rows",
    "SentenceRow",
]

BUSES_A_PORT = 16
"""Bus numbers set aside for each CAN port: GVRET's bus field has four bits."""
MOST_FRAME_BYTES = 64
"""CAN FD's longest frame."""


class SentenceRow(NamedTuple):
    """One NMEA sentence and the port it came from."""

    t_us: int
    port: str
    text: str


class RejectedRow(NamedTuple):
    """Bytes that were no frame, and the port they came from."""

    t_us: int
    port: str
    reason: str
    data: bytes


class ClockRow(NamedTuple):
    """At `t_us` of the session it was `utc_us`, within `error_us`, says `source`."""

    t_us: int
    utc_us: int
    error_us: int
    source: str


# What a row weighs in memory while it waits, in bytes: tuple, boxed integers and payload, measured with
# sys.getsizeof on CPython 3.11 and rounded up. A queue bounded by bytes needs no better than this.
_FRAME_BYTES = 200
_OTHER_BYTES = 400


@dataclass(slots=True)
class Rows:
    """Rows by table, in order of arrival."""

    frame: list[CanFrame] = field(default_factory=list)
    sentence: list[SentenceRow] = field(default_factory=list)
    fix: list[Fix] = field(default_factory=list)
    reading: list[Reading] = field(default_factory=list)
    clock: list[ClockRow] = field(default_factory=list)
    event: list[EventRow] = field(default_factory=list)
    progress: list[ProgressRow] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    state: str | None = None
    """What the live computation needs to go on after a power cut; the log keeps the newest only."""

    def extend(self, other: Rows) -> None:
        """Append the rows of `other`, table by table."""
        for table in TABLES:
            getattr(self, table).extend(getattr(other, table))
        self.state = other.state or self.state

    def counts(self) -> dict[str, int]:
        """Rows a table, only tables that have any."""
        return {table: len(rows) for table in TABLES if (rows := getattr(self, table))}

    def drop(self, counts: Mapping[str, int]) -> None:
        """Take so many rows off the beginning of each table; a count below 1 leaves it as it is."""
        for table, count in counts.items():
            del getattr(self, table)[: max(count, 0)]

    @property
    def begins_us(self) -> int | None:
        """When the first of them was stamped, or None where there are none."""
        return min((rows[0].t_us for table in TABLES if (rows := getattr(self, table))), default=None)

    def __len__(self) -> int:
        return sum(len(getattr(self, table)) for table in TABLES)

    @property
    def weight_bytes(self) -> int:
        """Roughly the memory that these rows hold."""
        frames = len(self.frame)
        return frames * _FRAME_BYTES + (len(self) - frames) * _OTHER_BYTES


TABLES: tuple[str, ...] = tuple(table.name for table in fields(Rows) if table.name != "state")
"""The tables that the recorder fills while it drives, in the order in which they are written."""
