"""Read a recorded session back as the recorder's inputs: sentences, frames and commands in order of time.

Also how the session began and ended. `replay` and the review feed it to the computation again. Knows the log's tables
and computes nothing.
"""

from __future__ import annotations

import heapq
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter, methodcaller
from typing import Any

from firmware_bridge.records import EFF_FLAG, ERR_FLAG, EXTENDED_MASK, RTR_FLAG, CanFrame, Channel, Reading
from logger.logfile.reader import channels_of, detail_of
from logger.logfile.session_rows import SessionRows
from logger.logfile.value_ranges import holds
from logger.recorder.pipeline import BEAT_US, Pipeline
from logger.stage.declared import Alarm
from logger.tomlconfig.schema import TomlError, TomlFile, named

log = logging.getLogger(__name__)

_FRAMES_TOGETHER = 10_000
_BURST_US = 10_000
"""Time span of frames fed together, as in one round of the recorder. A frame exactly at a beat belongs to it."""

Input = tuple[int, Callable[[Pipeline], object]]
"""The time of an input, and the function that feeds it."""


def inputs(rows: SessionRows, session: int) -> Iterator[Input]:
    """All inputs in order of time; what arrived together is fed together."""
    return heapq.merge(
        _chunks(rows, session),
        _bursts(rows, session),
        _commands(rows, session),
        key=itemgetter(0),
    )


def begins_at(rows: SessionRows, session: int) -> int:
    """The session time at which a session's rows begin: above 0 in a log that began at a change of stage."""
    detail = _first_detail(rows, session, "session_begin") or {}
    begins_us: Any = detail.get("begins_us")
    return int(begins_us) if holds("t_us", begins_us) else 0


def resumed(rows: SessionRows, session: int) -> dict[str, Any] | None:
    """The state from which a session resumed after a break: `live`, and the break's `gap_s`; None without one."""
    return _first_detail(rows, session, "resumed")


def _first_detail(rows: SessionRows, session: int, kind: str) -> dict[str, Any] | None:
    """The detail of a session's first event of a kind; None without one."""
    row = rows.connection.execute(
        f"SELECT detail FROM event WHERE {rows.condition('event', session)} AND kind = ?",  # noqa: S608
        (kind,),
    ).fetchone()
    return None if row is None else detail_of(row[0]) or {}


def ended_at(rows: SessionRows, session: int) -> tuple[int, int | None]:
    """How far the recorder had come, and up to when it had closed the receiver's epochs: None for all of them.

    A session that ended properly has an event for it. After a power cut the last rows show the last beat, and an epoch
    without a fix was still open.
    """
    ended_us = rows.connection.execute(
        f"SELECT max(t_us) FROM event WHERE {rows.condition('event', session)} AND kind = 'session_end'"  # noqa: S608
    ).fetchone()[0]
    if ended_us is not None:
        return ended_us, None
    progress_us, reading_us, fix_us = (
        row[0] if (row := rows.connection.execute(sql).fetchone()) else 0
        for table in ("progress", "reading", "fix")
        for where in [rows.condition(table, session)]
        for sql in [f"SELECT t_us FROM {table} WHERE {where} ORDER BY rowid DESC LIMIT 1"]  # noqa: S608
    )
    beat_us = -(-reading_us // BEAT_US) * BEAT_US
    return max(progress_us, beat_us), fix_us


@dataclass(frozen=True, slots=True)
class _OwnAlarms:
    """The part of a recorded configuration that is read; the rest may be from another version of stagelog."""

    alarms: tuple[Alarm, ...] = field(default=(), metadata=named("alarm"))


def own_alarms(connection: sqlite3.Connection, session: int) -> tuple[Alarm, ...]:
    """The user's own alarms in a session, from the configuration it ran with."""
    (text,) = connection.execute("SELECT config FROM session WHERE id = ?", (session,)).fetchone()
    try:
        return TomlFile(text or "", f"session {session}").build(_OwnAlarms, whole=False).alarms
    except TomlError as error:
        log.warning("the user's own alarms cannot be read: %s", error)
        return ()


def readings(rows: SessionRows, session: int) -> Iterator[Reading]:
    """The readings that the engine's decoders made of the frames."""
    channels = channels_of(rows.connection)
    for t_us, channel, value in rows.connection.cursor().execute(
        f"SELECT t_us, channel, value FROM reading WHERE {rows.condition('reading', session)} ORDER BY rowid"  # noqa: S608
    ):
        if channel in channels:
            yield Reading(t_us, channels[channel], value)


def extended_ids(connection: sqlite3.Connection) -> list[int]:
    """The extended identifiers of all sessions, in order of first appearance. Raises sqlite3.Error."""
    rows = connection.execute(
        "SELECT can_id & ? AS id FROM frame WHERE can_id & ? GROUP BY id ORDER BY min(rowid)",
        (EFF_FLAG | RTR_FLAG | ERR_FLAG | EXTENDED_MASK, EFF_FLAG),
    )
    return [row[0] for row in rows]


class RecordedReadings:
    """The recorded readings of a log, returned beat by beat."""

    def __init__(self, readings: Iterator[Reading]) -> None:
        self._readings = readings
        self._next = next(readings, None)

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Ignores frames."""

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """Nothing to do: the channels have their names."""

    def tick(self, t_us: int) -> Sequence[Reading]:
        """The readings of the beat at `t_us`."""
        beat = []
        while self._next is not None and self._next.t_us <= t_us:
            beat.append(self._next)
            self._next = next(self._readings, None)
        return beat


def _chunks(rows: SessionRows, session: int) -> Iterator[Input]:
    """Sentences, those of one chunk together."""
    sentences = rows.connection.cursor().execute(
        f"SELECT t_us, port, text FROM sentence WHERE {rows.condition('sentence', session)} ORDER BY rowid"  # noqa: S608
    )
    for (t_us, port), together in groupby(sentences, key=itemgetter(0, 1)):
        texts = [row[2] for row in together]
        yield t_us, methodcaller("sentences", port, t_us, texts)


def _bursts(rows: SessionRows, session: int) -> Iterator[Input]:
    """Frames; only the engine's readings depend on them."""
    cursor = rows.connection.cursor().execute(
        f"SELECT t_us, bus, can_id, data FROM frame WHERE {rows.condition('frame', session)} ORDER BY rowid"  # noqa: S608
    )
    while burst := [CanFrame._make(row) for row in cursor.fetchmany(_FRAMES_TOGETHER)]:
        for _, together in groupby(burst, key=lambda frame: (frame.t_us - 1) // _BURST_US):
            frames = list(together)
            yield frames[-1].t_us, methodcaller("frames", frames)


def _commands(rows: SessionRows, session: int) -> Iterator[Input]:
    """The crew's commands."""
    for t_us, detail in rows.connection.cursor().execute(
        f"SELECT t_us, detail FROM event WHERE {rows.condition('event', session)} AND kind = 'command'"  # noqa: S608
        " ORDER BY rowid"
    ):
        command = detail_of(detail) or {}
        name, arguments = command.get("name"), command.get("arguments")
        if isinstance(name, str) and isinstance(arguments, dict):
            yield t_us, partial(_run_command, t_us, name, arguments)
        else:
            log.warning("at %.1f s a command is left out: not in the form that a recorder writes", t_us / 1e6)


def _run_command(t_us: int, name: str, arguments: dict[str, Any], pipeline: Pipeline) -> None:
    """Run a command; one that was valid then may fail with another itinerary."""
    try:
        pipeline.command(t_us, name, arguments)
    except ValueError as error:
        log.warning("at %.1f s the crew's command cannot be executed: %s", t_us / 1e6, error)
