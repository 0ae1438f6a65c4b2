"""Evidence of a recording as arrays: fixes, the crew's display, events. The input of every review.

A log's own rows are used unchanged, because they are the result of the live computation; `recompute` computes them
again where rules or itinerary differ. Knows no penalties. Every row gets a time on one axis, `at_us`, which is UTC
where GPS provides it, so that sessions before and after a power cut form one drive. Frames and sentences are never
read. A damaged log is kept up to the damage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.gps.dating import Dates
from firmware_bridge.gps.utc import IN_LINE_US, session_offset_us
from logger.logfile.meta import car_of
from logger.recorder.stage_files import Stage

Floats = NDArray[np.float64]

CHUNK_ROWS = 10_000
"""Rows converted to an array at a time, which bounds the memory for Python objects."""


class Event(NamedTuple):
    """A row of the event table, on the drive's time axis."""

    session: int
    t_us: int
    at_us: int
    kind: str
    detail: dict[str, Any]


class Fixes(NamedTuple):
    """Fixes in order, one column per field; nan where unknown."""

    session: Floats
    t_us: Floats
    at_us: Floats
    utc_us: Floats
    lat: Floats
    lon: Floats
    alt_m: Floats
    mps: Floats
    course_deg: Floats
    quality: Floats
    satellites: Floats
    hdop: Floats

    @property
    def located(self) -> NDArray[np.bool_]:
        """Mask of the fixes that have a position."""
        return np.isfinite(self.lat)


class Seen(NamedTuple):
    """Progress rows, which the crew saw once per second; one column per field."""

    session: Floats
    t_us: Floats
    at_us: Floats
    section: Floats
    distance_m: Floats
    elapsed_s: Floats
    average_mps: Floats
    limit_kmh: Floats
    mps: Floats


FIX_COLUMNS, SEEN_COLUMNS = 11, 8


@dataclass(frozen=True)
class Evidence:
    """A recording. `remarks` are for the reader; `damage` is the first read error, "" if there is none."""

    name: str
    meta: dict[str, str]
    stage: Stage
    fixes: Fixes
    seen: Seen
    events: tuple[Event, ...]
    remarks: tuple[str, ...] = ()
    damage: str = ""
    utc_known: bool = True
    path: Path | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Number of rows in the tables that are not read."""
    offsets_us: dict[int, float] = field(default_factory=dict)
    """at_us minus t_us of each session."""
    checked_itinerary: str = ""
    """The itinerary file given for this review, or ""."""

    def at_us(self, session: Floats, t_us: Floats) -> Floats:
        """The session times of rows on the drive's time axis."""
        return t_us + _by_session(session, self.offsets_us)

    @property
    def car(self) -> dict[str, Any]:
        """Number, name, class and crew, as far as known."""
        return car_of(self.meta)


class RawRows(NamedTuple):
    """Rows before alignment: session, then the columns of the log's tables."""

    fix: Floats
    progress: Floats
    event: list[tuple[int, int, str, dict[str, Any]]]


def table(rows: Iterable[Sequence[Any]], columns: int) -> Floats:
    """Convert rows of numbers and None to an array, in chunks of `CHUNK_ROWS`."""
    rows = iter(rows)
    parts = []
    while chunk := list(islice(rows, CHUNK_ROWS)):
        parts.append(np.array(chunk, dtype=np.float64))
    return np.concatenate(parts) if parts else np.empty((0, columns))


def assemble(name: str, meta: dict[str, str], stage: Stage, rows: RawRows, **more: Any) -> Evidence:
    """Build evidence from raw rows: put them on one time axis."""
    offsets_us = _offsets(rows, Dates.of(meta.get("written")))
    utc_known = bool(offsets_us) and all(known for _, known in offsets_us.values())
    shifts = {session: offset for session, (offset, _) in offsets_us.items()}
    fix, seen = rows.fix, rows.progress
    expected = fix[:, 1] + _by_session(fix[:, 0], shifts)
    utc_us = fix[:, 2]
    # A fix that disagrees with its session's clock was delayed on its way.
    in_line = np.isfinite(fix[:, 3]) & (np.abs(utc_us - expected) < IN_LINE_US)
    at_us = np.maximum.accumulate(np.where(in_line, utc_us, expected)) if len(fix) else expected
    seen_at = seen[:, 1] + _by_session(seen[:, 0], shifts)
    events = tuple(
        Event(session, t_us, _event_at(detail, t_us + shifts.get(session, 0.0)), kind, detail)
        for session, t_us, kind, detail in rows.event
    )
    return Evidence(
        name,
        meta,
        stage,
        Fixes(fix[:, 0], fix[:, 1], at_us, *fix.T[2:]),
        Seen(seen[:, 0], seen[:, 1], seen_at, *seen.T[2:]),
        events,
        utc_known=utc_known,
        offsets_us=shifts,
        **more,
    )


def _event_at(detail: dict[str, Any], expected_us: float) -> int:
    utc_us = detail.get("utc_us")
    if isinstance(utc_us, int) and abs(utc_us - expected_us) < 60 * IN_LINE_US:
        return utc_us
    return round(expected_us)


def _by_session(sessions: Floats, shifts: dict[int, float]) -> Floats:
    """The time shift of each row, looked up by its session."""
    if not shifts:
        return np.zeros(len(sessions))
    numbers = np.array(sorted(shifts), dtype=np.float64)
    offsets_us = np.array([shifts[number] for number in sorted(shifts)])
    at = np.searchsorted(numbers, sessions).clip(0, len(numbers) - 1)
    return np.where(numbers[at] == sessions, offsets_us[at], 0.0)


def _offsets(rows: RawRows, dates: Dates) -> dict[int, tuple[float, bool]]:
    """UTC minus t_us of each session, and whether it comes from GPS; otherwise the session follows the previous one."""
    offsets: dict[int, tuple[float, bool]] = {}
    end_us = 0.0
    last_events = {session: t_us for session, t_us, *_ in rows.event}
    numbers = {*rows.fix[:, 0].astype(int), *rows.progress[:, 0].astype(int), *last_events}
    order = np.argsort(rows.fix[:, 0], kind="stable")
    in_order = rows.fix[order, 0]
    for session in sorted(numbers):
        first, last = np.searchsorted(in_order, [session, session + 1])
        fix = rows.fix[order[first:last]]
        learned_us = session_offset_us(fix[:, 1], fix[:, 2], fix[:, 3], dates)
        offset_us = end_us if learned_us is None else learned_us
        offsets[session] = offset_us, learned_us is not None
        lasts = [fix[-1, 1] if len(fix) else 0.0]
        lasts += [last_events[session]] if session in last_events else []
        end_us = offset_us + max(lasts)
    return offsets
