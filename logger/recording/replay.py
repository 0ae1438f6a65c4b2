"""A recorded drive through the recorder's computation again: a log, an NMEA text, a CAN log, or bytes of a port.

Times are the recording's own: a log's as they stand, others' as `captures` finds them. Nothing here reads a clock.
"""

from __future__ import annotations

import heapq
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter, methodcaller
from pathlib import Path
from typing import Any

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.errors import LogError
from firmware_bridge.fixes import FixBuilder
from firmware_bridge.protocols import protocol
from firmware_bridge.records import CanFrame, Channel, Reading
from logger.recording import candump, captures
from logger.recording.captures import Progress
from logger.recording.pipeline import BEAT_US, Engine, Pipeline, Source
from logger.recording.reader import open_log_readonly
from logger.recording.rows import Rows
from logger.recording.setup import LOG_FORMAT, engine_decoders, stage_of
from logger.stage.declared import Alarm
from logger.tomlfile import TomlError, TomlFile, named

log = logging.getLogger(__name__)

_HEAD_BYTES = 65_536
"""Looked at to tell what a file is: remarks may come first."""
_TAKE_EVERY = 1000
"""Rows are handed on every so many inputs."""
_FRAMES_TOGETHER = 10_000
_BURST_US = 10_000
"""Frames fed at a time: what one round of the recorder sees. A frame on the very beat still belongs to it."""


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
    """One stretch of a replay: what its log's meta is to say, its rows, a little at a time, and where they begin."""

    meta: dict[str, str]
    rows: Iterator[Rows]
    begins_us: int = 0


def kind_of(capture: Capture) -> str:
    """What a file is: "log", "raw", "candump", "can" or "nmea". Raises LogError when it cannot be read or told."""
    where = str(capture.path)
    try:
        with capture.path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise LogError(f"cannot be read: {error.strerror}", where=where, mend="check its name") from error
    if not head:
        raise LogError("is empty", where=where, mend="name a file with a recording in it")
    if capture.protocol is not None:
        return "raw"
    if head.startswith(b"SQLite format 3\0"):
        return "log"
    if re.search(rb"^[$!][A-Z]{2}[A-Z0-9]{2,4},", head, re.MULTILINE):
        return "nmea"
    if candump.PATTERN.search(head):
        return "candump"
    if capture.path.suffix.lower() in {".asc", ".blf", ".trc", ".csv"}:
        return "can"
    raise LogError("neither a log, an NMEA text nor a CAN log", where=where, mend="raw bytes need --protocol")


def sessions(capture: Capture, progress: Progress) -> Iterator[Session]:
    """Replay a file, session by session; each is to be read to its end before the next. Raises StagelogError."""
    kind = kind_of(capture)
    if kind == "log":
        yield from _log_sessions(capture, progress)
        return
    decoders = engine_decoders(capture.dbc_texts, capture.presets)
    port = capture.path.name
    name = capture.protocol or kind
    fixes = FixBuilder() if name == "nmea" else None
    decoder = candump.Decoder() if kind in {"candump", "can"} else protocol(name).decoder(0)
    source = Source(port, decoder, fixes)
    pipeline = Pipeline(
        [source], EngineReadings(decoders), stage_of(capture.itinerary_text, "the itinerary").live("")
    )
    rows = {
        "raw": lambda: captures.raw_bytes(capture.path, capture.baud, pipeline, port, progress),
        "nmea": lambda: captures.nmea_text(capture.path, pipeline, port, progress),
        "candump": lambda: captures.candump_text(capture.path, pipeline, port, progress),
        "can": lambda: captures.can_file(capture.path, pipeline, progress),
    }[kind]()
    meta = {
        "format": LOG_FORMAT,
        "software": f"stagelog {version('stagelog')}",
        "ports": json.dumps([{"name": port, "protocol": name}]),
        "buses": json.dumps({} if fixes else {"0": port}),
        "presets": json.dumps(capture.presets),
        "replayed": capture.path.name,
        **{f"dbc:{dbc}": text for dbc, text in capture.dbc_texts.items()},
    }
    yield Session(meta, rows)


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
            live = stage.live(class_name, own_alarms(connection, number))
            pipeline = Pipeline(sources, _engine(capture, connection, number), live)
            begins_us = begins_at(connection, number)
            pipeline.begin(begins_us)
            _resume(pipeline, connection, number)
            rows = _log_session(connection, number, pipeline, _part(progress, done, len(numbers)))
            yield Session(meta | {"replayed": capture.path.name}, rows, begins_us)


def begins_at(connection: sqlite3.Connection, session: int) -> int:
    """The session time after which a session's rows come: above 0 in a log that a change of stage began."""
    found = connection.execute(
        "SELECT json_extract(detail, '$.begins_us') FROM event WHERE session = ? AND kind = 'session_begin'",
        (session,),
    ).fetchone()
    return int(found[0] or 0) if found is not None else 0


@dataclass(frozen=True, slots=True)
class _OwnAlarms:
    """What is asked of a recorded configuration; the rest of it may be an older or a newer stagelog's."""

    alarms: tuple[Alarm, ...] = field(default=(), metadata=named("alarm"))


def own_alarms(connection: sqlite3.Connection, session: int) -> tuple[Alarm, ...]:
    """The user's own alarms of a session, out of the configuration that it ran under."""
    (text,) = connection.execute("SELECT config FROM session WHERE id = ?", (session,)).fetchone()
    try:
        return TomlFile(text or "", f"session {session}").build(_OwnAlarms, whole=False).alarms
    except TomlError as error:
        log.warning("its own alarms cannot be read: %s", error)
        return ()


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
    came_to_us, closed_us = _end(connection, session)
    for count, (t_us, feed) in enumerate(inputs):
        feed(pipeline)
        if count % _TAKE_EVERY == 0:
            progress(min(1.0, t_us / max(came_to_us, 1)))
            yield pipeline.take()
    if closed_us is None:
        pipeline.finish(came_to_us)
    else:
        pipeline.advance(came_to_us)
        last_fix = pipeline.live.last_fix
        if last_fix is None or last_fix.t_us < closed_us:
            pipeline.close_epochs()
    yield pipeline.take()


def _end(connection: sqlite3.Connection, session: int) -> tuple[int, int | None]:
    """How far the recorder had come, and up to when it had closed the receiver's epochs: None for all of them.

    A session that was ended says so. After a power cut the beats tell by the rows that they left behind, and an
    epoch that has no fix was still open.
    """
    ended_us = connection.execute(
        "SELECT max(t_us) FROM event WHERE session = ? AND kind = 'session_end'", (session,)
    ).fetchone()[0]
    if ended_us is not None:
        return ended_us, None
    progress_us, reading_us, fix_us = (
        row[0] if (row := connection.execute(sql, (session,)).fetchone()) else 0
        for table in ("progress", "reading", "fix")
        for sql in [f"SELECT t_us FROM {table} WHERE session = ? ORDER BY rowid DESC LIMIT 1"]  # noqa: S608
    )
    beat_us = -(-reading_us // BEAT_US) * BEAT_US
    return max(progress_us, beat_us), fix_us


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
        for _, together in groupby(burst, key=lambda frame: (frame.t_us - 1) // _BURST_US):
            frames = list(together)
            yield frames[-1].t_us, methodcaller("frames", frames)


def _orders(connection: sqlite3.Connection, session: int) -> Iterator[Input]:
    """What the crew commanded."""
    for t_us, detail in connection.cursor().execute(
        "SELECT t_us, detail FROM event WHERE session = ? AND kind = 'command' ORDER BY rowid", (session,)
    ):
        order = json.loads(detail)
        yield t_us, partial(_obey, t_us, order["name"], order["arguments"])


def _obey(t_us: int, name: str, arguments: dict[str, Any], pipeline: Pipeline) -> None:
    """A command that made sense then; with another itinerary it may not."""
    try:
        pipeline.command(t_us, name, arguments)
    except ValueError as error:
        log.warning("at %.1f s the crew's command cannot be obeyed: %s", t_us / 1e6, error)
