"""Marks of a drive: starts and finishes of sections, and validated waypoints, for beacons and timing gates.

They are the recorded events, so that another program's splits are those of the crew and of the review. Undone changes
are left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from firmware_bridge.gps.utc import IN_LINE_US
from firmware_bridge.printable import printable
from logger.export.time_axis import TimeAxis
from logger.logfile import value_ranges
from logger.logfile.reader import detail_of
from logger.logfile.selection import Selection
from logger.stage.course import END
from logger.stage.itinerary import SPLITS, WAYPOINT_KINDS
from logger.stage.standing import standing

TIMED = "selective"
"""The kind of section whose time counts."""
_EVENTS = "SELECT session, t_us, kind, detail FROM event WHERE kind IN ('section', 'waypoint', 'undone') ORDER BY rowid"
_IN_LINE_US = 60 * IN_LINE_US
"""As in the review: a crossing is dated by interpolation and may be some seconds before its event is written."""
_MAX_NUMBER = 1e6


class Mark(NamedTuple):
    """A mark on the axis. `in_timed`: within a timed section, or its start or finish."""

    at_us: int
    label: str
    what: Literal["start", "finish", "split", "waypoint"]
    in_timed: bool


class _Event(NamedTuple):
    at_us: int
    kind: str
    detail: Mapping[str, Any]
    selected: bool


def marks_of(connection: sqlite3.Connection, selection: Selection, axis: TimeAxis) -> list[Mark]:
    """The marks of a selection in order of time. Skips events that no recorder writes. Raises sqlite3.Error."""
    marks: list[Mark] = []
    timed = False
    for event in standing(_events(connection, selection, axis)):
        mark, timed = _mark(event, timed)
        if mark is not None and event.selected:
            marks.append(mark)
    return sorted(marks, key=lambda mark: mark.at_us)


def _events(connection: sqlite3.Connection, selection: Selection, axis: TimeAxis) -> list[_Event]:
    rows = [
        (session, t_us, kind, detail)
        for session, t_us, kind, text in connection.execute(_EVENTS)
        if (detail := detail_of(text)) is not None
        and value_ranges.holds("session", session)
        and value_ranges.holds("t_us", t_us)
    ]
    sessions, times = (np.array([row[column] for row in rows], dtype=np.int64) for column in (0, 1))
    return [
        _Event(_at_us(detail, expected_us), kind, detail, selected)
        for (_, _, kind, detail), expected_us, selected in zip(
            rows, axis.at(sessions, times).tolist(), selection.holds(sessions, times).tolist(), strict=True
        )
    ]


def _at_us(detail: Mapping[str, Any], expected_us: int) -> int:
    """The exact UTC of an event, unless its session's clock contradicts it."""
    utc_us = detail.get("utc_us")
    return utc_us if isinstance(utc_us, int) and abs(utc_us - expected_us) < _IN_LINE_US else expected_us


def _mark(event: _Event, timed: bool) -> tuple[Mark | None, bool]:
    """The mark of an event, if it is one, and whether a timed section runs after it."""
    detail = event.detail
    name, kind, state = (str(detail.get(key) or "") for key in ("name", "kind", "state"))
    name = printable(name)
    if event.kind == "section":
        own = kind == TIMED
        name = name or f"Section {_number(detail.get('index')) + 1:g}"
        match state:
            case "started":
                return Mark(event.at_us, f"{name} start", "start", own), own
            case "finished":
                return Mark(event.at_us, f"{name} finish", "finish", own), False
    elif state == "validated" and (kind in WAYPOINT_KINDS or kind == END):
        label = name or f"{kind.upper()} {_number(detail.get('km')):g}"
        return Mark(event.at_us, label, "split" if kind in SPLITS else "waypoint", timed), timed
    return None, timed


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _MAX_NUMBER else 0.0
