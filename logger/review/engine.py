"""The engine of a log: each channel's range, and its course in stretches short enough to draw.

Out of the readings that the recorder made; or, by DBC files given now, out of every frame of the bus, decoded anew.
Either comes as numpy columns, a block of rows at a time, and only the sums of its stretches are kept.
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
from logger.review.evidence import Floats

STRETCHES = 4000
"""Twice the columns of a wide screen: a day is still told apart by ten seconds."""


class Values(NamedTuple):
    """Some of a channel's values, in order of time. `row` numbers the rows that they came in."""

    channel: Channel
    row: Integers
    session: Integers
    t_us: Integers
    value: Floats


class Course(NamedTuple):
    """A channel stretch by stretch, a column each: when it began, the least, the mean and the greatest value."""

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
    """The channels that have values. `unused` are the DBC files of which no message is on the bus; `damage` says
    what could not be read."""

    channels: tuple[ChannelReport, ...] = ()
    unused: tuple[str, ...] = ()
    damage: str = ""


def engine_of(
    connection: sqlite3.Connection,
    dbc_texts: Mapping[str, str] | None = None,
    progress: Progress = lambda _done: None,
) -> EngineReport:
    """Every channel of a log: as recorded, or decoded by DBC texts given by name, if one of them is of this bus.

    Raises ConfigurationError where a text is no readable DBC.
    """
    if not dbc_texts:
        return _reported(connection, "reading", _recorded(connection, progress))
    from logger.export.signals import BulkDecoder, decoded_blocks  # noqa: PLC0415 - cantools takes a third of a second

    decoder = BulkDecoder(dbc_texts)

    def decoded() -> Iterator[Values]:
        row = 0
        for block, channels in decoded_blocks(connection, select(connection), progress, decoder):
            for channel, rows, values in channels:
                yield Values(channel, row + rows, block.session[rows], block.t_us[rows], values)
            row += len(block.t_us)

    found = _reported(connection, "frame", decoded())
    unused = tuple(sorted(decoder.unused))
    if len(unused) == len(dbc_texts):
        found = _reported(connection, "reading", _recorded(connection, progress))
    return found._replace(unused=unused)


def _recorded(connection: sqlite3.Connection, progress: Progress) -> Iterator[Values]:
    channels = channels_of(connection)
    row = 0
    for session, t_us, channel, value in reading_blocks(connection, select(connection), progress):
        order = np.argsort(channel, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(channel[order])) + 1):
            known = channels.get(int(channel[rows[0]]))
            if known is not None:
                yield Values(known, row + rows, session[rows], t_us[rows], value[rows])
        row += len(t_us)


def _reported(connection: sqlite3.Connection, table: str, values: Iterator[Values]) -> EngineReport:
    """The channels of a stream of values that come out of a table's rows; up to where the log is damaged."""
    parts: dict[Channel, list[NDArray[np.float64]]] = {}
    damage = ""
    try:
        step = max(1, -(-last_row(connection, table) // STRETCHES))
        for some in values:
            parts.setdefault(some.channel, []).append(_sums(some, step))
    except (sqlite3.Error, LogError) as error:
        damage = str(error)
    reports = (_report(channel, np.concatenate(sums, axis=1)) for channel, sums in parts.items())
    return EngineReport(tuple(report for report in reports if len(report.course.t_us)), damage=damage)


def _sums(some: Values, step: int) -> NDArray[np.float64]:
    """For every stretch of `step` rows: session, begin, least, greatest, sum and count, a row each."""
    kept = np.isfinite(some.value)
    row, session, t_us, value = (part[kept] for part in some[1:])
    begins = np.flatnonzero(np.diff(row // step, prepend=-1) | np.diff(session, prepend=-1))
    if not len(begins):
        return np.empty((6, 0))
    counts = np.diff(begins, append=len(row))
    least, greatest, total = (sums.reduceat(value, begins) for sums in (np.minimum, np.maximum, np.add))
    return np.stack([session[begins], t_us[begins], least, greatest, total, counts])


def _report(channel: Channel, sums: NDArray[np.float64]) -> ChannelReport:
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
