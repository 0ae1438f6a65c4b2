"""Write CSV (RFC 4180): comma-separated, CR LF line ends, a header with units.

One row per fix with stage and engine values, per CAN frame, per decoded signal value, or per event. An
empty field is an unknown value. The decimal separator is a point, times are UTC.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np

from firmware_bridge.printable import MAX_CHARS
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, ESI_FLAG, EXTENDED_MASK, FD_FLAG, RTR_FLAG
from logger.export import as_of_join, text
from logger.export.csv_cells import cell_text
from logger.export.events import event_blocks
from logger.logfile.blocks import FixBlock, FrameBlock, Progress, frame_blocks
from logger.logfile.selection import Integers, Selection

_BATCH_ROWS = 2048
"""Lines formatted at a time, so that their characters stay in the processor's cache."""
FIX_COLUMNS = (
    *("utc", "session", "t_s", "lat_deg", "lon_deg", "alt_m", "speed_kmh", "course_deg"),
    *("quality", "satellites", "hdop", "accuracy_m", "alt_accuracy_m", "speed_accuracy_kmh"),
)
FRAME_COLUMNS = ("utc", "session", "t_s", "bus", "id_hex", "flags", "length_bytes", "data_hex")
EVENT_COLUMNS = ("utc", "session", "t_s", "kind", "detail")
SIGNAL_COLUMNS = ("utc", "session", "t_s", "bus", "signal", "unit", "source", "value")
FLAGS = {EFF_FLAG: b"X", RTR_FLAG: b"R", ERR_FLAG: b"E", FD_FLAG: b"F", BRS_FLAG: b"B", ESI_FLAG: b"S"}
"""Letters of the column `flags`: extended identifier, remote, error, FD, bit rate switch, error passive sender."""


def write_fixes(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write one row per fix."""
    _, titles = as_of_join.channel_titles(connection)
    stream.write(_record([*FIX_COLUMNS, *as_of_join.STAGE_COLUMNS, *titles]))
    for fixes, others in as_of_join.rows(connection, selection, progress):
        for rows in _strides(len(fixes.t_us)):
            parts = _fix_parts(fixes.rows(rows))
            parts += [text.numbers(column) for column in others[rows].T]
            stream.write(_lines(parts))


def write_frames(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write one row per CAN frame."""
    stream.write(_record(FRAME_COLUMNS))
    for block in frame_blocks(connection, selection, progress):
        for rows in _strides(len(block.t_us)):
            stream.write(_lines(_frame_parts(block, np.arange(rows.start, min(rows.stop, len(block.t_us))))))


def write_signals(
    connection: sqlite3.Connection,
    selection: Selection,
    stream: BinaryIO,
    progress: Progress,
    dbc_texts: Mapping[str, str],
) -> None:
    """Write one row per signal value, in order of frames."""
    from logger.export import signals  # noqa: PLC0415 - cantools takes a third of a second to import

    stream.write(_record(SIGNAL_COLUMNS))
    for block, decoded in signals.signal_blocks(connection, selection, progress, dbc_texts):
        table = signals.long_table(decoded)
        names = [_record(channel)[:-2] for channel in table.channels]
        for stride in _strides(len(table.rows)):
            rows = table.rows[stride]
            stream.write(
                _lines(
                    [
                        text.moments(block.utc[rows]),
                        text.integers(block.session[rows]),
                        text.fixed(block.t_us[rows] / 1e6, 6),
                        text.integers(block.bus[rows]),
                        text.chosen(names, table.channel[stride]),
                        text.numbers(table.values[stride]),
                    ]
                )
            )


def write_events(
    connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write one row per event; its detail is JSON."""
    stream.write(_record(EVENT_COLUMNS))
    for block in event_blocks(connection, selection):
        texts = [_record(row, sys.maxsize)[:-2] for row in zip(block.kind, block.detail, strict=True)]
        parts: list[text.Part] = [
            text.moments(block.utc),
            text.integers(block.session),
            text.fixed(block.t_us / 1e6, 6),
        ]
        for number, moment in enumerate(_lines(parts).splitlines()):
            stream.write(moment + b"," + texts[number] + b"\r\n")
    progress(1.0)


def _fix_parts(fixes: FixBlock) -> list[text.Part]:
    return [
        text.moments(fixes.utc),
        text.integers(fixes.session),
        text.fixed(fixes.t_us / 1e6, 6),
        text.fixed(fixes.lat, 8),  # 1 mm
        text.fixed(fixes.lon, 8),
        text.fixed(fixes.alt_m, 3),
        text.fixed(fixes.speed_mps * 3.6, 4),
        text.fixed(fixes.course_deg, 3),
        text.fixed(fixes.quality, 0),
        text.fixed(fixes.satellites, 0),
        text.fixed(fixes.hdop, 3),
        text.fixed(fixes.accuracy_m, 3),
        text.fixed(fixes.alt_accuracy_m, 3),
        text.fixed(fixes.speed_accuracy_mps * 3.6, 3),
    ]


def _frame_parts(block: FrameBlock, rows: Integers) -> list[text.Part]:
    can_id, length = block.can_id[rows], block.length[rows]
    flags = [text.chosen((b"", letter), ((can_id & flag) != 0).astype(int)) for flag, letter in FLAGS.items()]
    return [
        text.moments(block.utc[rows]),
        text.integers(block.session[rows]),
        text.fixed(block.t_us[rows] / 1e6, 6),
        text.integers(block.bus[rows]),
        identifier(can_id),
        np.concatenate(flags, axis=1),
        text.integers(length),
        text.hexadecimal(block.matrix(rows, int(length.max(initial=0))), length),
    ]


def identifier(can_id: Integers) -> text.Characters:
    """An identifier in hexadecimal: three digits, or eight for extended and error frames."""
    long = (can_id & (EFF_FLAG | ERR_FLAG)) != 0
    digits = text.hex_number(can_id & EXTENDED_MASK, 8)
    digits[~long, :5] = 0
    return digits


def _record(fields: Iterable[str], max_chars: int = MAX_CHARS) -> bytes:
    line = io.StringIO()
    cells = [cell_text(field, max_chars) for field in fields]
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()


def _lines(fields: list[text.Part]) -> bytes:
    parts: list[text.Part] = []
    for field in fields:
        parts += [field, b","]
    parts[-1] = b"\r\n"
    return text.lines(len(fields[0]), parts)


def _strides(rows: int) -> Iterator[slice]:
    return (slice(first, first + _BATCH_ROWS) for first in range(0, rows, _BATCH_ROWS))
