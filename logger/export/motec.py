"""Write MoTeC's .ld: position, stage and engine, each channel at its own rate, for MoTeC i2.

Samples are equally spaced from a whole UTC second, which is the file's date and time. GPS channels have the receiver's
rate, so each fix is a sample; the engine has 10 Hz; with signals, each DBC signal has the rate of its message. Channels
that i2 knows have its names and units (`firmware_bridge.engine.titles`), other channels their own. Samples pass through
a spool on disk, so memory is constant. Beacons are in the .ldx beside it (`motec_ldx`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, NamedTuple

import numpy as np

from firmware_bridge.engine.titles import DRIVE, ENGINE, Title, ascii_unit
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import Channel
from logger.export import motec_layout as layout
from logger.export.plain_names import ascii_text, unique
from logger.export.sampling import Series, Spool, nominal_hz
from logger.export.time_axis import TimeAxis
from logger.export.track import plain_title, route
from logger.logfile.blocks import FixBlock, Numbers, Progress, fix_blocks, progress_blocks, reading_blocks
from logger.logfile.meta import car_of, meta_of
from logger.logfile.reader import channels_of
from logger.logfile.selection import Integers, Selection

ENGINE_HZ = 10
"""The recorder's rate of engine readings."""
_STAGE_HZ = 1
"""The rate of the progress table."""
_MAX_FIX_HZ, _MAX_SIGNAL_HZ = 100, 1000
_FIX_SLACK_US = 10_000
"""NMEA prints hundredths of a second: .67 is the fix at two thirds."""
_RATE_VALUES = 16
"""Values from which a signal's rate follows."""
_DEGREE_DECIMALS = 7
"""Of latitude and longitude, as integers: 1 cm. A float of four bytes would have 0.8 m."""
_MAX_HEADS_BYTES = 124 * 50_000
"""Room for the heads of more channels than any car has."""


class _Column(NamedTuple):
    """A GPS channel: key of its title, unit, and its values from a block of fixes."""

    key: str
    unit: str
    values: Callable[[FixBlock], Numbers]
    decimals: int = 0


_FIX_COLUMNS = (
    _Column("lat_deg", "deg", lambda fixes: fixes.lat, _DEGREE_DECIMALS),
    _Column("lon_deg", "deg", lambda fixes: fixes.lon, _DEGREE_DECIMALS),
    _Column("alt_m", "m", lambda fixes: fixes.alt_m),
    _Column("speed_kmh", "km/h", lambda fixes: fixes.speed_mps * 3.6),
    _Column("course_deg", "deg", lambda fixes: fixes.course_deg),
    _Column("quality", "", lambda fixes: fixes.quality),
    _Column("satellites", "", lambda fixes: fixes.satellites),
    _Column("hdop", "", lambda fixes: fixes.hdop),
)
_STAGE_COLUMNS = {"section": "", "distance_km": "km", "limit_kmh": "km/h"}


def write(connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress) -> None:
    """Write position, stage and engine of a selection. Raises LogError."""
    with closing(_Recording(connection, selection)) as recording:
        recording.add_fixes(lambda done: progress(done / 2))
        recording.add_stage()
        recording.add_readings(lambda done: progress((1 + done) / 2))
        recording.write(stream)


def write_signals(
    connection: sqlite3.Connection,
    selection: Selection,
    stream: BinaryIO,
    progress: Progress,
    dbc_texts: Mapping[str, str],
) -> None:
    """Write position and stage, every DBC signal, and the engine channels that are not among the signals."""
    with closing(_Recording(connection, selection)) as recording:
        recording.add_fixes()
        recording.add_stage()
        recording.add_signals(progress, dbc_texts)
        recording.add_readings()
        recording.write(stream)


class _Named(NamedTuple):
    """A series with its wanted name in the file."""

    series: Series
    name: str
    short: str
    unit: str
    decimals: int = 0


class _Recording:
    """The channels of one file, on their grids. The caller closes it."""

    def __init__(self, connection: sqlite3.Connection, selection: Selection) -> None:
        self._connection, self._selection = connection, selection
        self._axis = TimeAxis(connection, selection)
        self._start_us = self._axis.start_s * 1_000_000
        self._spool = Spool(layout.MAX_BYTES - _MAX_HEADS_BYTES)
        self._channels: list[_Named] = []
        self._decoded: set[Channel] = set()

    def close(self) -> None:
        """Delete the spool."""
        self._spool.close()

    def add_fixes(self, progress: Progress = lambda _done: None) -> None:
        """Add the GPS channels, at the receiver's rate."""
        columns: list[tuple[Series, Callable[[FixBlock], Numbers]]] = []
        for block in fix_blocks(self._connection, self._selection, progress):
            at_us = self._axis.at(block.session, block.t_us, block.utc)
            if not columns:
                rate_hz = nominal_hz(at_us, _MAX_FIX_HZ)
                columns = [
                    (self._named(DRIVE[of.key], of.unit, rate_hz, of.decimals), of.values)
                    for of in _FIX_COLUMNS
                ]
            for series, values in columns:
                series.feed(at_us, values(block), _FIX_SLACK_US)

    def add_stage(self) -> None:
        """Add the section, the distance in it and the speed limit, as the crew saw them."""
        columns = [self._named(DRIVE[key], unit, _STAGE_HZ) for key, unit in _STAGE_COLUMNS.items()]
        for session, t_us, section, distance_m, limit_kmh in progress_blocks(
            self._connection, self._selection
        ):
            at_us = self._axis.at(session, t_us)
            for series, values in zip(columns, (section + 1, distance_m / 1000.0, limit_kmh), strict=True):
                series.feed(at_us, values)

    def add_readings(self, progress: Progress = lambda _done: None) -> None:
        """Add the engine channels that are not among the decoded signals."""
        known = {
            number: channel
            for number, channel in channels_of(self._connection).items()
            if channel not in self._decoded
        }
        columns: dict[int, Series] = {}
        for session, t_us, channel, value in reading_blocks(self._connection, self._selection, progress):
            at_us = self._axis.at(session, t_us)
            order = np.argsort(channel, kind="stable")
            for rows in np.split(order, np.flatnonzero(np.diff(channel[order])) + 1):
                number = int(channel[rows[0]])
                if number not in known:
                    continue
                if number not in columns:
                    columns[number] = self._engine(known[number], ENGINE_HZ)
                columns[number].feed(at_us[rows], value[rows])

    def add_signals(self, progress: Progress, dbc_texts: Mapping[str, str]) -> None:
        """Add every decoded DBC signal, at the rate of its message. Raises ConfigurationError as `signal_blocks`."""
        from logger.export import signals  # noqa: PLC0415 - cantools takes a third of a second to import

        columns: dict[Channel, Series] = {}
        waiting: dict[Channel, list[tuple[Integers, Numbers]]] = {}  # too few values to know the rate
        for block, decoded in signals.signal_blocks(self._connection, self._selection, progress, dbc_texts):
            at_us = self._axis.at(block.session, block.t_us, block.utc)
            for channel, rows, values in decoded:
                if channel in columns:
                    columns[channel].feed(at_us[rows], values)
                    continue
                parts = waiting.setdefault(channel, [])
                parts.append((at_us[rows], values))
                if sum(len(part) for part, _ in parts) >= _RATE_VALUES:
                    columns[channel] = self._signal(channel, waiting.pop(channel))
        for channel, parts in waiting.items():
            columns[channel] = self._signal(channel, parts)
        self._decoded = set(columns)

    def write(self, stream: BinaryIO) -> None:
        """Write the file: all channels of the same duration, without those that have no value."""
        channels = [named for named in self._channels if not named.series.is_empty]
        end_us = max(
            (-(-1_000_000 * named.series.count // named.series.rate_hz) for named in channels), default=0
        )
        names = unique([named.name for named in channels], max_chars=layout.MAX_NAME_CHARS)
        heads = []
        for named, name in zip(channels, names, strict=True):
            rate_hz = named.series.rate_hz
            samples = end_us * rate_hz // 1_000_000 + 1
            named.series.extend(samples)
            kind = layout.INTEGER if named.decimals else layout.FLOAT
            heads.append(
                layout.LdChannel(name, named.short, named.unit, rate_hz, samples, kind, named.decimals)
            )
        stream.write(layout.before_data(self._session(), heads))
        for named in channels:
            for piece in self._spool.pieces(named.series.channel):
                stream.write(piece)

    def _named(self, title: Title, unit: str, rate_hz: int, decimals: int = 0) -> Series:
        dtype = "<i4" if decimals else "<f4"
        series = Series(self._spool, self._start_us, rate_hz, dtype, 10.0**decimals)
        name = ascii_text(title.motec, layout.MAX_NAME_CHARS)
        self._channels.append(_Named(series, name, title.short, ascii_unit(unit), decimals))
        return series

    def _engine(self, channel: Channel, rate_hz: int) -> Series:
        title = ENGINE.get(channel.name, Title(channel.name, channel.name, channel.name))
        return self._named(title, channel.unit, rate_hz)

    def _signal(self, channel: Channel, parts: list[tuple[Integers, Numbers]]) -> Series:
        at_us, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        series = self._engine(channel, nominal_hz(at_us, _MAX_SIGNAL_HZ))
        series.feed(at_us, values)
        return series

    def _session(self) -> layout.Session:
        meta = meta_of(self._connection)
        car = car_of(meta)
        try:
            itinerary = route(meta)
        except ConfigurationError:
            itinerary = None  # the channels are useful without it
        stage = itinerary.stage if itinerary else None
        crew = [str(member) for member in car.get("crew", ())]
        number = car.get("number")
        return layout.Session(
            begun=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self._axis.start_s),
            driver=crew[0] if crew else "",
            vehicle=car.get("name") or ("" if number is None else f"Car {number}"),
            vehicle_type=car.get("class", ""),
            venue=stage.name if stage else meta.get("stage", ""),
            event=stage.event if stage else meta.get("stage", ""),
            session="" if stage is None else f"Stage {stage.number}",
            comment=", ".join([plain_title(meta), *crew[1:], "times are UTC"]),
        )
