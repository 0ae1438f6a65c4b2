"""Frames and readings as columns, one list per field, for the way from the decoder to the log; the batch of a chunk.

To make a tuple of each record in the decoder, and to take it apart again for the log, would take a quarter of a
frame's time and more of a reading's. Iterating and indexing make a record where somebody needs one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, cast, overload

from firmware_bridge.records import CanFrame, Channel, Notice, Reading, Rejected, Sentence, new_record

Record = TypeVar("Record", CanFrame, Reading)


class _Columns(Sequence[Record]):
    """Records in order of arrival, as a list per field; all lists have the same length."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    _record: ClassVar[type]

    @property
    @abstractmethod
    def _lists(self) -> tuple[list[Any], ...]:
        """The columns, in order of the record's fields."""

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """The columns of any records; columns are returned as they are."""
        if isinstance(records, cls):
            return records
        columns = cls()
        columns.extend(records)
        return columns

    def append(self, record: Record) -> None:
        """Append a record."""
        for column, value in zip(self._lists, record, strict=True):
            column.append(value)

    def extend(self, records: Iterable[Record]) -> None:
        """Append records."""
        for record in records:
            self.append(record)

    def __iter__(self) -> Iterator[Record]:
        return map(new_record, repeat(self._record), zip(*self._lists, strict=True))

    def __len__(self) -> int:
        return len(self._lists[0])

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> Record | Self:
        if isinstance(at, slice):
            return type(self)(*(column[at] for column in self._lists))
        return cast(Record, new_record(self._record, [column[at] for column in self._lists]))

    def __delitem__(self, at: slice) -> None:
        for column in self._lists:
            del column[at]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __repr__(self) -> str:
        return f"{type(self).__name__}.of({list(self)!r})"


class FrameColumns(_Columns[CanFrame]):
    """Frames. `datas` are bytearrays: Python's sqlite3 binds them at once, but looks for an adapter before it binds
    bytes, which takes almost half of the time of inserting a frame.
    """

    __slots__ = ("buses", "datas", "ids", "times_us")
    _record = CanFrame

    def __init__(
        self,
        times_us: list[int] | None = None,
        buses: list[int] | None = None,
        ids: list[int] | None = None,
        datas: list[bytearray] | None = None,
    ) -> None:
        """Take the lists as the columns; without them there is no frame."""
        self.times_us = [] if times_us is None else times_us
        self.buses = [] if buses is None else buses
        self.ids = [] if ids is None else ids
        self.datas = [] if datas is None else datas

    @property
    def _lists(self) -> tuple[list[Any], ...]:
        return self.times_us, self.buses, self.ids, self.datas

    def append(self, record: CanFrame) -> None:
        super().append(record)
        self.datas[-1] = bytearray(record.data)

    def extend(self, records: Iterable[CanFrame]) -> None:
        if isinstance(records, FrameColumns):
            self.times_us += records.times_us
            self.buses += records.buses
            self.ids += records.ids
            self.datas += records.datas
        else:
            super().extend(records)

    def __iter__(self) -> Iterator[CanFrame]:
        columns = (self.times_us, self.buses, self.ids, map(bytes, self.datas))
        return map(new_record, repeat(CanFrame), zip(*columns, strict=True))

    @overload
    def __getitem__(self, at: int) -> CanFrame: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> CanFrame | Self:
        found = super().__getitem__(at)
        return found._replace(data=bytes(found.data)) if isinstance(found, CanFrame) else found


class ReadingColumns(_Columns[Reading]):
    """Readings."""

    __slots__ = ("channels", "times_us", "values")
    _record = Reading

    def __init__(
        self,
        times_us: list[int] | None = None,
        channels: list[Channel] | None = None,
        values: list[float] | None = None,
    ) -> None:
        """Take the lists as the columns; without them there is no reading."""
        self.times_us = [] if times_us is None else times_us
        self.channels = [] if channels is None else channels
        self.values = [] if values is None else values

    @property
    def _lists(self) -> tuple[list[Any], ...]:
        return self.times_us, self.channels, self.values

    def extend(self, records: Iterable[Reading]) -> None:
        if isinstance(records, ReadingColumns):
            self.times_us += records.times_us
            self.channels += records.channels
            self.values += records.values
        else:
            super().extend(records)


class Batch(NamedTuple):
    """The records decoded from one chunk of bytes. Each list is in order of arrival."""

    frames: FrameColumns
    sentences: list[Sentence]
    rejected: list[Rejected]
    notices: list[Notice]
