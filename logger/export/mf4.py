"""Write MF4 (ASAM MDF 4): raw CAN frames or decoded signals. Needs the extra [mf4], asammdf.

Times are UTC: seconds since a whole second, as doubles with microsecond resolution. Raw frames use MDF's bus logging
groups, one set per session, in python-can's layout, but written in blocks: python-can's own writer takes single frames.
asammdf buffers in temporary files, so memory is constant.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.printable import printable
from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_FLAG,
    FD_LENGTHS,
    RTR_FLAG,
    Channel,
)
from logger.export.canlog import epoch_us, start_s
from logger.export.events import EventBlock, event_blocks
from logger.logfile.blocks import FrameBlock, Progress, frame_blocks
from logger.logfile.selection import Integers, Selection
from logger.replay.canlogs.entry import CLASSIC_BYTES

logging.getLogger("numexpr.utils").setLevel(logging.WARNING)  # when imported it logs its number of threads

from asammdf import MDF, Signal  # noqa: E402
from asammdf.blocks.v4_blocks import SourceInformation  # noqa: E402
from asammdf.blocks.v4_constants import BUS_TYPE_CAN, SOURCE_BUS  # noqa: E402
from can.io.mf4 import ERR_DTYPE, RTR_DTYPE, STD_DTYPE  # noqa: E402

_DATA_BYTES = 64
_LAYOUTS = {"CAN_DataFrame": STD_DTYPE, "CAN_ErrorFrame": ERR_DTYPE, "CAN_RemoteFrame": RTR_DTYPE}
"""Record layout of each kind of frame."""


def write_frames(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write the raw CAN frames."""
    first_s = start_s(connection, selection)
    groups: dict[tuple[int, str], int] = {}
    with _file(stream, first_s) as mdf:
        for block in frame_blocks(connection, selection, progress):
            is_error, is_remote = (block.can_id & ERR_FLAG) != 0, (block.can_id & RTR_FLAG) != 0
            kinds = (~is_error & ~is_remote, is_error, is_remote & ~is_error)
            times = _seconds(block, first_s)
            for session, (name, mask) in product(_sessions(block), zip(_LAYOUTS, kinds, strict=True)):
                rows = np.flatnonzero(mask & (block.session == session))
                if len(rows) and (session, name) not in groups:
                    source = SourceInformation(source_type=SOURCE_BUS, bus_type=BUS_TYPE_CAN)
                    empty = Signal(np.empty(0, dtype=_LAYOUTS[name]), np.empty(0), name=name, source=source)
                    groups[session, name] = mdf.append(empty)
                if len(rows):
                    records = _records(name, block, rows)
                    mdf.extend(groups[session, name], [(times[rows], None), (records, None)])


def write_signals(
    connection: sqlite3.Connection,
    selection: Selection,
    stream: BinaryIO,
    progress: Progress,
    dbc_texts: Mapping[str, str],
) -> None:
    """Write one MDF channel per signal, each with its own times, and one with the events as text."""
    from logger.export import signals  # noqa: PLC0415 - cantools takes a third of a second to import

    first_s = start_s(connection, selection)
    groups: dict[tuple[int, Channel], int] = {}
    with _file(stream, first_s) as mdf:
        for block, decoded in signals.signal_blocks(connection, selection, progress, dbc_texts):
            times = _seconds(block, first_s)
            for session, (channel, rows, values) in product(_sessions(block), decoded):
                own = block.session[rows] == session
                seconds, signal_values = times[rows[own]], values[own]
                if len(signal_values) and (session, channel) in groups:
                    mdf.extend(groups[session, channel], [(seconds, None), (signal_values, None)])
                elif len(signal_values):
                    signal = Signal(signal_values, seconds, name=channel.name, unit=channel.unit)
                    groups[session, channel] = mdf.append(signal, comment=channel.source)
        _append_events(mdf, connection, selection, first_s)


def _append_events(mdf: MDF, connection: sqlite3.Connection, selection: Selection, first_s: int) -> None:
    """Append the events: kind and the beginning of the detail, one channel per session."""
    texts: dict[int, list[tuple[float, bytes]]] = {}
    for block in event_blocks(connection, selection):
        columns = (block.session.tolist(), _seconds(block, first_s).tolist(), block.kind, block.detail)
        for session, seconds, kind, detail in zip(*columns, strict=True):
            texts.setdefault(session, []).append((seconds, printable(f"{kind} {detail}").encode()))
    for events in texts.values():
        seconds, values = zip(*sorted(events), strict=True)
        mdf.append(Signal(np.array(values), np.array(seconds), name="event", encoding="utf-8"))


@contextmanager
def _file(stream: BinaryIO, first_s: int) -> Iterator[MDF]:
    """Yield an MDF with times from `first_s`; on exit it is saved and copied to the stream."""
    with MDF(version="4.10") as mdf, tempfile.TemporaryDirectory() as folder:
        mdf.header.start_time = datetime.fromtimestamp(first_s, UTC)
        yield mdf
        saved = mdf.save(Path(folder) / "export.mf4", compression=1)  # deflate
        with saved.open("rb") as file:
            shutil.copyfileobj(file, stream)


def _sessions(block: FrameBlock) -> list[int]:
    """Session numbers of a block. Each session needs its own groups: times must increase within a group."""
    return [int(session) for session in np.unique(block.session)]


def _seconds(block: FrameBlock | EventBlock, first_s: int) -> NDArray[np.float64]:
    return (epoch_us(block) - first_s * 1_000_000) / 1e6


def _records(name: str, block: FrameBlock, rows: Integers) -> NDArray[Any]:
    """Convert frames of one kind to records of its group."""
    can_id, length = block.can_id[rows], block.length[rows]
    is_fd = ((can_id & FD_FLAG) != 0) | (length > CLASSIC_BYTES)
    records = np.zeros(len(rows), dtype=_LAYOUTS[name])
    fields = {
        "BusChannel": block.bus[rows],
        "ID": can_id & EXTENDED_MASK,
        "IDE": (can_id & EFF_FLAG) != 0,
        "DLC": np.where(is_fd, np.searchsorted(FD_LENGTHS, length), length),
        "DataLength": length if name != "CAN_RemoteFrame" else 0,
        "DataBytes": block.matrix(rows, _DATA_BYTES),
        "EDL": is_fd,
        "BRS": (can_id & BRS_FLAG) != 0,
        "ESI": (can_id & ESI_FLAG) != 0,
    }
    for field, values in fields.items():
        if f"{name}.{field}" in (records.dtype.names or ()):
            records[f"{name}.{field}"] = values
    return records
