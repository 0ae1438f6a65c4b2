"""Replay a recording through the recorder's computation: a log, an NMEA text, a CAN log, or port bytes.

Times are the recording's own: those of a log as they are, others as `captures` derives them. Nothing here reads a
clock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from firmware_bridge.engine.readings import EngineReadings, GroupDecoder
from firmware_bridge.errors import LogError
from firmware_bridge.gps.dating import EPOCH, OLDEST_LOG, Dates
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.printable import marked
from firmware_bridge.protocols import nmea, protocol, ubx
from logger.boundary.file_kind import other_kind
from logger.boundary.os_errors import hint_for
from logger.boundary.utc_text import utc_text
from logger.config.input_files import NotAFileError
from logger.logfile.border import as_log_errors, open_log_readonly
from logger.logfile.meta import car_of, json_of, meta_of
from logger.logfile.rows import TABLES, Rows
from logger.logfile.session_rows import SessionRows
from logger.logfile.value_ranges import require_rows_for
from logger.recorder.pipeline import Pipeline
from logger.recorder.setup import LOG_FORMAT, engine_decoders
from logger.recorder.sources import Engine, Source
from logger.recorder.stage_files import stage_of
from logger.replay import canlogs, captures, nmea_times, replay_source, text_lines
from logger.replay.canlogs.candump import Candump
from logger.replay.python_can_reader import BLF
from logger.replay.text_lines import Progress
from logger.version import SOFTWARE

_HEAD_BYTES = 65_536
"""Bytes examined to recognise a file's format: comments may come first."""
_CAN_LOGS = ("candump", "SavvyCAN CSV", "ASC", "BLF", "PEAK TRC", "BUSMASTER", "MF4", "python-can's own")
_PYTHON_CAN = (BLF, b"MDF     ", b"UnFinMF ")
"""The first bytes of formats that python-can reads: BLF; MF4, complete and unfinished."""
_MAX_PORTS = 100
"""Ports with sentences at most: a car has one or two."""
_TAKE_EVERY = 1000
"""Inputs between two batches of rows."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What to replay, and how to decode the engine's frames. `baud` is the speed of raw bytes.

    `as_dated`: the dates of its fixes are true, however early (a week rollover is not corrected).
    """

    path: Path
    protocol: str | None = None
    baud: int = 115_200
    dbc_texts: dict[str, str] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    itinerary_text: str = ""
    as_dated: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a replay: the log's meta, its rows in small batches, and where they begin."""

    meta: dict[str, str]
    rows: Iterator[Rows]
    begins_us: int = 0


def kind_of(capture: Capture, also: str = "") -> str:
    """The kind of a file: "log", "raw", "can text", "can file", "nmea" or "ubx". Raises LogError for others.

    `also` extends the error's hint: what the caller accepts besides.
    """
    where = str(capture.path)
    try:
        head = text_lines.head(capture.path, _HEAD_BYTES)
    except NotAFileError as error:
        hint = "name a file that contains a recording"
        raise LogError(str(error.strerror), where=where, hint=hint) from error
    except OSError as error:
        hint = hint_for(error, "check the name")
        raise LogError(f"cannot be read: {error.strerror}", where=where, hint=hint) from error
    if not head:
        raise LogError("is empty", where=where, hint="name a file that contains a recording")
    is_database = head.startswith(b"SQLite format 3\0")
    if capture.protocol is not None:
        if is_database:
            raise LogError("a log, not the bytes of a port", where=where, hint="leave --protocol out")
        return "raw"
    if is_database:
        return "can file" if captures.is_python_can_database(capture.path) else "log"
    if head.startswith(_PYTHON_CAN):
        return "can file"
    if _has_ubx(head):
        return "ubx"
    if canlogs.recognised(text_lines.lines_of(head)) is not None:
        return "can text"
    if nmea_times.SENTENCE.search(head):
        return "nmea"
    if (other := other_kind(capture.path, "text")) is not None:
        raise LogError(f"cannot be read: {other.name}, not a recording", where=where, hint=other.hint)
    hint = f"it takes a log, an NMEA text, or a CAN log ({', '.join(_CAN_LOGS)}){also}"
    raise LogError("neither a log, an NMEA text nor a CAN log", where=where, hint=hint)


def _has_ubx(head: bytes) -> bool:
    """Whether the first bytes of a file contain a receiver's binary messages, alone or among sentences."""
    if ubx.SYNC not in head:
        return False
    decoder = nmea.Decoder()
    sentences = decoder.feed(head, 0).sentences
    return decoder.foreign > 0 or any(sentence.text.startswith(ubx.TEXT_START) for sentence in sentences)


def sessions(capture: Capture, progress: Progress) -> Iterator[Session]:
    """Replay a file, session by session; read each to its end before the next. Raises StagelogError."""
    kind = kind_of(capture, "; bytes of a port with --protocol")
    if kind == "log":
        for session in _log_sessions(capture, progress):
            yield replace(session, rows=_read(capture.path, session.rows))
        return
    decoders = engine_decoders(capture.dbc_texts, capture.presets)
    port = marked(capture.path.name)  # a log holds only UTF-8, a file name may be other bytes
    name = capture.protocol or ("nmea" if kind == "ubx" else kind)
    written = _written(capture)
    fixes = FixBuilder(Dates.of(written), has_arrivals=False) if name == "nmea" else None
    can_decoder = canlogs.Decoder(_reader(capture.path))
    decoder = can_decoder if kind.startswith("can ") else protocol(name).decoder(0)
    source = Source(port, decoder, fixes)
    pipeline = Pipeline(
        [source], EngineReadings(decoders), stage_of(capture.itinerary_text, "the itinerary").live("")
    )
    rows = {
        "raw": lambda: captures.raw_bytes(capture.path, capture.baud, pipeline, port, progress),
        "nmea": lambda: captures.nmea_text(capture.path, pipeline, port, progress),
        "ubx": lambda: captures.receiver_bytes(capture.path, pipeline, port, progress),
        "can text": lambda: captures.can_text(capture.path, pipeline, port, progress, can_decoder),
        "can file": lambda: captures.can_file(capture.path, pipeline, progress),
    }[kind]()
    meta = {
        "format": LOG_FORMAT,
        "software": SOFTWARE,
        "ports": json.dumps([{"name": port, "protocol": name}]),
        "buses": json.dumps({} if fixes else {"0": port}),
        "presets": json.dumps(capture.presets),
        "replayed": port,
        "written": written,
        **{f"dbc:{dbc}": text for dbc, text in capture.dbc_texts.items()},
    }
    yield Session(meta, rows)


def _read(path: Path, rows: Iterator[Rows]) -> Iterator[Rows]:
    """The rows of a log's session, computed on demand; any error from its values becomes a LogError."""
    with as_log_errors(path, "`stagelog verify` shows what is readable"):
        yield from rows


def _written(capture: Capture) -> str:
    """Latest possible ISO date of a file's fixes (dating.py, rule 3); "" if unknown."""
    if capture.as_dated:
        return EPOCH.isoformat()
    written = (utc_text(capture.path.stat().st_mtime * 1e6) or "")[: len(EPOCH.isoformat())]
    return written if written >= OLDEST_LOG.isoformat() else ""  # the clock was never set


def _reader(path: Path) -> canlogs.LineReader:
    """The reader of a CAN log as text; an unused one for other files."""
    return canlogs.recognised(text_lines.lines_of(text_lines.head(path, _HEAD_BYTES))) or Candump()


def _log_sessions(capture: Capture, progress: Progress) -> Iterator[Session]:
    with open_log_readonly(capture.path) as connection:
        meta = meta_of(connection)
        stage = stage_of(
            capture.itinerary_text or meta.get("itinerary", ""),
            "the log's itinerary",
            meta.get("rules", ""),
            "the log's rules",
            reset_odometer=json_of(meta, "reset_odometer", True),
        )
        class_name = car_of(meta).get("class", "")
        ports = _ports(connection)
        numbers = [row[0] for row in connection.execute("SELECT id FROM session ORDER BY id")]
        session_rows = SessionRows(connection, numbers)
        for done, number in enumerate(numbers):
            dates, has_arrivals = (
                Dates.of(meta.get("written")),
                "written" not in meta,
            )  # the log of a capture has "written"
            sources = [Source(port, fixes=FixBuilder(dates, has_arrivals=has_arrivals)) for port in ports]
            live = stage.live(class_name, replay_source.own_alarms(connection, number))
            pipeline = Pipeline(sources, _engine(capture, session_rows, number), live)
            begins_us = replay_source.begins_at(session_rows, number)
            pipeline.begin(begins_us)
            _resume(pipeline, session_rows, number)
            rows = _log_session(session_rows, number, pipeline, _part(progress, done, len(numbers)))
            yield Session(meta | {"replayed": marked(capture.path.name)}, rows, begins_us)


def _engine(capture: Capture, rows: SessionRows, session: int) -> Engine:
    """The recorded readings, or, with decoders of the caller's, readings computed again from the frames."""
    if capture.dbc_texts or capture.presets:
        decoders = engine_decoders(capture.dbc_texts, capture.presets)
        for decoder in decoders:
            # Names depend on the whole log, not on the session.
            if isinstance(decoder, GroupDecoder) and decoder.has_groups:
                for can_id in replay_source.extended_ids(rows.connection):
                    decoder.of(can_id)
        return EngineReadings(decoders)
    return replay_source.RecordedReadings(replay_source.readings(rows, session))


def _ports(connection: sqlite3.Connection) -> list[str]:
    """The ports with sentences. Raises LogError if there are more than any car has."""
    query = connection.execute("SELECT DISTINCT port FROM sentence LIMIT ?", (_MAX_PORTS + 1,))
    ports = [row[0] for row in query]
    if len(ports) > _MAX_PORTS:
        raise LogError(f"has sentences of over {_MAX_PORTS} ports", hint="run `stagelog verify` for details")
    return ports


def _resume(pipeline: Pipeline, rows: SessionRows, session: int) -> None:
    """Restore the state with which the recorder began this session."""
    detail = replay_source.resumed(rows, session)
    if detail is not None:
        pipeline.live.restore(detail["live"], detail["gap_s"])
        pipeline.event(0, "resumed", detail)


def _part(progress: Progress, done: int, of: int) -> Progress:
    """The progress of one of several parts of equal weight."""
    return lambda share: progress((done + share) / of)


def _log_session(rows: SessionRows, session: int, pipeline: Pipeline, progress: Progress) -> Iterator[Rows]:
    """The rows computed from the session's inputs. Raises LogError if its times reach too far."""
    came_to_us, closed_us = replay_source.ended_at(rows, session)
    count_of_rows = sum(rows.count(table, session) for table in TABLES)
    begins_us = pipeline.t_us
    require_rows_for(session, came_to_us - begins_us, count_of_rows)
    for count, (t_us, feed) in enumerate(replay_source.inputs(rows, session)):
        require_rows_for(session, t_us - begins_us, count_of_rows)
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
