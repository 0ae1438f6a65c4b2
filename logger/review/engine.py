"""Summarise the engine channels of a log: range of each, and a downsampled course for drawing.

The source is the recorded readings or, with DBC files given for the review, every recorded frame decoded again.
Both arrive as numpy columns in blocks of rows; only the sums of each stretch are kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import LogError
from firmware_bridge.records import Channel
from logger.logfile.blocks import Progress, reading_blocks
from logger.logfile.reader import channels_of, last_row
from logger.logfile.selection import Integers, select
from logger.review.engine_hours import RPM, RunningTime, RunningTimeSum
from logger.review.evidence import Floats
from logger.review.samples import Samples

STRETCHES = 4000
"""Twice the columns of a wide screen; over a day one stretch is about ten seconds."""


class Values(NamedTuple):
    """Consecutive values of a channel, in order of time. `row` is the row number of each in its table."""

    channel: Channel
    row: Integers
    session: Integers
    t_us: Integers
    value: Floats


class Course(NamedTuple):
    """A channel by stretches, one column per field: begin, minimum, mean, maximum."""

    session: Floats
    t_us: Floats
    low: Floats
    mean: Floats
    high: Floats


class ChannelReport(NamedTuple):
    """One channel over the whole log."""

    name: str
    unit: str
    low: float
    mean: float
    high: float
    course: Course


class EngineReport(NamedTuple):
    """The channels that have values. `running` is the engine's running time, None without its revolutions. `unused`
    names DBC files with no message on the bus; `damage` is the read error where the log is damaged, else ""."""

    channels: tuple[ChannelReport, ...] = ()
    running: RunningTime | None = None
    unused: tuple[str, ...] = ()
    damage: str = ""


def engine_of(
    connection: sqlite3.Connection,
    dbc_texts: Mapping[str, str] | None = None,
    progress: Progress = lambda _done: None,
    samples: Samples | None = None,
) -> EngineReport:
    """Summarise every channel of a log: as recorded, or decoded with DBC texts by name if one of them matches this bus.

    `samples` take the same values. Raises ConfigurationError if a text is not a readable DBC.
    """
    if not dbc_texts:
        return _summarize(connection, "reading", _recorded_values(connection, progress), samples)
    from logger.export.signals import BulkDecoder, decoded_blocks  # noqa: PLC0415 - cantools takes a third of a second

    decoder = BulkDecoder(dbc_texts)

    def decoded() -> Iterator[Values]:
        row = 0
        for block, channels in decoded_blocks(connection, select(connection), progress, decoder):
            for channel, rows, values in channels:
                yield Values(channel, row + rows, block.session[rows], block.t_us[rows], values)
            row += len(block.t_us)

    engine = _summarize(connection, "frame", decoded(), samples)
    unused = tuple(sorted(decoder.unused))
    if len(unused) == len(dbc_texts):
        engine = _summarize(connection, "reading", _recorded_values(connection, progress), samples)
    return engine._replace(unused=unused)


def _recorded_values(connection: sqlite3.Connection, progress: Progress) -> Iterator[Values]:
    channels = channels_of(connection)
    row = 0
    for session, t_us, channel, value in reading_blocks(connection, select(connection), progress):
        order = np.argsort(channel, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(channel[order])) + 1):
            known = channels.get(int(channel[rows[0]]))
            if known is not None:
                yield Values(known, row + rows, session[rows], t_us[rows], value[rows])
        row += len(t_us)


def _summarize(
    connection: sqlite3.Connection, table: str, values: Iterator[Values], samples: Samples | None
) -> EngineReport:
    """Summarise a stream of values read from `table`, up to where the log is damaged."""
    parts: dict[Channel, list[NDArray[np.float64]]] = {}
    running: dict[Channel, RunningTimeSum] = {}
    damage = ""
    try:
        step = max(1, -(-last_row(connection, table) // STRETCHES))
        for part in values:
            parts.setdefault(part.channel, []).append(_stretch_sums(part, step))
            if part.channel.name == RPM:
                running.setdefault(part.channel, RunningTimeSum()).add(part.session, part.t_us, part.value)
            if samples is not None:
                samples.take(part.channel, part.session, part.t_us, part.value)
    except (sqlite3.Error, LogError) as error:
        damage = str(error)
    reports = (_channel_report(channel, np.concatenate(sums, axis=1)) for channel, sums in parts.items())
    channels = tuple(report for report in reports if len(report.course.t_us))
    # Two sources may measure the same engine.
    longest = max((each.total for each in running.values()), key=lambda each: each.total_s, default=None)
    return EngineReport(channels, longest, damage=damage)


def _stretch_sums(values: Values, step: int) -> NDArray[np.float64]:
    """For each stretch of `step` rows a column of session, begin, minimum, maximum, sum and count."""
    kept = np.isfinite(values.value)
    row, session, t_us, value = (part[kept] for part in values[1:])
    begins = np.flatnonzero(np.diff(row // step, prepend=-1) | np.diff(session, prepend=-1))
    if not len(begins):
        return np.empty((6, 0))
    counts = np.diff(begins, append=len(row))
    least, greatest, total = (sums.reduceat(value, begins) for sums in (np.minimum, np.maximum, np.add))
    return np.stack([session[begins], t_us[begins], least, greatest, total, counts])


def _channel_report(channel: Channel, sums: NDArray[np.float64]) -> ChannelReport:
    session, t_us, low, high, total, count = sums
    mean = total.sum() / count.sum() if len(count) else 0.0
    course = Course(session, t_us, low, total / count, high)
    return ChannelReport(
        channel.name,
        channel.unit,
        low.min(initial=np.inf).item(),
        float(mean),
        high.max(initial=-np.inf).item(),
        course,
    )
