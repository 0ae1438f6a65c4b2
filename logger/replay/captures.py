"""Feed a pipeline with captures that other programs made: bytes of a port, an NMEA text, a CAN log.

Knows no file but the one it is given, and no clock: time is what the capture's own stamps say has passed, as far as
that can be true, or, of raw bytes, the pace of the line that carried them. Each function yields rows in small parts
and reports its progress.
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
from logger.logfile.border import budgeted, connect_immutable, harden
from logger.logfile.rows import Rows
from logger.recorder.pipeline import BEAT_US, Pipeline
from logger.replay import nmea_times, python_can_file
from logger.replay.canlogs import Decoder
from logger.replay.python_can_reader import MOST_DATA_BYTES
from logger.replay.text_lines import Progress, head, lines, lines_of

log = logging.getLogger(__name__)

_CHUNK_BYTES = 4096
"""Bytes read at a time."""
_BITS_A_BYTE = 10
"""Start bit, eight data bits, stop bit."""
_TAKE_EVERY = 1000
"""Rows are handed on every so many inputs."""
_DISORDER_US = 1_000_000
"""Stamps that step back by less come of buffers between two buses; by more, of a clock that was set."""
_LONGEST_PAUSE_US = 3600 * 1_000_000
"""A longer silence within a capture is a seam between two recordings, or damage."""
_SEAM_US = 1_000_000
"""What a seam is taken to last."""


def raw_bytes(path: Path, baud: int, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    """Bytes caught from a port, at `baud` bit/s."""
    total = path.stat().st_size
    done = t_us = 0
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            done += len(data)
            t_us = done * _BITS_A_BYTE * 1_000_000 // baud
            pipeline.feed(port, t_us, data)
            progress(done / total)
            yield pipeline.take()
    pipeline.finish(t_us + BEAT_US)
    yield pipeline.take()


class Passing:
    """Session time out of a capture's own stamps, which may step and jump where session time may not.

    `wrap_us` is where the stamps begin again, such as midnight; `disorder_us` how far they step back while no clock
    is set.
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
    """Sentences as text, timed by the times of day within them."""
    times = nmea_times.times_of(lines_of(head(path)))
    stamped = ((line, times.stamp_us(line)) for line in lines(path, progress))
    yield from _lines(stamped, pipeline, port, Passing(DAY_US, BREAK_US))


def receiver_bytes(path: Path, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    """All that a receiver sent, binary messages among the sentences, timed by the times of day within both."""
    reader, passing = SentenceReader(), Passing(DAY_US, BREAK_US)

    def at(text: str) -> int:
        report = reader.read(text)
        if report is None or report.time_us is None or report.kind == "ZDA":
            return passing.t_us  # ZDA has a clock of its own, which may be seconds ahead of the fixes
        return passing.at(report.time_us)

    for count, part in enumerate(lines(path, progress)):
        pipeline.capture(port, part, at)
        if count % _TAKE_EVERY == 0:
            yield pipeline.take()
    pipeline.finish(passing.t_us + BEAT_US)
    yield pipeline.take()


def can_text(
    path: Path, pipeline: Pipeline, port: str, progress: Progress, decoder: Decoder
) -> Iterator[Rows]:
    """A CAN log as text; `decoder` is the source's."""
    stamped = ((line, decoder.stamp_us) for line in lines(path, progress) if decoder.reads(line))
    yield from _lines(stamped, pipeline, port, Passing())
    if decoder.bad:
        log.warning("%s: %d lines are damaged or cannot be read: left out", path, decoder.bad)


def _lines(
    stamped: Iterable[tuple[bytes, int | None]], pipeline: Pipeline, port: str, passing: Passing
) -> Iterator[Rows]:
    """A text, line by line, each at the time of the newest stamp."""
    for count, (line, stamp) in enumerate(stamped):
        pipeline.feed(port, passing.t_us if stamp is None else passing.at(stamp), line)
        if count % _TAKE_EVERY == 0:
            yield pipeline.take()
    pipeline.finish(passing.t_us + BEAT_US)
    yield pipeline.take()


def can_file(path: Path, pipeline: Pipeline, progress: Progress) -> Iterator[Rows]:
    """A CAN log in a format of python-can's. Raises LogError when it makes nothing of it."""
    passing = Passing()
    for count, frame in enumerate(_frames(path)):
        pipeline.frames((frame._replace(t_us=passing.at(frame.t_us)),))
        if count % _TAKE_EVERY == 0:
            yield pipeline.take()
    progress(1.0)
    pipeline.finish(passing.t_us + BEAT_US)
    yield pipeline.take()


def is_python_can_database(path: Path) -> bool:
    """Whether a SQLite file is a log of python-can's."""
    try:
        with closing(connect_immutable(path)) as connection, budgeted(connection, path):
            harden(connection)
            query = "SELECT name FROM pragma_table_info('messages') WHERE name IN ('ts', 'arbitration_id', 'data')"
            # A view may be endless, and a virtual table calls itself a table.
            kind = connection.execute(
                "SELECT type FROM sqlite_schema WHERE name = 'messages' AND sql LIKE 'CREATE TABLE %'"
            ).fetchone()
            return kind == ("table",) and len(connection.execute(query).fetchall()) == 3
    except (sqlite3.Error, ValueError, MemoryError, LogError):  # a damaged one: `open_log_readonly` says how
        return False


def _frames(path: Path) -> Iterator[CanFrame]:
    """The frames of a file by its own stamps; where it is damaged further on, what comes before counts."""
    count = 0
    try:
        found = _database_frames(path) if is_python_can_database(path) else python_can_file.frames(path)
        for count, frame in enumerate(found, 1):  # noqa: B007 - told below
            yield frame
    except (python_can_file.UnreadableError, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        why = printable(error) or type(error).__name__
        if not count:
            hint = "check that its name ends as its format asks"
            if "asammdf" in why:
                hint = "pip install 'stagelog[mf4]'"
            what = f"not a CAN log, or damaged at its start ({why})"
            raise LogError(what, where=str(path), hint=hint) from error
        log.warning("%s: damaged after %d frames (%s): the rest is left out", path, count, why)


def _database_frames(path: Path) -> Iterator[CanFrame]:
    """The frames of a log of python-can's in SQLite, whose own reader would open the file for writing."""
    columns = "ts, arbitration_id, extended, remote, error, dlc, data"
    with closing(connect_immutable(path)) as connection, budgeted(connection, path):
        harden(connection)
        for stamp_s, number, is_extended, is_remote, is_error, dlc, data in connection.execute(
            f"SELECT {columns} FROM messages"  # noqa: S608
        ):
            sent = bytes(min(dlc, MOST_DATA_BYTES)) if is_remote else data or b""
            if not isinstance(sent, bytes) or len(sent) > MOST_DATA_BYTES or not 0 <= number <= EXTENDED_MASK:
                raise ValueError("a row that is no frame")
            can_id = can_id_of(
                number,
                is_extended=bool(is_extended),
                is_remote=bool(is_remote),
                is_error=bool(is_error),
            )
            yield CanFrame(round(stamp_s * 1e6), 0, can_id, sent)
