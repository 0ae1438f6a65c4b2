"""Rows of the event and progress tables, and the details of each kind of event.

Fields are in the order of the log's columns. Details hold JSON values; kinds and their keys:

    section    state started | finished, index, kind, name, cause (crossing, distance, schedule, moving, crew)
    waypoint   state open | validated | missed, section, kind, name, km, nearest_m, estimated, moved_m
    overspeed  section, zone, km, limit_kmh, max_kmh, duration_s, distance_m, impulses
    alarm      state raised | acknowledged | cleared, name, level
    command    name, arguments
    undone     what
    state_refused  why
    speeds_rejected  gps, wheel, obd: number of implausible speeds since the last report

Each also has `utc_us`, null while UTC is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from logger.stage.course import Course, Mark
    from logger.stage.odometer import Past
    from logger.stage.passing import Passed
    from logger.stage.run import Run

Emit = Callable[[int, str, Mapping[str, Any]], None]
"""Function that takes drive time, kind and detail of an event."""


class Event(NamedTuple):
    """A row of the event table."""

    t_us: int
    kind: str
    detail: Mapping[str, Any]


class ProgressRow(NamedTuple):
    """A row of the progress table: what the crew saw in one second."""

    t_us: int
    section: int | None
    distance_m: float
    elapsed_s: float | None
    average_mps: float | None
    limit_kmh: float | None
    speed_mps: float | None


def section_detail(index: int, course: Course, state: str, cause: str) -> dict[str, Any]:
    """Return the detail of a section started or finished, with its cause."""
    section = course.section
    return {"state": state, "index": index, "kind": section.kind, "name": section.name, "cause": cause}


def finish_detail(run: Run, past: Past) -> dict[str, Any]:
    """Return the results of a section that finishes at `past`."""
    elapsed_us, average_mps = run.elapsed_us(past.at_us), run.average_mps(past)
    return {
        "elapsed_s": None if elapsed_us is None else elapsed_us / 1e6,
        "distance_m": round(run.metres(past.total_m), 1),
        "average_mps": None if average_mps is None else round(average_mps, 4),
        "start_estimated": run.start_estimated,
    }


def waypoint_detail(
    section: int, mark: Mark, state: str, passed: Passed | None, **more: float
) -> dict[str, Any]:
    """Return the detail of a waypoint opened, validated (with the passage) or missed."""
    detail = {
        "state": state,
        "section": section,
        "kind": mark.kind,
        "name": mark.name,
        "km": mark.metres / 1000,
    }
    if passed is not None:
        nearest_m = None if passed.nearest_m is None else round(passed.nearest_m, 1)
        detail |= {"nearest_m": nearest_m, "estimated": passed.estimated}
    return detail | more
