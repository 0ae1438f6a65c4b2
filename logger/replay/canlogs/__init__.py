"""Recognise and read CAN logs that other programs write as text, line by line.

Sans-I/O: a reader takes one line and returns an entry, the reason why the line is damaged, or None for a line without
a frame. `recognised` selects the reader by the first lines of a file, not by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from firmware_bridge.record_columns import Batch, FrameColumns
from firmware_bridge.records import Rejected
from logger.replay.canlogs.entry import Entry


class LineReader(Protocol):
    """The reader of one file; it keeps what the header declares, and the last stamp where stamps are relative."""

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; the reason ("candump", "length" ...) of a damaged one; None for a line without a frame."""


class Decoder:
    """Lines in, frames out. Buses are numbered in order of appearance, from `bus`.

    `stamp_us` is when the frame of the line last read was received, in microseconds of its writer's clock; None where
    the line does not say.
    """

    is_stamped = True

    def __init__(self, reader: LineReader, bus: int = 0) -> None:
        self.good = self.bad = 0
        self.stamp_us: int | None = None
        self._reader = reader
        self._bus = bus
        self._buses: dict[bytes, int] = {}
        self._read: Entry | str | None = None
        self._line: bytes | None = None

    def reads(self, line: bytes) -> bool:
        """Read a line whose frame `feed` then returns. Whether it holds a frame or a damaged one."""
        self._line, self._read = line, self._reader.read(line)
        self.stamp_us = self._read.stamp_us if isinstance(self._read, Entry) else None
        return self._read is not None

    def feed(self, data: bytes, t_us: int) -> Batch:
        """The frame of one line, received at `t_us`."""
        if data is not self._line:
            self.reads(data)
        read, self._line = self._read, None
        if read is None:
            return Batch(FrameColumns(), [], [], [])
        if isinstance(read, str):
            self.bad += 1
            return Batch(FrameColumns(), [], [Rejected(t_us, read, data.rstrip())], [])
        self.good += 1
        bus = self._bus + self._buses.setdefault(read.bus, len(self._buses))
        return Batch(FrameColumns([t_us], [bus], [read.can_id], [bytearray(read.data)]), [], [], [])


def recognised(head: Sequence[bytes]) -> LineReader | None:
    """The reader for a file that begins with these lines; None if no reader knows the format."""
    from logger.replay.canlogs import (  # noqa: PLC0415 - these import this module
        busmaster,
        candump,
        candump_screen,
        peak_trc,
        python_can_csv,
        savvycan,
        vector_asc,
    )

    for module in (candump, candump_screen, savvycan, python_can_csv, vector_asc, busmaster, peak_trc):
        reader: LineReader | None = module.recognise(head)
        if reader is not None:
            return reader
    return None
