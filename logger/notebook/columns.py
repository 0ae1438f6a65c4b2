"""Rows of a log as numpy columns: one array per column, all of one length.

    fix.speed_mps.max()             a column
    fix[fix.quality > 0], fix[:10]  some of the rows
    fix.to_pandas()                 a DataFrame, if pandas is installed

An unknown number is NaN and an unknown time NaT. `t_us` is microseconds of the monotonic clock since its `session`
began; `utc` is the same moment by GPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from logger.boundary import extras
from logger.logfile.blocks import Bytes, Mask, Numbers
from logger.logfile.selection import Integers, Times

if TYPE_CHECKING:
    import pandas

Texts = NDArray[np.object_]
Rows = int | np.integer[Any] | slice | Integers | Mask | list[int]

_EMPTY: dict[str, NDArray[Any]] = {
    **dict.fromkeys(("session", "t_us", "bus", "can_id", "length"), np.empty(0, dtype=np.int64)),
    **dict.fromkeys(("channel", "unit"), np.empty(0, dtype=np.object_)),
    "utc": np.empty(0, dtype="datetime64[us]"),
    "data": np.empty((0, 0), dtype=np.uint8),
}
"""The columns of a table without rows; those not named here are of float64."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Columns:
    """The columns that every table has."""

    session: Integers
    t_us: Integers
    utc: Times

    @classmethod
    def joined(cls, blocks: Sequence[Self]) -> Self:
        """Blocks of rows end to end."""
        columns = {field.name: [getattr(block, field.name) for block in blocks] for field in fields(cls)}
        empty = np.empty(0)
        return cls(
            **{name: np.concatenate(parts or [_EMPTY.get(name, empty)]) for name, parts in columns.items()}
        )

    def __len__(self) -> int:
        return len(self.t_us)

    def __getitem__(self, rows: Rows) -> Self:
        """Some of the rows: a slice, a mask, or row numbers."""
        which: Any = [rows] if isinstance(rows, int | np.integer) else rows
        return type(self)(**{name: column[which] for name, column in self.columns().items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows: {', '.join(self.columns())})"

    def columns(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for example for `polars.DataFrame`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a DataFrame. Raises ConfigurationError if pandas is not installed."""
        with extras.named("to_pandas"):
            from pandas import DataFrame  # noqa: PLC0415 - optional, and half a second
        frame = DataFrame({name: self._for_pandas(name) for name in self.columns()})
        frame["utc"] = frame["utc"].dt.tz_localize("UTC")
        return frame

    def _for_pandas(self, name: str) -> Any:
        return getattr(self, name)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fixes(Columns):
    """The fixes of the receiver. `lat` and `lon` are degrees (WGS 84); the accuracies are one standard deviation."""

    lat: Numbers
    lon: Numbers
    alt_m: Numbers
    speed_mps: Numbers
    course_deg: Numbers
    quality: Numbers
    satellites: Numbers
    hdop: Numbers
    accuracy_m: Numbers
    alt_accuracy_m: Numbers
    speed_accuracy_mps: Numbers


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frames(Columns):
    """CAN frames. `can_id` has the flag bits of SocketCAN; a row of `data` has zeros after its `length` bytes."""

    bus: Integers
    can_id: Integers
    length: Integers
    data: Bytes

    def _for_pandas(self, name: str) -> Any:
        """In a DataFrame `data` holds each frame's own bytes."""
        if name != "data":
            return getattr(self, name)
        return [row[:length].tobytes() for row, length in zip(self.data, self.length, strict=True)]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Readings(Columns):
    """Engine values at 10 Hz: the `value` of a `channel` in its `unit`."""

    channel: Texts
    value: Numbers
    unit: Texts


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Speeds(Columns):
    """The receiver's speed at each fix, with the limit in force and the place. Sections count from 1."""

    speed_kmh: Numbers
    limit_kmh: Numbers
    over_kmh: Numbers
    section: Numbers
    distance_km: Numbers


@dataclass(frozen=True, slots=True)
class Event:
    """A section change, a waypoint, an over-speed, an alarm, a link, a loss or a command."""

    session: int
    t_us: int
    utc: np.datetime64
    kind: str
    detail: dict[str, Any]
