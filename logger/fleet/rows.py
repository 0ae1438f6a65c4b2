"""Read a log's rows as Arrow tables in blocks, with constant memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from logger.export.parquet import arrow_table, frame_bytes
from logger.fleet.tables import TABLES
from logger.judgement.places import NO_RUN
from logger.judgement.report import Report
from logger.logfile.blocks import Numbers, Progress, fix_blocks, frame_blocks, reading_blocks
from logger.logfile.reader import channels_of
from logger.logfile.selection import Clock, Selection

_ROWS = 16_384
"""Rows per block of the tables that are read row by row."""
_NO_CHANNEL = 2**63 - 1
"""Sorts after every channel number."""


class LogRows:
    """The tables of one log. `sha256` names it in every row."""

    def __init__(self, connection: sqlite3.Connection, sha256: str, report: Report) -> None:
        self._connection = connection
        self._sha256 = sha256
        self._report = report
        self._all = Selection(Clock(connection))

    def blocks(self, table: str, progress: Progress = lambda _done: None) -> Iterator[pa.Table]:
        """Yield a table's rows. Raises LogError, sqlite3.Error."""
        blocks: Iterator[list[Any]] = {
            "fix": self._fix,
            "reading": self._reading,
            "event": lambda p: self._plain("event", "kind, detail", p),
            "progress": lambda p: self._plain(
                "progress",
                "section + 1, distance_m, elapsed_s, average_mps, limit_kmh, speed_mps",
                p,
            ),
            "frame": self._frame,
        }[table](progress)
        for columns in blocks:
            name = pa.repeat(pa.scalar(self._sha256), len(columns[0]))
            yield arrow_table([name, *columns], TABLES[table])

    def _fix(self, progress: Progress) -> Iterator[list[Any]]:
        places = self._report.places
        sections = np.array([run.section + 1 for run in self._report.day.sections] + [0])
        done = 0
        for session, t_us, utc, *columns in fix_blocks(self._connection, self._all, progress):
            here = slice(done, done + len(t_us))  # the review has the log's rows in the same order
            done = here.stop
            run = places.run[here]
            section = np.where(run == NO_RUN, np.nan, sections[run])
            way_m, limit_kmh = places.metres[here], places.limit_kmh[here]
            yield [
                session,
                t_us,
                utc,
                *columns,
                section,
                way_m,
                limit_kmh,
                self._free(run, way_m, columns[3]),
            ]

    def _free(self, run: NDArray[np.int64], way_m: Numbers, mps: Numbers) -> NDArray[np.bool_]:
        """Mask of the fixes in a free area, by the roadbook's distance, as the review's page draws them.

        The limit of a fix is that of its second, so a zone's limit may appear a second early or late: free areas
        extend outwards by the distance of one second.
        """
        second_m = np.nan_to_num(mps)
        free = np.zeros(len(run), dtype=np.bool_)
        for number in np.unique(run[run != NO_RUN]):
            section = self._report.day.sections[number].section
            for zone in self._report.courses[section].zones if section < len(self._report.courses) else ():
                before_m, after_m = way_m - zone.begin.metres, way_m - zone.end.metres
                begins = (before_m >= -zone.begin.clear_m - second_m) & (before_m <= zone.begin.clear_m)
                ends = (after_m >= -zone.end.clear_m) & (after_m <= zone.end.clear_m + second_m)
                free |= (run == number) & (begins | ends)
        return free

    def _reading(self, progress: Progress) -> Iterator[list[Any]]:
        known = channels_of(self._connection)
        numbers = np.array([*known, _NO_CHANNEL], dtype=np.int64)
        names = [pa.array([channel[at] for channel in known.values()], pa.string()) for at in range(3)]
        for session, t_us, channel, value in reading_blocks(self._connection, self._all):
            place = np.minimum(np.searchsorted(numbers, channel), len(known))
            which = pa.array(place, mask=numbers[place] != channel)
            name, unit, source = (column.take(which) for column in names)
            yield [session, t_us, self._all.clock.utc(session, t_us), name, value, unit, source]
        progress(1.0)

    def _frame(self, progress: Progress) -> Iterator[list[Any]]:
        for block in frame_blocks(self._connection, self._all, progress):
            yield [block.session, block.t_us, block.utc, block.bus, block.can_id, frame_bytes(block)]

    def _plain(self, table: str, columns: str, progress: Progress) -> Iterator[list[Any]]:
        cursor = self._connection.execute(f"SELECT session, t_us, {columns} FROM {table} ORDER BY rowid")  # noqa: S608
        while rows := cursor.fetchmany(_ROWS):
            session, t_us, *others = (list(column) for column in zip(*rows, strict=True))
            utc = self._all.clock.utc(np.array(session), np.array(t_us))
            yield [session, t_us, utc, *others]
        progress(1.0)
