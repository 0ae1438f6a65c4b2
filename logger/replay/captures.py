"""Feed a pipeline with captures of other programs: raw port bytes, NMEA text, CAN logs.

Knows no file but the one it is given, and no clock. Time comes from the capture's own stamps where they are plausible,
or, for raw bytes, from the speed of the line. Each function yields rows in small batches and reports its progress.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from firmware_bridge.errors import LogError
from firmware_bridge.gps.assembly import BREAK_US
from firmware_bridge.gps.nmea_fields import DAY_US
from firmware_bridge.gps.sentence_reader import SentenceReader
from firmware_bridge.printable import printable
from firmware_bridge.records import EXTENDED_MASK, CanFrame, can_id_of
from logger.boundary.extras import how_to_install
from logger.logfile.border import budgeted, harden
from logger.logfile.connect import connect_immutable
from logger.logfile.rows import Rows
from logger.recorder.pipeline import BEAT_US, Pipeline
from logger.replay import nmea_times, python_can_file
from logger.replay.canlogs import Decoder
from logger.replay.python_can_reader import MAX_DATA_BYTES
from logger.replay.text_lines import Progress, head, lines, lines_of

log = logging.getLogger(__name__)

_CHUNK_BYTES = 4096
"""Bytes read at a time."""
_BITS_PER_BYTE = 10
"""Start bit, eight data bits, stop bit."""
_TAKE_EVERY = 1000
"""Inputs between two batches of rows."""
_DISORDER_US = 1_000_000
"""Stamps that step back by less come from buffers between two buses; by more, from a clock that was set."""
_LONGEST_PAUSE_US = 3600 * 1_000_000
"""A longer gap in a capture is a seam between two recordings, or damage."""
_SEAM_US = 1_000_000
"""Session time that passes at a seam."""


def raw_bytes(path: Path, baud: int, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    """Feed bytes captured from a port, at `baud` bit/s."""
    total = path.stat().st_size
    done = t_us = 0
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            done += len(data)
            t_us = done * _BITS_PER_BYTE * 1_000_000 // baud
            pipeline.feed(port, t_us, data)
            progress(done / total)
            yield pipeline.take()
    pipeline.finish(t_us + BEAT_US)
    yield pipeline.take()


class SessionClock:
    """Session time from a capture's own stamps: they may step back and jump, session time may not.

    `wrap_us` is the period of the stamps, such as a day; `disorder_us` is how far they may step back without a clock
    having been set.
    """

    def __init__(self, wrap_us: int | None = None, disorder_us: int = _DISORDER_US) -> None:
        self.t_us = 0
        self._wrap_us, self._disorder_us = wrap_us, disorder_us
        self._last_us: int | None = None

    def at(self, stamp_us: int) -> int:
        """Session time at a stamp."""
        passed_us = 0 if self._last_us is None else stamp_us - self._last_us
        if self._wrap_us is not None:
            half_us = self._wrap_us // 2
            passed_us = (passed_us + half_us) % self._wrap_us - half_us
        if not -self._disorder_us <= passed_us < _LONGEST_PAUSE_US:
            passed_us = _SEAM_US
        elif passed_us < 0:
            return self.t_us
        self._last_us = stamp_us
        self.t_us += passed_us
        return self.t_us


def nmea_text(path: Path, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    """Feed sentences as text, timed by the times of day within them."""
    times = nmea_times.times_of(lines_of(head(path)))
    stamped = ((line, times.stamp_us(line)) for line in lines(path, progress))
    yield from _lines(nmea_times.confirmed(stamped), pipeline, port, SessionClock(DAY_US, BREAK_US))


def receiver_bytes(path: Path, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    """Feed everything a receiver sent, binary messages among the sentences, timed by the times of day in both."""
    reader, clock = SentenceReader(), SessionClock(DAY_US, BREAK_US)

    def at(text: str) -> int:
        report = reader.read(text)
        if report is None or report.time_us is None or report.kind == "ZDA":
            return clock.t_us  # the time of ZDA may be seconds ahead of the fixes
        return clock.at(report.time_us)

    for count, part in enumerate(lines(path, progress)):
        pipeline.capture(port, part, at)
        if count % _TAKE_EVERY == 0:
            yield pipeline.take()
    pipeline.finish(clock.t_us + BEAT_US)
    yield pipeline.take()


def can_text(
    path: Path, pipeline: Pipeline, port: str, progress: Progress, decoder: Decoder
) -> Iterator[Rows]:
    """Feed a CAN log as text; `decoder` is the source's."""
    stamped = ((line, decoder.stamp_us) for line in lines(path, progress) if decoder.reads(line))
    yield from _lines(stamped, pipeline, port, SessionClock())
    if decoder.bad:
        log.warning("%s: %d lines are damaged or cannot be read: left out", path, decoder.bad)


def _lines(
    stamped: Iterable[tuple[bytes, int | None]], pipeline: Pipeline, port: str, clock: SessionClock
) -> Iterator[Rows]:
    """Feed a text line by line, each at the time of the newest stamp."""
    for count, (line, stamp) in enumerate(stamped):
        pipeline.feed(port, clock.t_us if stamp is None else clock.at(stamp), line)
        if count % _TAKE_EVERY == 0:
            yield pipeline.take()
    pipeline.finish(clock.t_us + BEAT_US)
    yield pipeline.take()


def can_file(path: Path, pipeline: Pipeline, progress: Progress) -> Iterator[Rows]:
    """Feed a CAN log in a format that python-can reads. Raises LogError when not even its start is readable."""
    clock = SessionClock()
    for count, frame in enumerate(_frames(path)):
        pipeline.frames((frame._replace(t_us=clock.at(frame.t_us)),))
        if count % _TAKE_EVERY == 0:
            yield pipeline.take()
    progress(1.0)
    pipeline.finish(clock.t_us + BEAT_US)
    yield pipeline.take()


def is_python_can_database(path: Path) -> bool:
    """Whether a SQLite file is a log of python-can."""
    try:
        with closing(connect_immutable(path)) as connection, budgeted(connection, path):
            harden(connection)
            query = "SELECT name FROM pragma_table_info('messages') WHERE name IN ('ts', 'arbitration_id', 'data')"
            # A view may be endless, and a virtual table also has the type 'table'.
            kind = connection.execute(
                "SELECT type FROM sqlite_schema WHERE name = 'messages' AND sql LIKE 'CREATE TABLE %'"
            ).fetchone()
            return kind == ("table",) and len(connection.execute(query).fetchall()) == 3
    except (sqlite3.Error, ValueError, MemoryError, LogError):  # damaged: `open_log_readonly` reports how
        return False


def _frames(path: Path) -> Iterator[CanFrame]:
    """The frames of a file with its own stamps, up to the first damage."""
    count = 0
    try:
        frames = _database_frames(path) if is_python_can_database(path) else python_can_file.frames(path)
        for count, frame in enumerate(frames, 1):  # noqa: B007 - reported below
            yield frame
    except (python_can_file.UnreadableError, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        why = printable(error) or type(error).__name__
        if not count:
            hint = "copy the file again, or export it again as candump or ASC"
            if "asammdf" in why:
                hint = how_to_install("mf4")
            what = f"not a CAN log, or damaged at its start ({why})"
            raise LogError(what, where=str(path), hint=hint) from error
        log.warning("%s: damaged after %d frames (%s): the rest is left out", path, count, why)


def _database_frames(path: Path) -> Iterator[CanFrame]:
    """The frames of python-can's SQLite log; python-can's own reader would open the file for writing."""
    columns = "ts, arbitration_id, extended, remote, error, dlc, data"
    with closing(connect_immutable(path)) as connection, budgeted(connection, path):
        harden(connection)
        for stamp_s, number, is_extended, is_remote, is_error, dlc, data in connection.execute(
            f"SELECT {columns} FROM messages"  # noqa: S608
        ):
            payload = bytes(min(dlc, MAX_DATA_BYTES)) if is_remote else data or b""
            if (
                not (
                    isinstance(payload, bytes)
                    and isinstance(number, int)
                    and isinstance(stamp_s, (int, float))
                )
                or len(payload) > MAX_DATA_BYTES
                or not 0 <= number <= EXTENDED_MASK
            ):
                raise ValueError("a row that is not a frame")
            can_id = can_id_of(
                number,
                is_extended=bool(is_extended),
                is_remote=bool(is_remote),
                is_error=bool(is_error),
            )
            yield CanFrame(round(stamp_s * 1e6), 0, can_id, payload)
