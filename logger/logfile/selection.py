"""Select part of a log by time or section, and convert session time to UTC.

Rows carry session time. One rule gives UTC, here and in the log's views: the newest clock row at or before a moment
applies; before the first clock row, the first one does. A session without GPS time has no UTC. Knows no file format.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import LogError
from logger.logfile import value_ranges

Integers = NDArray[np.int64]
Times = NDArray[np.datetime64]
"""UTC to the microsecond; NaT where it is unknown."""
Moment = datetime | time
"""A time of day means its first occurrence within the log."""

_PROGRESS_US = 1_500_000
"""Progress rows come once a second, so a section's begin or end event is this close to its first or last row."""
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d{1,6})?)?")
_END_US = 2**62
"""Later than the end of any session."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one session in session time, both ends included."""

    session: int
    first_us: int
    last_us: int


class Clock:
    """Convert session time to UTC."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read a log's clock rows; there is one per minute."""
        rows: dict[int, list[tuple[int, int]]] = {}
        for session, t_us, utc_us in connection.execute(
            "SELECT session, t_us, utc_us FROM clock ORDER BY session, t_us, rowid"
        ):
            rows.setdefault(session, []).append((t_us, utc_us))
        self._steps = {}
        for session, steps in rows.items():
            at_us, utc_us = np.array(steps, dtype=np.int64).T
            value_ranges.require("clock", "t_us", at_us)
            value_ranges.require("clock", "utc_us", utc_us)
            self._steps[session] = at_us, utc_us - at_us

    @property
    def sessions(self) -> frozenset[int]:
        """The sessions that have GPS time."""
        return frozenset(self._steps)

    def utc(self, session: Integers, t_us: Integers) -> Times:
        """UTC of rows, given the session and session time of each."""
        utc = np.full(len(t_us), "NaT", dtype="datetime64[us]")
        for own in _by_session(session):
            number = int(session[own][0])
            if number in self._steps:
                at_us, offset_us = self._steps[number]
                step = np.maximum(np.searchsorted(at_us, t_us[own], side="right") - 1, 0)
                utc[own] = (t_us[own] + offset_us[step]).astype("datetime64[us]")
        return utc

    def within(self, first: datetime, last: datetime) -> Iterator[Span]:
        """The stretches between two moments, at most one per session."""
        low, high = _utc_us(first), _utc_us(last)
        for session, (at_us, offset_us) in self._steps.items():
            begins = np.maximum(low - offset_us, [0, *at_us[1:]])
            ends = np.minimum(high - offset_us, [*(at_us[1:] - 1), _END_US])
            if (begins <= ends).any():
                is_inside = begins <= ends
                yield Span(session, int(begins[is_inside].min()), int(ends[is_inside].max()))


def _by_session(session: Integers) -> Iterator[slice | Integers]:
    """The row indices of each session, with a single sort: a log may have thousands of sessions."""
    if not len(session):
        return
    if session.min() == session.max():
        yield slice(None)
        return
    order = np.argsort(session, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(session[order])) + 1)


@dataclass(frozen=True, slots=True)
class Selection:
    """Stretches of a log in order of session; None selects the whole log."""

    clock: Clock
    spans: tuple[Span, ...] | None = None

    @property
    def condition(self) -> str:
        """SQL that is true for the selected rows."""
        if self.spans is None:
            return "1"
        return " OR ".join(
            f"(session = {span.session:d} AND t_us BETWEEN {span.first_us:d} AND {span.last_us:d})"
            for span in self.spans
        )

    def holds(self, session: Integers, t_us: Integers) -> NDArray[np.bool_]:
        """Whether each row is selected."""
        is_selected = np.full(len(t_us), self.spans is None)
        for span in self.spans or ():
            is_selected |= (session == span.session) & (t_us >= span.first_us) & (t_us <= span.last_us)
        return is_selected


def moment(text: str) -> Moment:
    """Parse a moment such as 2026-01-15T08:30Z, with or without date, seconds, offset. Raises ValueError."""
    if _TIME_OF_DAY.fullmatch(text):
        return time.fromisoformat(text.zfill(len(text) + (text[1] == ":")))
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def select(
    connection: sqlite3.Connection,
    first: Moment | None = None,
    last: Moment | None = None,
    section: int | None = None,
) -> Selection:
    """Select from `first` to `last`, both included, and within a section (from 1). Raises LogError."""
    clock = Clock(connection)
    spans: tuple[Span, ...] | None = None
    if first is not None or last is not None:
        begin, end = _extent(connection, clock)
        earliest, latest = _dated(first, begin, end) or begin, _dated(last, begin, end) or end
        spans = tuple(clock.within(earliest, latest))
        if not spans or earliest > end or latest < begin:
            raise LogError("the log has no rows between these times", hint=f"it covers {begin} to {end}")
    if section is not None:
        driven = tuple(_section_spans(connection, section - 1))
        spans = driven if spans is None else tuple(_common(spans, driven))
        if not spans:
            raise LogError(
                "the section has no rows between these times", hint="leave out the times or --section"
            )
    return Selection(clock, spans)


def _extent(connection: sqlite3.Connection, clock: Clock) -> tuple[datetime, datetime]:
    """The first and last UTC of a log, to the second. Raises LogError if it has no GPS time."""
    if not clock.sessions:
        raise LogError("the log has no GPS time", hint="use --section instead of --from and --to")
    ends = connection.execute(
        "SELECT session, min(t_us), max(t_us) FROM (SELECT session, t_us FROM fix"
        " UNION ALL SELECT session, t_us FROM event UNION ALL SELECT session, t_us FROM clock) GROUP BY session"
    ).fetchall()
    ends = [row for row in ends if row[0] in clock.sessions]
    numbers = np.array([row[0] for row in ends] * 2, dtype=np.int64)
    utc = clock.utc(numbers, np.array([row[at] for at in (1, 2) for row in ends], dtype=np.int64))
    begin, end = utc.min().astype("datetime64[s]").item(), utc.max().astype("datetime64[s]").item()
    return begin.replace(tzinfo=UTC), (end + timedelta(seconds=1)).replace(tzinfo=UTC)


def _dated(moment: Moment | None, begin: datetime, end: datetime) -> datetime | None:
    if not isinstance(moment, time):
        return moment
    days = [begin.date() + timedelta(days=day) for day in range((end.date() - begin.date()).days + 1)]
    moments = [datetime.combine(day, moment, UTC) for day in days]
    return next((each for each in moments if begin <= each <= end), moments[0])


def _section_spans(connection: sqlite3.Connection, index: int) -> Iterator[Span]:
    driven = connection.execute(
        "SELECT session, min(t_us), max(t_us) FROM progress WHERE section = ? AND elapsed_s IS NOT NULL"
        " GROUP BY session ORDER BY session",
        (index,),
    ).fetchall()
    if not driven:
        known = [
            row[0] + 1
            for row in connection.execute(
                "SELECT DISTINCT section FROM progress WHERE elapsed_s IS NOT NULL ORDER BY section"
            )
        ]
        hint = f"sections in the log: {', '.join(map(str, known))}" if known else "it has no section"
        raise LogError(f"the log has no rows of section {index + 1}", hint=hint)
    for session, first_us, last_us in driven:
        edges = [
            row[0]
            for row in connection.execute(
                "SELECT t_us FROM event WHERE session = ? AND kind = 'section'"
                " AND json_extract(detail, '$.index') = ?",
                (session, index),
            )
        ]
        begun = [at for at in edges if first_us - _PROGRESS_US <= at <= first_us]
        ended = [at for at in edges if last_us <= at <= last_us + _PROGRESS_US]
        yield Span(session, max(begun, default=first_us), min(ended, default=last_us))


def _common(spans: tuple[Span, ...], others: tuple[Span, ...]) -> Iterator[Span]:
    for one in spans:
        for other in others:
            first, last = max(one.first_us, other.first_us), min(one.last_us, other.last_us)
            if one.session == other.session and first <= last:
                yield Span(one.session, first, last)


def _utc_us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
