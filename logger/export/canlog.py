"""Write raw CAN frames as candump, ASC and BLF. (MF4 is in `mf4.py`.)

    format    time                                  not represented
    candump   UTC, microseconds                     -
    asc       local time to the ms + microseconds   an error frame's class and data; an empty FD frame reads as remote
    blf       UTC to the ms + nanoseconds           -

Frames of a session without UTC are dated from 1970 by session time. Buses are `can0`, `can1` ... in candump, and
channel numbers from 0 elsewhere, as in python-can's API. python-can writes ASC and BLF; candump is written here because
python-can's writer loses the length of a remote frame and the class of an error frame.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_BYTE_SHIFT,
    FD_FLAG,
    RTR_FLAG,
)
from logger.export import text
from logger.export.events import EventBlock
from logger.logfile.blocks import FrameBlock, Progress, frame_blocks
from logger.logfile.selection import Integers, Selection
from logger.replay.canlogs.entry import BUS_ERROR_CLASS, CLASSIC_BYTES

_BATCH_ROWS = 2048


def write_candump(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write one line per frame, as `candump -L` does and `logger.replay.canlogs.candump` reads."""
    for block in frame_blocks(connection, selection, progress):
        for first in range(0, len(block.t_us), _BATCH_ROWS):
            stream.write(_candump(block, np.arange(first, min(first + _BATCH_ROWS, len(block.t_us)))))


def _candump(block: FrameBlock, rows: Integers) -> bytes:
    can_id, length = block.can_id[rows], block.length[rows]
    is_error, is_remote = (can_id & ERR_FLAG) != 0, (can_id & RTR_FLAG) != 0
    is_fd = ((can_id & FD_FLAG) != 0) | (length > CLASSIC_BYTES)  # longer frames are FD, whatever their flags
    # python-can recognises error frames in a candump log only by this class; others it reads as data frames.
    number = np.where(is_error, can_id & EXTENDED_MASK | ERR_FLAG | BUS_ERROR_CLASS, can_id & EXTENDED_MASK)
    identifier = text.hex_number(number, 8)
    identifier[(can_id & (EFF_FLAG | ERR_FLAG)) == 0, :5] = 0
    fd_byte = (can_id & (BRS_FLAG | ESI_FLAG)) >> FD_BYTE_SHIFT
    at_us = epoch_us(block)[rows]
    data = text.hexadecimal(block.matrix(rows, int(length.max(initial=0))), length)
    parts: list[text.Part] = [
        *(b"(", text.integers(at_us // 1_000_000), b".", text.padded(at_us % 1_000_000, 6), b") can"),
        *(text.integers(block.bus[rows]), b" ", identifier, b"#"),
        text.chosen((b"", b"#0", b"#1", b"#2", b"#3"), np.where(is_fd, fd_byte + 1, 0)),
        text.chosen((b"", b"R"), is_remote.astype(int)),
        text.only(is_remote, text.integers(length)),
        text.only(~is_remote, data),
        b"\n",
    ]
    return text.lines(len(rows), parts)


def write_asc(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write ASC, Vector's text format."""
    import can  # noqa: PLC0415 - a quarter of a second to import

    wrapped = io.TextIOWrapper(stream, encoding="ascii")
    with can.ASCWriter(_UnclosedStream(wrapped)) as writer:
        writer.log_event("Start of measurement", start_s(connection, selection))
        _write(writer, frame_blocks(connection, selection, progress))
    wrapped.detach()


def write_blf(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write BLF, Vector's binary format; `stream` must be seekable."""
    import can  # noqa: PLC0415

    with can.BLFWriter(_UnclosedStream(stream)) as writer:
        writer.start_timestamp = start_s(connection, selection)
        _write(writer, frame_blocks(connection, selection, progress))


def epoch_us(block: FrameBlock | EventBlock) -> Integers:
    """Microseconds since 1970 UTC; session time where UTC is unknown."""
    return np.where(np.isnat(block.utc), block.t_us, block.utc.astype(np.int64))


def start_s(connection: sqlite3.Connection, selection: Selection) -> int:
    """A whole second before all frames of a selection: the start time of formats with relative times."""
    if selection.spans is None:
        spans = [(row[0], 0) for row in connection.execute("SELECT id FROM session")]
    else:
        spans = [(span.session, max(0, span.first_us)) for span in selection.spans]
    session, first_us = (np.array(column, dtype=np.int64) for column in zip(*spans or [(0, 0)], strict=True))
    utc = selection.clock.utc(session, first_us)
    return int(np.where(np.isnat(utc), first_us, utc.astype(np.int64)).min()) // 1_000_000


def _write(writer: Any, blocks: Iterator[FrameBlock]) -> None:
    from can import Message  # noqa: PLC0415

    put = writer.on_message_received
    for block in blocks:
        data = block.data.tobytes()
        columns = (epoch_us(block) / 1e6, block.bus, block.can_id, block.start, block.length)
        for seconds, bus, can_id, start, length in zip(*(column.tolist() for column in columns), strict=True):
            put(
                Message(
                    timestamp=seconds,
                    arbitration_id=can_id & EXTENDED_MASK,
                    is_extended_id=bool(can_id & EFF_FLAG),
                    is_remote_frame=bool(can_id & RTR_FLAG),
                    is_error_frame=bool(can_id & ERR_FLAG),
                    channel=bus,
                    dlc=length,
                    data=data[start : start + length],
                    is_fd=bool(can_id & FD_FLAG) or length > CLASSIC_BYTES,
                    bitrate_switch=bool(can_id & BRS_FLAG),
                    error_state_indicator=bool(can_id & ESI_FLAG),
                )
            )


class _UnclosedStream:
    """A stream whose `close` only flushes: python-can's writers close their stream, which belongs to the caller."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Flush, and leave the stream open."""
        self._stream.flush()
