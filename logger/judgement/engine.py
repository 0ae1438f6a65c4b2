"""Summarise the engine channels of a log: range of each, and a downsampled course for drawing.

The source is the recorded readings or, with DBC files given for the review, every recorded frame decoded again.
Both arrive as numpy columns in blocks of rows; only the sums of each stretch of rows are kept. A stretch is one row to
begin with. Its length doubles whenever all channels together have more than `MAX_STRETCHES`, so that a short log keeps
every value, and a page of any log the same size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import LogError
from firmware_bridge.records import Channel
from logger.judgement.engine_hours import RPM, RunningTime, RunningTimeSum
from logger.judgement.evidence import Floats
from logger.judgement.samples import Samples
from logger.logfile.blocks import Progress, reading_blocks
from logger.logfile.reader import channels_of, last_row
from logger.logfile.selection import Integers, select

MAX_STRETCHES = 120_000
"""About 1.5 MB on a page. A day of 13 channels gets stretches of four to eight seconds, one hour of them half a second
each."""
UNDRAWN_STRETCHES = 2_000
"""Stretches where only the range of each channel is needed."""
BLOCKS_AT_ONCE = 2
"""Blocks of frames or readings processed together: numpy takes longer for each array than for its rows."""
Rows = Integers | Floats


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
    """One channel over the whole log. `source` is the DBC file and message, or the preset, that defines it."""

    name: str
    unit: str
    source: str
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
    *,
    signals: bool = False,
) -> EngineReport:
    """Summarise every channel of a log: as recorded, or decoded with DBC texts by name if one of them matches this bus.

    `signals` decodes every frame too, with the log's own DBC files if none is given, and keeps the recorded channels
    that are not among the signals. `samples` take the same values; without them nothing is to be drawn, and a course
    has few stretches. Raises ConfigurationError if a text is not a readable DBC, or if there is none.
    """
    most = MAX_STRETCHES if samples is not None else UNDRAWN_STRETCHES
    if not (dbc_texts or signals):
        return _summarize(connection, "reading", _recorded_values(connection, progress), samples, most)
    from logger.export.signals import BulkDecoder, decoded_blocks, texts_or_own  # noqa: PLC0415 - cantools takes a third of a second

    decoder = BulkDecoder(texts_or_own(connection, dbc_texts))

    def decoded() -> Iterator[Values]:
        row = 0
        for block, channels in decoded_blocks(
            connection, select(connection), progress, decoder, BLOCKS_AT_ONCE
        ):
            for channel, rows, values in channels:
                yield Values(channel, row + rows, block.session[rows], block.t_us[rows], values)
            row += len(block.t_us)

    most = most // 2 if signals else most
    engine = _summarize(connection, "frame", decoded(), samples, most)
    unused = tuple(sorted(decoder.unused)) if dbc_texts else ()
    if signals:
        decoded_already = {Channel(*channel[:3]) for channel in engine.channels}
        recorded = _summarize(
            connection, "reading", _recorded_values(connection, without=decoded_already), samples, most
        )
        engine = engine._replace(
            channels=engine.channels + recorded.channels,
            running=engine.running or recorded.running,
            damage=engine.damage or recorded.damage,
        )
    elif dbc_texts and len(unused) == len(dbc_texts):
        engine = _summarize(connection, "reading", _recorded_values(connection, progress), samples, most)
    return engine._replace(unused=unused)


def _recorded_values(
    connection: sqlite3.Connection,
    progress: Progress = lambda _done: None,
    without: Set[Channel] = frozenset(),
) -> Iterator[Values]:
    channels = {n: channel for n, channel in channels_of(connection).items() if channel not in without}
    row = 0
    for session, t_us, channel, value in reading_blocks(
        connection, select(connection), progress, BLOCKS_AT_ONCE
    ):
        order = np.argsort(channel, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(channel[order])) + 1):
            known = channels.get(int(channel[rows[0]]))
            if known is not None:
                yield Values(known, row + rows, session[rows], t_us[rows], value[rows])
        row += len(t_us)


def _summarize(
    connection: sqlite3.Connection,
    table: str,
    values: Iterator[Values],
    samples: Samples | None,
    most: int,
) -> EngineReport:
    """Summarise a stream of values read from `table` in at most `most` stretches, up to where the log is damaged."""
    summary = _Summary()
    running: dict[Channel, RunningTimeSum] = {}
    damage = ""
    try:
        rows = last_row(connection, table)
        for part in values:
            summary.add(part)
            while summary.stretches > most and summary.step < rows:
                summary.halve()
            if part.channel.name == RPM:
                running.setdefault(part.channel, RunningTimeSum()).add(part.session, part.t_us, part.value)
            if samples is not None:
                samples.take(part.channel, part.session, part.t_us, part.value)
    except (sqlite3.Error, LogError) as error:
        damage = str(error)
    # Two sources may measure the same engine.
    longest = max((each.total for each in running.values()), key=lambda each: each.total_s, default=None)
    return EngineReport(tuple(summary.reports()), longest, damage=damage)


class _Summary:
    """Sums of the stretches of every channel. A stretch is `step` rows of the table."""

    def __init__(self) -> None:
        self.step = 1
        self.stretches = 0
        self._parts: dict[Channel, list[NDArray[np.float64]]] = {}

    def add(self, values: Values) -> None:
        """Add the next values of a channel."""
        _, row, session, t_us, value = values
        known = np.isfinite(value)
        if not known.all():
            row, session, t_us, value = row[known], session[known], t_us[known], value[known]
        if not len(row):
            return
        sums = self._merged(row, session, t_us, value, value, value)
        self._parts.setdefault(values.channel, []).append(sums)
        self.stretches += sums.shape[1]

    def halve(self) -> None:
        """Double the length of the stretches, which halves their number."""
        self.step *= 2
        self._parts = {
            channel: [self._merged(*np.concatenate(parts, axis=1))] for channel, parts in self._parts.items()
        }
        self.stretches = sum(sums.shape[1] for (sums,) in self._parts.values())

    def _merged(
        self,
        row: Rows,
        session: Rows,
        t_us: Rows,
        low: Floats,
        high: Floats,
        total: Floats,
        count: Floats | None = None,
    ) -> Floats:
        """Merge values, or stretches with a count of values each, into a column for each stretch of a session."""
        begins = self._begins(row, session)
        counts = np.append(begins[1:], len(row)) - begins if count is None else np.add.reduceat(count, begins)
        return np.array(
            [
                row[begins],
                session[begins],
                t_us[begins],
                np.minimum.reduceat(low, begins),
                np.maximum.reduceat(high, begins),
                np.add.reduceat(total, begins),
                counts,
            ]
        )

    def _begins(self, row: Rows, session: Rows) -> Integers:
        if (
            row[0] // self.step == row[-1] // self.step and session[0] == session[-1]
        ):  # most blocks of a long log
            return np.zeros(1, dtype=np.int64)
        stretch = row // self.step
        return np.flatnonzero((np.diff(stretch, prepend=-1) != 0) | (np.diff(session, prepend=-1) != 0))

    def reports(self) -> Iterator[ChannelReport]:
        """The channels that have values."""
        for channel, parts in self._parts.items():
            yield _channel_report(channel, self._merged(*np.concatenate(parts, axis=1)))


def _channel_report(channel: Channel, sums: NDArray[np.float64]) -> ChannelReport:
    _, session, t_us, low, high, total, count = sums
    course = Course(session, t_us, low, total / count, high)
    return ChannelReport(
        channel.name,
        channel.unit,
        channel.source,
        low.min().item(),
        float(total.sum() / count.sum()),
        high.max().item(),
        course,
    )
