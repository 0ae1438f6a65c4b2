"""A recorded drive through the recorder's computation again: a log, an NMEA text, a CAN log, or bytes of a port.

Times are the recording's own: a log's and a CAN log's as they stand; an NMEA text's from the times of day within
it; raw bytes at the pace of the line that carried them. Nothing here reads a clock.
"""

from __future__ import annotations

import heapq
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter, methodcaller
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
    Channel,
    Reading,
)
from logger.recording.pipeline import Engine, Pipeline, Source
from logger.recording.reader import open_log_readonly
from logger.recording.rows import Rows
from logger.recording.setup import LOG_FORMAT, engine_decoders, stage_of

_CHUNK_BYTES = 4096
_BITS_A_BYTE = 10
"""Start bit, eight data bits, stop bit."""
_TIME_OF_DAY = re.compile(rb"^\$..(?:RMC|GGA|GNS|ZDA),(\d\d)(\d\d)(\d\d(?:\.\d+)?),", re.ASCII)
_LONGEST_PAUSE_US = 3600 * 1_000_000
"""A longer silence within an NMEA text is a seam between two recordings and is taken as a second."""

_TAKE_EVERY = 1000
"""Rows are handed on every so many inputs."""
_FRAMES_TOGETHER = 10_000
_BURST_US = 10_000
"""Frames fed at a time: what one round of the recorder sees."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Capture:
    """What to replay, and with what the engine's frames are read. `baud` paces raw bytes."""

    path: Path
    protocol: str | None = None
    baud: int = 115_200
    dbc_texts: dict[str, str] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    itinerary_text: str = ""


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
    source = Source(port, protocol(name).decoder(0), fixes)
    pipeline = Pipeline(
        [source], EngineReadings(decoders), stage_of(capture.itinerary_text, "the itinerary").live("")
    )
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
        stage = stage_of(
            capture.itinerary_text or meta.get("itinerary", ""),
            "the log's itinerary",
            meta.get("rules", ""),
            "the log's rules",
            reset_odometer=json.loads(meta.get("reset_odometer", "true")),
        )
        class_name = json.loads(meta.get("car", "{}")).get("class", "")
        ports = [row[0] for row in connection.execute("SELECT DISTINCT port FROM sentence")]
        numbers = [row[0] for row in connection.execute("SELECT id FROM session ORDER BY id")]
        for done, number in enumerate(numbers):
            sources = [Source(port, protocol("nmea").decoder(0), FixBuilder()) for port in ports]
            pipeline = Pipeline(sources, _engine(capture, connection, number), stage.live(class_name))
            _resume(pipeline, connection, number)
            rows = _log_session(connection, number, pipeline, _part(progress, done, len(numbers)))
            yield Session(meta | {"replayed": capture.path.name}, rows)


def _engine(capture: Capture, connection: sqlite3.Connection, session: int) -> Engine:
    """The readings as they were recorded, or, with other decoders than the log's, made anew from the frames."""
    if capture.dbc_texts or capture.presets:
        return EngineReadings(engine_decoders(capture.dbc_texts, capture.presets))
    return RecordedReadings(
        Reading(t_us, Channel(*channel), value)
        for t_us, value, *channel in connection.cursor().execute(
            "SELECT t_us, value, name, unit, source FROM reading JOIN channel ON channel.id = reading.channel"
            " WHERE session = ? ORDER BY reading.rowid",
            (session,),
        )
    )


class RecordedReadings:
    """The readings of a log, given out beat by beat as they were made."""

    def __init__(self, readings: Iterator[Reading]) -> None:
        self._readings = readings
        self._next = next(readings, None)

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Frames say nothing new here."""

    def tick(self, t_us: int) -> list[Reading]:
        """The readings of the beat at `t_us`."""
        beat = []
        while self._next is not None and self._next.t_us <= t_us:
            beat.append(self._next)
            self._next = next(self._readings, None)
        return beat


def _resume(pipeline: Pipeline, connection: sqlite3.Connection, session: int) -> None:
    """Begin where the recorder began this session."""
    found = connection.execute(
        "SELECT detail FROM event WHERE session = ? AND kind = 'resumed'", (session,)
    ).fetchone()
    if found is not None:
        detail = json.loads(found[0])
        pipeline.live.restore(detail["live"], detail["gap_s"])
        pipeline.event(0, "resumed", detail)


def _part(progress: Progress, done: int, of: int) -> Progress:
    """The progress of one part among several of equal weight."""
    return lambda share: progress((done + share) / of)


def _log_session(
    connection: sqlite3.Connection, session: int, pipeline: Pipeline, progress: Progress
) -> Iterator[Rows]:
    """The session's inputs in order of time: what arrived together is fed together."""
    inputs = heapq.merge(
        _chunks(connection, session),
        _bursts(connection, session),
        _orders(connection, session),
        key=itemgetter(0),
    )
    end = connection.execute("SELECT max(t_us) FROM event WHERE session = ?", (session,)).fetchone()[0] or 1
    t_us = 0
    for count, (t_us, feed) in enumerate(inputs):
        feed(pipeline)
        if count % _TAKE_EVERY == 0:
            progress(min(1.0, t_us / end))
            yield pipeline.take()
    pipeline.finish(max(t_us, end))
    yield pipeline.take()


Input = tuple[int, Callable[[Pipeline], object]]


def _chunks(connection: sqlite3.Connection, session: int) -> Iterator[Input]:
    """Sentences, those of one chunk together."""
    rows = connection.cursor().execute(
        "SELECT t_us, port, text FROM sentence WHERE session = ? ORDER BY rowid", (session,)
    )
    for (t_us, port), together in groupby(rows, key=itemgetter(0, 1)):
        texts = [row[2] for row in together]
        yield t_us, methodcaller("sentences", port, t_us, texts)


def _bursts(connection: sqlite3.Connection, session: int) -> Iterator[Input]:
    """Frames, as they stand: nothing waits for them but the engine's readings."""
    cursor = connection.cursor().execute(
        "SELECT t_us, bus, can_id, data FROM frame WHERE session = ? ORDER BY rowid", (session,)
    )
    while burst := [CanFrame._make(row) for row in cursor.fetchmany(_FRAMES_TOGETHER)]:
        for _, together in groupby(burst, key=lambda frame: frame.t_us // _BURST_US):
            frames = list(together)
            yield frames[-1].t_us, methodcaller("frames", frames)


def _orders(connection: sqlite3.Connection, session: int) -> Iterator[Input]:
    """What the crew commanded."""
    for t_us, detail in connection.cursor().execute(
        "SELECT t_us, detail FROM event WHERE session = ? AND kind = 'command' ORDER BY rowid", (session,)
    ):
        order = json.loads(detail)
        yield t_us, methodcaller("command", t_us, order["name"], order["arguments"])


def _raw(capture: Capture, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    total = max(1, capture.path.stat().st_size)
    done = t_us = 0
    with capture.path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            done += len(data)
            t_us = done * _BITS_A_BYTE * 1_000_000 // capture.baud
            pipeline.feed(port, t_us, data)
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
                    progress(done / total)
                    yield pipeline.take()
                before = day_us
            pipeline.feed(port, t_us, line)
    pipeline.finish(t_us)
    yield pipeline.take()


def _can_file(capture: Capture, pipeline: Pipeline, port: str, progress: Progress) -> Iterator[Rows]:
    import can  # noqa: PLC0415 - a quarter of a second to import, for this alone

    began: float | None = None
    t_us = 0
    buses: dict[object, int] = {}
    try:
        with can.LogReader(str(capture.path)) as messages:
            for count, message in enumerate(messages):
                began = message.timestamp if began is None else began
                t_us = max(t_us, round((message.timestamp - began) * 1e6))
                bus = buses.setdefault(message.channel, len(buses))
                pipeline.frames((_frame(message, t_us, bus),))
                if count % _TAKE_EVERY == 0:
                    yield pipeline.take()
    except (ValueError, OSError, EOFError, IndexError) as error:
        if isinstance(error, StagelogError):
            raise
        raise LogError(f"no CAN log that python-can reads: {error}", where=str(capture.path)) from error
    progress(1.0)
    pipeline.finish(t_us)
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
