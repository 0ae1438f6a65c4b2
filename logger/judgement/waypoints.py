"""State of every waypoint of the itinerary, and the car's nearest distance to it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from firmware_bridge.wgs84 import metres_per_degree
from logger.judgement.evidence import Evidence, Floats
from logger.judgement.places import Places
from logger.judgement.runs import CROSSED, Day, Passage, SectionRun
from logger.stage.course import END, Course, Mark

CHARGED = frozenset({"wpv", "wpe", "wpm", "wps", "wpn", "wpp", "wpc", "cp", "dz", "fz"})
"""Kinds with a time penalty when missed in a timed section; without start or finish the section is not finished."""

EDGE_SHARE = 0.8
"""A waypoint validated further out than this share of its circle is near the edge: with a receiver a few metres off, a
steward may see it missed."""
State = Literal["validated", "missed", "not reached"]


class WaypointReport(NamedTuple):
    """A waypoint of the report. `charged`: missed, with a penalty; `at_us` is None unless validated."""

    section: int
    kind: str
    name: str
    km: float
    state: State
    nearest_m: float | None
    at_us: int | None
    estimated: bool
    charged: bool
    clear_m: float = 0.0
    """Radius of its circle."""
    late_s: float = 0.0
    """At a time control: by how much the target time of the liaison is exceeded."""

    @property
    def validated(self) -> bool:
        return self.state == "validated"

    @property
    def near_edge(self) -> bool:
        """Whether it was validated close to the edge of its circle."""
        return self.validated and self.nearest_m is not None and self.nearest_m > EDGE_SHARE * self.clear_m

    @property
    def odd(self) -> bool:
        """Whether a steward should look at it: missed, late, near the edge, or passed without GPS."""
        return self.state == "missed" or self.late_s > 0 or self.near_edge or self.estimated


def waypoints_of(
    evidence: Evidence, courses: tuple[Course, ...], day: Day, places: Places
) -> tuple[WaypointReport, ...]:
    """Every waypoint, in roadbook order."""
    driven = _driven(day)
    passages = {
        (p.section, p.kind, round(p.km, 6)): p for p in day.passages if p.validated or p.section in driven
    }
    reports = []
    for index, course in enumerate(courses):
        numbers = [number for number, run in enumerate(day.sections) if run.section == index]
        here = evidence.fixes.located
        if numbers:
            here = here & np.isin(places.run, numbers)
        lat, lon = evidence.fixes.lat[here], evidence.fixes.lon[here]
        late_s = max((_late_s(course, day.sections[number]) for number in numbers), default=0.0)
        for mark in course.marks:
            if mark.kind != END:
                passage = passages.get((index, mark.kind, round(mark.metres / 1000, 6)))
                report = _report(index, course, mark, passage, lat, lon)
                reports.append(report._replace(late_s=late_s) if mark.order == course.end else report)
    return tuple(reports)


def _late_s(course: Course, run: SectionRun) -> float:
    """By how much a liaison took longer than its target time."""
    if course.section.kind != "liaison" or course.target_us is None or run.finished is None:
        return 0.0
    elapsed_s = run.finished.get("elapsed_s") or 0.0
    return max(0.0, round(elapsed_s - course.target_us / 1e6, 1))


def _driven(day: Day) -> set[int]:
    """The sections in which the car was: it validated a waypoint after the start, or reached the end.

    A section that the crew began and ended without driving it has missed nothing.
    """
    return {p.section for p in day.passages if p.validated and p.km > 0} | {
        run.section for run in day.sections if run.ended_by in CROSSED
    }


def _report(
    index: int, course: Course, mark: Mark, passage: Passage | None, lat: Floats, lon: Floats
) -> WaypointReport:
    state: State = "not reached" if passage is None else "validated" if passage.validated else "missed"
    nearest_m = passage.nearest_m if passage is not None else None
    if nearest_m is None and mark.position is not None:
        found = nearest(lat, lon, mark.position)
        nearest_m = found.metres if found is not None else None
    at_us = passage.at_us if passage is not None and passage.validated else None
    charged = state == "missed" and course.timed and mark.kind in CHARGED
    estimated = passage is not None and passage.estimated
    return WaypointReport(
        index,
        mark.kind,
        mark.label,
        mark.metres / 1000,
        state,
        nearest_m,
        at_us,
        estimated,
        charged,
        mark.clear_m,
    )


class Nearest(NamedTuple):
    """The point of a driven line nearest to a place: its distance, the fix before it, the share of the way to the
    next fix."""

    metres: float
    fix: int
    share: float


def nearest(lat: Floats, lon: Floats, place: tuple[float, float]) -> Nearest | None:
    """Where the line through the fixes is nearest to a place; None without fixes."""
    if not len(lat):
        return None
    per_lat, per_lon = metres_per_degree(place[0])
    x = ((lon - place[1] + 180) % 360 - 180) * per_lon
    y = (lat - place[0]) * per_lat
    if len(x) == 1:
        return Nearest(round(float(np.hypot(x[0], y[0])), 1), 0, 0.0)
    dx, dy = np.diff(x), np.diff(y)
    length2 = dx * dx + dy * dy
    part = np.clip(-(x[:-1] * dx + y[:-1] * dy) / np.where(length2 > 0, length2, 1.0), 0.0, 1.0)
    metres = np.hypot(x[:-1] + part * dx, y[:-1] + part * dy)
    fix = int(metres.argmin())
    return Nearest(round(float(metres[fix]), 1), fix, float(part[fix]))
