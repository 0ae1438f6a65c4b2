"""Recompute a drive under other rules, for another itinerary, or from another device's track.

Recorded fixes, wheel speeds and commands pass through the recorder's own pipeline at its own ticks, so the result is
what the crew would have seen. Sentences and frames are not needed and not read.
"""

from __future__ import annotations

import dataclasses
import heapq
import sqlite3
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logger.judgement.evidence import (
    FIX_COLUMNS,
    SEEN_COLUMNS,
    Event,
    Evidence,
    Fixes,
    Floats,
    RawRows,
    Seen,
    assemble,
    table,
)
from logger.judgement.recorded_input import RecordedFixes, fixes_of, readings_of
from logger.logfile import value_ranges
from logger.logfile.rows import Rows
from logger.logfile.session_rows import SessionRows, require_few
from logger.recorder.pipeline import Pipeline
from logger.recorder.sources import Source
from logger.recorder.stage_files import Stage
from logger.replay.replay_source import RecordedReadings, own_alarms

Progress = Callable[[float], None]

STRIDE_US = 60_000_000
"""Rows are collected once per minute of the drive."""
RECOMPUTED_KINDS = frozenset(
    {"section", "waypoint", "overspeed", "alarm", "undone", "command", "state_refused", "speeds_rejected"}
)
"""Events that the computation produces again. All others are kept as recorded."""


def recompute(
    evidence: Evidence,
    stage: Stage,
    progress: Progress,
    connection: sqlite3.Connection | None = None,
    section: int | None = None,
) -> Evidence:
    """Recompute a drive against another stage or other rules.

    With `section` (from 0) only that section was driven, from its start; it keeps its number. `connection` is to the
    log, for its wheel speeds.
    """
    driven = stage if section is None else _with_only_section(stage, section)
    sessions = [int(number) for number in sorted(evidence.offsets_us)]  # SQLite does not match numpy integers
    require_few(sessions)
    rows = SessionRows(connection, sessions) if connection is not None else None
    row_blocks: list[tuple[int, Rows]] = []
    state: list[Any] | None = None
    for done, (number, part) in enumerate(_parts(evidence, sessions)):
        if connection is not None:
            _require_rows(part, number)
        fixes = RecordedFixes(fixes_of(part, number))
        source = Source("gps", fixes=fixes)
        alarms = own_alarms(connection, number) if connection else []
        live = driven.live(str(evidence.car.get("class", "")), alarms)
        pipeline = Pipeline([source], RecordedReadings(readings_of(rows, number, live)), live)
        pipeline.begin(_begins_us(part, number))
        if state is not None:
            live.restore(state, _gap_s(part, number))
        end_us = max(1.0, _end_us(part, number))
        for t_us in _advance(part, number, pipeline, is_last=number == sessions[-1]):
            progress((done + t_us / end_us) / len(sessions))
            row_blocks.append((number, pipeline.take()))
        state = live.state()
    return _with_rows(evidence, stage, row_blocks, section or 0)


def _parts(evidence: Evidence, sessions: list[int]) -> Iterator[tuple[int, Evidence]]:
    """Split the evidence by session, in time linear in the number of rows."""
    fixes, seen = (_rows_of(rows.session) for rows in (evidence.fixes, evidence.seen))
    events: dict[int, list[Event]] = {number: [] for number in sessions}
    for event in evidence.events:
        if event.session in events:
            events[event.session].append(event)
    for number in sessions:
        yield (
            number,
            dataclasses.replace(
                evidence,
                fixes=Fixes._make(column[fixes(number)] for column in evidence.fixes),
                seen=Seen._make(column[seen(number)] for column in evidence.seen),
                events=tuple(events[number]),
            ),
        )


def _rows_of(session: Floats) -> Callable[[int], NDArray[np.intp]]:
    """Return a function from session number to the indices of its rows, in order."""
    order = np.argsort(session, kind="stable")
    ordered = session[order]

    def rows(number: int) -> NDArray[np.intp]:
        first, last = np.searchsorted(ordered, [number, number + 1])
        return order[first:last]

    return rows


def _require_rows(evidence: Evidence, session: int) -> None:
    """Raise LogError if a session has too few rows for its duration."""
    rows = np.count_nonzero(evidence.fixes.session == session)
    rows += np.count_nonzero(evidence.seen.session == session)
    rows += sum(event.session == session for event in evidence.events)
    span_us = _end_us(evidence, session) - _begins_us(evidence, session)
    value_ranges.require_rows_for(session, span_us, int(rows))


def _with_only_section(stage: Stage, section: int) -> Stage:
    assert stage.itinerary is not None  # noqa: S101 - checked by the caller
    only = dataclasses.replace(stage.itinerary, sections=stage.itinerary.sections[section : section + 1])
    return dataclasses.replace(stage, itinerary=only)


def _advance(evidence: Evidence, session: int, pipeline: Pipeline, *, is_last: bool) -> Iterator[float]:
    """Advance the pipeline to each minute, command, and the end; after a power cut the next session continues it."""
    end_us = round(_end_us(evidence, session))
    from_us = pipeline.t_us + STRIDE_US
    strides: Iterator[tuple[int, Any]] = ((t_us, None) for t_us in range(from_us, end_us, STRIDE_US))
    commands = (
        (event.t_us, event.detail)
        for event in evidence.events
        if event.session == session and event.kind == "command"
    )
    for t_us, command in heapq.merge(strides, commands, key=itemgetter(0)):
        if command is None:
            pipeline.advance(t_us)
        else:
            _apply_command(pipeline, t_us, command)
        yield t_us
    if is_last or any(e.session == session and e.kind == "session_end" for e in evidence.events):
        pipeline.finish(end_us)
    else:
        pipeline.advance(end_us)
        pipeline.close_epochs()
    yield end_us


def _apply_command(pipeline: Pipeline, t_us: int, command: dict[str, Any]) -> None:
    try:
        pipeline.command(t_us, str(command.get("name")), command.get("arguments") or {})
    except ValueError as error:
        pipeline.event(t_us, "refused", {"name": command.get("name"), "why": str(error)})


def _end_us(evidence: Evidence, session: int) -> float:
    ends = [float(evidence.fixes.t_us[evidence.fixes.session == session].max(initial=0.0))]
    ends += [event.t_us for event in evidence.events if event.session == session][-1:]
    return max(ends)


def _begins_us(evidence: Evidence, session: int) -> int:
    """Session time at which the rows begin: above 0 in a log that a change of stage started."""
    begins = [e.detail for e in evidence.events if e.session == session and e.kind == "session_begin"]
    return int(begins[0].get("begins_us") or 0) if begins else 0


def _gap_s(evidence: Evidence, session: int) -> float | None:
    for event in evidence.events:
        if event.session == session and event.kind == "resumed":
            gap_s = event.detail.get("gap_s")
            return float(gap_s) if gap_s is not None else None
    return None


def _with_rows(evidence: Evidence, stage: Stage, row_blocks: list[tuple[int, Rows]], first: int) -> Evidence:
    """Replace the progress rows and the computed events; sections count from `first`."""
    fixes = evidence.fixes
    seen = table(
        (
            (number, row.t_us, None if row.section is None else row.section + first, *row[2:])
            for number, rows in row_blocks
            for row in rows.progress
        ),
        SEEN_COLUMNS,
    )
    events = [
        (e.session, e.t_us, e.kind, e.detail) for e in evidence.events if e.kind not in RECOMPUTED_KINDS
    ]
    events += [
        (number, event.t_us, event.kind, _shifted(dict(event.detail), first))
        for number, rows in row_blocks
        for event in rows.event
    ]
    columns = (fixes.session, fixes.t_us, fixes.utc_us, *fixes[4:])
    fix: Floats = np.column_stack(columns) if len(fixes.t_us) else np.empty((0, FIX_COLUMNS))
    # At equal times recorded events come before computed ones, which keep their order.
    events.sort(key=itemgetter(0))
    return assemble(
        evidence.name,
        evidence.meta,
        stage,
        RawRows(fix, seen, events),
        remarks=evidence.remarks,
        damage=evidence.damage,
        path=evidence.path,
        counts=evidence.counts,
    )


def _shifted(detail: dict[str, Any], first: int) -> dict[str, Any]:
    for key in ("section", "index"):
        if isinstance(detail.get(key), int):
            detail[key] += first
    return detail
