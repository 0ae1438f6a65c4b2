"""A log for notebooks and scripts: its rows as columns, read-only.

Each call opens the log, reads and closes it, so a log that is being recorded gives its newest rows, and no call delays
the recorder. A log may come from a stranger: it is read within the limits of `logfile.border`, and every fault is a
LogError of one line.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, time
from operator import index
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from firmware_bridge.records import Channel
from logger.export.as_of_join import stage_rows
from logger.logfile import blocks, reader, value_ranges
from logger.logfile.border import open_log_readonly
from logger.logfile.documents import car_document
from logger.logfile.meta import car_of
from logger.logfile.selection import Selection, moment, select
from logger.notebook.columns import Event, Fixes, Frames, Readings, Speeds, Texts
from logger.stage.limits import KMH
from logger.tomlconfig.messages import nearest

Moment = str | datetime | time | np.datetime64
"""UTC: "2026-01-15T08:30", or a time of day, which means its first occurrence in the log."""
_MAX_HINT_CHARS: Final = 300
"""A car has dozens of channels; a hostile log has 20,000 names."""


class OpenedLog:
    """A log. Every table takes `section` (from 1), `first` and `last` to read only a part of the log."""

    def __init__(self, path: Path) -> None:
        """Raises LogError if it is not a log of ours."""
        self.path = path
        self._info: reader.LogInfo | None = reader.info(path)

    @property
    def info(self) -> reader.LogInfo:
        """Summary of the log when it was opened. Raises LogError after `close`."""
        if self._info is None:
            raise LogError(
                "the log is closed", where=str(self.path), hint="open it again with logger.open_log"
            )
        return self._info

    @property
    def meta(self) -> dict[str, str]:
        """The texts in the log by key: itinerary, rules, dbc:NAME, ports and others."""
        return self.info.meta

    @property
    def car(self) -> dict[str, Any]:
        """Number, name, class and crew of the car; None for what is not known."""
        return car_document(car_of(self.info.meta))

    @property
    def sessions(self) -> tuple[reader.SessionInfo, ...]:
        """The power-ons in the log."""
        return self.info.sessions

    def channels(self) -> list[Channel]:
        """Name, unit and source of each engine channel."""
        with self._connection() as connection:
            return list(reader.channels_of(connection).values())

    def fix(
        self, *, section: int | None = None, first: Moment | None = None, last: Moment | None = None
    ) -> Fixes:
        """The fixes in order, also those without a position. Raises LogError."""
        with self._selected(section, first, last) as (connection, selection):
            found = [Fixes(*block) for block in blocks.fix_blocks(connection, selection, _no_progress)]
        return Fixes.joined(found)

    def frame(
        self, *, section: int | None = None, first: Moment | None = None, last: Moment | None = None
    ) -> Frames:
        """The CAN frames in order: about 60 bytes of memory per frame. Raises LogError."""
        with self._selected(section, first, last) as (connection, selection):
            found = list(blocks.frame_blocks(connection, selection, _no_progress))
        width = max((int(block.length.max()) for block in found), default=0)
        return Frames.joined(
            [
                Frames(
                    *block[:6], block.matrix(np.arange(len(block.t_us)), width)
                )  # all but `start` and `data`
                for block in found
            ]
        )

    def reading(
        self,
        channel: str | None = None,
        *,
        section: int | None = None,
        first: Moment | None = None,
        last: Moment | None = None,
    ) -> Readings:
        """The engine values in order, of one channel or of all. Raises LogError, also for an unknown channel."""
        with self._selected(section, first, last) as (connection, selection):
            known = reader.channels_of(connection)
            wanted = [number for number, each in known.items() if channel in (None, each.name)]
            if channel is not None and not wanted:
                hint = printable(nearest(channel, {each.name for each in known.values()}), _MAX_HINT_CHARS)
                raise LogError(f"no channel {printable(channel)}", where=str(self.path), hint=hint)
            numbers = np.array(wanted, dtype=np.int64)  # in ascending order
            names, units = (_texts(known[number][part] for number in wanted) for part in (0, 1))
            found = []
            for sessions, times, number, value in blocks.reading_blocks(connection, selection):
                rows = np.isin(number, numbers)
                at = np.searchsorted(numbers, number[rows])
                session, t_us = sessions[rows], times[rows]
                utc = selection.clock.utc(session, t_us)
                found.append(Readings(session, t_us, utc, names[at], value[rows], units[at]))
        return Readings.joined(found)

    def speed(
        self, *, section: int | None = None, first: Moment | None = None, last: Moment | None = None
    ) -> Speeds:
        """The receiver's speed at each fix, with limit, section and distance as the crew saw them. Raises LogError."""
        with self._selected(section, first, last) as (connection, selection):
            found = []
            for fixes, beside in stage_rows(connection, selection, _no_progress):
                number, distance_km, limit_kmh = beside.T
                speed_kmh = fixes.speed_mps * KMH
                over_kmh = np.maximum(0.0, speed_kmh - limit_kmh)
                found.append(Speeds(*fixes[:3], speed_kmh, limit_kmh, over_kmh, number, distance_km))
        return Speeds.joined(found)

    def events(self, kind: str | None = None) -> list[Event]:
        """The events in order, of one kind or of all. Raises LogError."""
        with self._selected(None, None, None) as (connection, selection):
            rows = [row for row in reader.events(connection) if kind in (None, row[2])]
            session, t_us = (np.array([row[part] for row in rows], dtype=np.int64) for part in (0, 1))
            for name, column in (("session", session), ("t_us", t_us)):
                value_ranges.require("event", name, column)
            utc = selection.clock.utc(session, t_us)
        return [Event(*row[:2], at, *row[2:]) for row, at in zip(rows, utc, strict=True)]

    def close(self) -> None:
        """Refuse further calls. Nothing else is held: each call opens and closes the file."""
        self._info = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._info is None:
            return f"<log {printable(self.path)}, closed>"
        stage, rows = printable(self.meta.get("stage") or "no stage"), self._info.rows
        return f"<log {printable(self.path)}: {stage}, {rows['fix']} fixes, {rows['frame']} frames>"

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with open_log_readonly(self.info.path) as connection:
            yield connection

    @contextmanager
    def _selected(
        self, section: int | None, first: Moment | None, last: Moment | None
    ) -> Iterator[tuple[sqlite3.Connection, Selection]]:
        """The log and the rows to read. Raises ValueError for what is not a time."""
        number = None if section is None else index(section)
        begin, end = (None if each is None else moment(str(each)) for each in (first, last))
        with self._connection() as connection:
            yield connection, select(connection, begin, end, number)


def _no_progress(_done: float) -> None:
    """Show nothing."""


def _texts(texts: Iterable[str]) -> Texts:
    """Texts as a column that refers to them: a row takes eight bytes."""
    return np.array(list(texts), dtype=np.object_)
