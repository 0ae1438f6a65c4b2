"""A recorded drive through the recorder's computation again: a log, an NMEA text, a CAN log, or bytes of a port.

Times are the recording's own: a log's and a CAN log's as they stand; an NMEA text's from the times of day within
it; raw bytes at the pace of the line that carried them. Nothing here reads a clock.
"""

from __future__ import annotations

import heapq
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.errors import LogError, StagelogError
from firmware_bridge.fixes import FixBuilder
from firmware_bridge.protocols import protocol
from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    FD_FLAG,
    RTR_FLAG,
    CanFrame,
    Sentence,
)
from logger.recording.pipeline import READING_PERIOD_US, Pipeline, Source
from logger.recording.reader import open_log_readonly
from logger.recording.rows import Rows
from logger.recording.setup import LOG_FORMAT, engine_decoders

_CHUNK_BYTES = 4096
_BITS_A_BYTE = 10
"""Start bit, eight data bits, stop bit."""
_TIME_OF_DAY = re.compile(rb"^\$..(?:RMC|GGA|GNS|ZDA),(\d\d)(\d\d)(\d\d(?:\.\d+)?),", re.ASCII)
_LONGEST_PAUSE_US = 3600 * 1_000_000
"""A longer silence within an NMEA text is a seam between two recordings and is taken as a second."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Capture:
    """What to replay, and with what the engine's frames are read. `baud` paces raw bytes."""

    path: Path
    protocol: str | None = None
    baud: int = 115_200
    dbc_texts: dict[str, str] = field(default_factory=dict)
    presets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """One stretch of a replay: what its log's meta is to say, and its rows, a little at a time."""

    meta: dict[str, str]
    rows: Iterator[Rows]


def kind_of(capture: Capture) -> str:
    """What a file is: "log", "raw", "can" or "nmea". Raises LogError when it cannot be read or told."""
    if capture.protocol is not None:
        return "raw"
    try:
        with capture.path.open("rb") as file:
            head = file.read(_CHUNK_BYTES)
    except OSError as error:
        raise LogError(
            f"cannot be read: {error.strerror}", where=str(capture.path), mend="check its name"
        ) from error
    if head.startswith(b"SQLite format 3\0"):
        return "log"
    if re.search(rb"^[$!][A-Z]{2}[A-Z0-9]{2,4},", head, re.MULTILINE):
        return "nmea"
    if capture.path.suffix in {".log", ".asc", ".blf", ".trc", ".csv"}:
        return "can"
    raise LogError(
        "neither a log, an NMEA text nor a CAN log", where=str(capture.path), mend="raw bytes need --protocol"
    )


def sessions(capture: Capture, progress: Progress) -> Iterator[Session]:
    """Replay a file, session by session; each is to be read to its end before the next. Raises StagelogError."""
    kind = kind_of(capture)
    if kind == "log":
        yield from _log_sessions(capture, progress)
        return
    decoders = engine_decoders(capture.dbc_texts, capture.presets)
    port = capture.path.name
    name = capture.protocol or ("nmea" if kind == "nmea" else "slcan")
    fixes = FixBuilder() if name == "nmea" else None
    pipeline = Pipeline([Source(port, protocol(name).decoder(0), fixes)], EngineReadings(decoders))
    replayed = {"raw": _raw, "nmea": _nmea_text, "can": _can_file}[kind]
    meta = {
        "format": LOG_FORMAT,
        "software": f"stagelog {version('stagelog')}",
        "ports": json.dumps([{"name": port, "protocol": name}]),
        "buses": json.dumps({} if fixes else {"0": port}),
        "presets": json.dumps(capture.presets),
        "replayed": capture.path.name,
        **{f"dbc:{dbc}": text for dbc, text in capture.dbc_texts.items()},
    }
    yield Session(meta, replayed(capture, pipeline, port, progress))


def _log_sessions(capture: Capture, progress: Progress) -> Iterator[Session]:
    with open_log_readonly(capture.path) as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        texts = capture.dbc_texts or {
            key.removeprefix("dbc:"): text for key, text in meta.items() if key.startswith("dbc:")
        }
        presets = capture.presets or json.loads(meta.get("presets", "[]"))
        ports = [row[0] for row in connection.execute("SELECT DISTINCT port FROM sentence")]
        numbers = [row[0] for row in connection.execute("SELECT id FROM session ORDER BY id")]
        for done, number in enumerate(numbers):
            sources = [Source(port, protocol("nmea").decoder(0), FixBuilder()) for port in ports]
            pipeline = Pipeline(sources, EngineReadings(engine_decoders(texts, presets)))
            rows = _log_session(connection, number, pipeline, _part(progress, done, len(numbers)))
            yield Session(meta | {"replayed": capture.path.name}, rows)


def _part(progress: Progress, done: int, of: int) -> Progress:
    """The progress of one part among several of equal weight."""
    return lambda share: progress((done + share) / of)


def _log_session(
    connection: sqlite3.Connection, number: int, pipeline: Pipeline, progress: Progress
) -> Iterator[Rows]:
    sentences = connection.cursor().execute(
        "SELECT t_us, port, text FROM sentence WHERE session = ? ORDER BY rowid", (number,)
    )
    frames = connection.cursor().execute(
        "SELECT t_us, bus, can_id, data FROM frame WHERE session = ? ORDER BY rowid", (number,)
    )
    last = (
        connection.execute("SELECT max(t_us) FROM sentence WHERE session = ?", (number,)).fetchone()[0] or 1
    )
    beat = _Beat(pipeline)
    for row in heapq.merge(sentences, map(CanFrame._make, frames), key=lambda row: row[0]):
        if beat.reached(row[0]):
            progress(min(1.0, row[0] / last))
            yield pipeline.take()
        if isinstance(row, CanFrame):
            pipeline.frames((row,))
        else:
            pipeline.sentence(row[1], Sentence(row[0], row[2]))
    pipeline.finish(beat.t_us)
    yield pipeline.take()


class _Beat:
    """Ticks a pipeline as often as the recorder does, in the recording's own time."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.t_us = 0

    def reached(self, t_us: int) -> bool:
        """Time has come to `t_us`; True when that was a tick."""
        if t_us < self.t_us + READING_PERIOD_US:
            return False
        self.t_us = t_us
        self._pipeline.tick(t_us)
        return True


def _raw(capture: Capture, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    total = max(1, capture.path.stat().st_size)
    done = t_us = 0
    with capture.path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            done += len(data)
            t_us = done * _BITS_A_BYTE * 1_000_000 // capture.baud
            pipeline.feed(port, t_us, data)
            pipeline.tick(t_us)
            progress(done / total)
            yield pipeline.take()
    pipeline.finish(t_us)
    yield pipeline.take()


def _nmea_text(capture: Capture, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    total = max(1, capture.path.stat().st_size)
    done = t_us = 0
    before: int | None = None
    with capture.path.open("rb") as file:
        for line in file:
            done += len(line)
            if found := _TIME_OF_DAY.match(line):
                hours, minutes, seconds = found.groups()
                day_us = (int(hours) * 3600 + int(minutes) * 60) * 1_000_000 + int(float(seconds) * 1e6)
                if before is not None and day_us != before:
                    passed = (day_us - before) % (86_400 * 1_000_000)
                    t_us += passed if passed <= _LONGEST_PAUSE_US else 1_000_000
                    pipeline.tick(t_us)
                    progress(done / total)
                    yield pipeline.take()
                before = day_us
            pipeline.feed(port, t_us, line)
    pipeline.finish(t_us)
    yield pipeline.take()


def _can_file(capture: Capture, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    import can  # noqa: PLC0415 - a quarter of a second to import, for this alone

    began: float | None = None
    beat = _Beat(pipeline)
    buses: dict[object, int] = {}
    try:
        with can.LogReader(str(capture.path)) as messages:
            for message in messages:
                began = message.timestamp if began is None else began
                t_us = max(beat.t_us, round((message.timestamp - began) * 1e6))
                if beat.reached(t_us):
                    yield pipeline.take()
                bus = buses.setdefault(message.channel, len(buses))
                pipeline.frames((_frame(message, t_us, bus),))
    except (ValueError, OSError, EOFError, IndexError) as error:
        if isinstance(error, StagelogError):
            raise
        raise LogError(f"no CAN log that python-can reads: {error}", where=str(capture.path)) from error
    progress(1.0)
    pipeline.finish(beat.t_us)
    yield pipeline.take()


def _frame(message: object, t_us: int, bus: int) -> CanFrame:
    """A python-can message as a frame of ours."""
    flags = {
        "is_extended_id": EFF_FLAG,
        "is_remote_frame": RTR_FLAG,
        "is_error_frame": ERR_FLAG,
        "is_fd": FD_FLAG,
        "bitrate_switch": BRS_FLAG,
        "error_state_indicator": ESI_FLAG,
    }
    can_id = message.arbitration_id | sum(flag for name, flag in flags.items() if getattr(message, name))  # type: ignore[attr-defined]
    data = bytes(message.dlc) if message.is_remote_frame else bytes(message.data)  # type: ignore[attr-defined]
    return CanFrame(t_us, bus, can_id, data)
