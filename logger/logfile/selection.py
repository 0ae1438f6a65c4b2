"""Which part of a log: sessions and stretches of them, by UTC or by section; and what time it was then.

Rows carry session time. The one rule for UTC, here and in the log's views: what the newest clock row at or before a
moment says, or the session's first one for what came before it; a session that never learned the time has no UTC. Knows
nothing of formats.
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
"""UTC to the microsecond; "not a time" where it is not known."""
Moment = datetime | time
"""A time of day stands for the first such time within the log."""

_PROGRESS_US = 1_500_000
"""Progress rows come once a second: the event that began or ended a section lies this near its first or last."""
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d{1,6})?)?")
_END_US = 2**62
"""Later than any session lasts."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one session, both ends included, in session time."""

    session: int
    first_us: int
    last_us: int


class Clock:
    """Session time to UTC."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read a log's clock rows; there is one a minute."""
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
        """The sessions whose time is known."""
        return frozenset(self._steps)

    def utc(self, session: Integers, t_us: Integers) -> Times:
        """UTC of rows, each of its session."""
        utc = np.full(len(t_us), "NaT", dtype="datetime64[us]")
        for own in _by_session(session):
            number = int(session[own][0])
            if number in self._steps:
                at_us, offset_us = self._steps[number]
                step = np.maximum(np.searchsorted(at_us, t_us[own], side="right") - 1, 0)
                utc[own] = (t_us[own] + offset_us[step]).astype("datetime64[us]")
        return utc

    def within(self, first: datetime, last: datetime) -> Iterator[Span]:
        """The stretches that lie between two moments, a session at most one."""
        low, high = _utc_us(first), _utc_us(last)
        for session, (at_us, offset_us) in self._steps.items():
            begins = np.maximum(low - offset_us, [0, *at_us[1:]])
            ends = np.minimum(high - offset_us, [*(at_us[1:] - 1), _END_US])
            if (begins <= ends).any():
                held = begins <= ends
                yield Span(session, int(begins[held].min()), int(ends[held].max()))


def _by_session(session: Integers) -> Iterator[slice | Integers]:
    """The rows of each session, in the time of one sort: a log may have thousands of sessions."""
    if not len(session):
        return
    if session.min() == session.max():
        yield slice(None)
        return
    order = np.argsort(session, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(session[order])) + 1)


@dataclass(frozen=True, slots=True)
class Selection:
    """Stretches of a log, in order of session; None is all of it."""

    clock: Clock
    spans: tuple[Span, ...] | None = None

    @property
    def condition(self) -> str:
        """In SQL, true for the rows of the selection."""
        if self.spans is None:
            return "1"
        return " OR ".join(
            f"(session = {span.session:d} AND t_us BETWEEN {span.first_us:d} AND {span.last_us:d})"
            for span in self.spans
        )

    def holds(self, session: Integers, t_us: Integers) -> NDArray[np.bool_]:
        """The same of rows."""
        held = np.full(len(t_us), self.spans is None)
        for span in self.spans or ():
            held |= (session == span.session) & (t_us >= span.first_us) & (t_us <= span.last_us)
        return held


def moment(text: str) -> Moment:
    """A moment as people write it: 2026-01-15T08:30Z, with or without date, seconds, offset. Raises ValueError."""
    if _TIME_OF_DAY.fullmatch(text):
        return time.fromisoformat(text.zfill(len(text) + (text[1] == ":")))
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def select(
    connection: sqlite3.Connection,
    first: Moment | None = None,
    last: Moment | None = None,
    section: int | None = None,
) -> Selection:
    """The part of a log from `first` to `last`, both included, and within a section (from 1). Raises LogError."""
    clock = Clock(connection)
    spans: tuple[Span, ...] | None = None
    if first is not None or last is not None:
        begin, end = _extent(connection, clock)
        earliest, latest = _dated(first, begin, end) or begin, _dated(last, begin, end) or end
        spans = tuple(clock.within(earliest, latest))
        if not spans or earliest > end or latest < begin:
            raise LogError(
                "nothing of the log lies between these times", hint=f"it reaches from {begin} to {end}"
            )
    if section is not None:
        driven = tuple(_section_spans(connection, section - 1))
        spans = driven if spans is None else tuple(_common(spans, driven))
        if not spans:
            raise LogError("nothing of the section lies between these times", hint="leave out one of the two")
    return Selection(clock, spans)


def _extent(connection: sqlite3.Connection, clock: Clock) -> tuple[datetime, datetime]:
    """From when to when a log reaches, to the second. Raises LogError where it never learned the time."""
    if not clock.sessions:
        raise LogError("the log never learned the time", hint="leave out --from and --to; --section works")
    ends = connection.execute(
        "SELECT session, min(t_us), max(t_us) FROM (SELECT session, t_us FROM fix"
        " UNION ALL SELECT session, t_us FROM event UNION ALL SELECT session, t_us FROM clock) GROUP BY session"
    ).fetchall()
    ends = [row for row in ends if row[0] in clock.sessions]
    numbers = np.array([row[0] for row in ends] * 2, dtype=np.int64)
    utc = clock.utc(numbers, np.array([row[at] for at in (1, 2) for row in ends], dtype=np.int64))
    begin, end = utc.min().astype("datetime64[s]").item(), utc.max().astype("datetime64[s]").item()
    return begin.replace(tzinfo=UTC), (end + timedelta(seconds=1)).replace(tzinfo=UTC)


def _dated(wanted: Moment | None, begin: datetime, end: datetime) -> datetime | None:
    if not isinstance(wanted, time):
        return wanted
    days = [begin.date() + timedelta(days=day) for day in range((end.date() - begin.date()).days + 1)]
    moments = [datetime.combine(day, wanted, UTC) for day in days]
    return next((found for found in moments if begin <= found <= end), moments[0])


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
        driven_ones = f"driven were {', '.join(map(str, known))}" if known else "no section of it was driven"
        raise LogError(f"nothing of section {index + 1} is in the log", hint=driven_ones)
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


def _common(some: tuple[Span, ...], others: tuple[Span, ...]) -> Iterator[Span]:
    for one in some:
        for other in others:
            first, last = max(one.first_us, other.first_us), min(one.last_us, other.last_us)
            if one.session == other.session and first <= last:
                yield Span(one.session, first, last)


def _utc_us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
