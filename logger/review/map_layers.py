"""The waypoints of the map: each with its circle, and where the car crossed it or came nearest.

A validated waypoint was crossed at the instant of its event, the closest approach between two fixes; the place is
interpolated as the instant was. Of a missed one the page shows the nearest point of the driven line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from logger.judgement.places import NO_RUN
from logger.judgement.plane import Plane
from logger.judgement.report import Report
from logger.judgement.waypoints import WaypointReport, nearest
from logger.stage.course import Mark


def waypoint_marks(report: Report, plane: Plane) -> list[dict[str, Any]]:
    """The waypoints that have a position, of their own or of the car when it crossed them.

    `e`, `n` and `r` are the waypoint's place and radius in metres, null without coordinates; `at` is where the car
    crossed it or was nearest, `nearest_m` how near.
    """
    marks = {
        (index, mark.kind, mark.metres / 1000): mark
        for index, course in enumerate(report.courses)
        for mark in course.marks
    }
    line = _Line(report)
    shown = []
    for point in report.waypoints:
        mark = marks[point.section, point.kind, point.km]
        at = line.place(point, mark)
        if mark.position is None and at is None:
            continue
        entry: dict[str, Any] = {
            "x": report.offset_m(point.section) / 1000 + point.km,
            "label": point.name,
            "kind": point.kind,
            "state": point.state,
            "odd": point.odd,
            "estimated": point.estimated,
            "nearest_m": point.nearest_m,
            "e": None,
            "n": None,
            "r": point.clear_m,
            "at": None if at is None else _metres(plane, at),
        }
        if mark.position is not None:
            entry["e"], entry["n"] = _metres(plane, mark.position)
        shown.append(entry)
    return shown


def _metres(plane: Plane, place: tuple[float, float]) -> list[float]:
    """East and north of a latitude and longitude, to the centimetre."""
    return [round(float(plane.east(place[1])), 2), round(float(plane.north(place[0])), 2)]


class _Line:
    """The line through the fixes that have a position."""

    def __init__(self, report: Report) -> None:
        fixes = report.evidence.fixes
        self._at_us = fixes.at_us[fixes.located]
        self._lat, self._lon = fixes.lat[fixes.located], fixes.lon[fixes.located]
        run = report.places.run[fixes.located]
        sections = np.array([run.section for run in report.day.sections] or [NO_RUN])
        self._section = np.where(run == NO_RUN, NO_RUN, sections[run])

    def place(self, point: WaypointReport, mark: Mark) -> tuple[float, float] | None:
        """Latitude and longitude of the car at a waypoint; None if unknown."""
        if not len(self._at_us):
            return None
        if point.at_us is not None:
            after = int(np.searchsorted(self._at_us, point.at_us))
            before = max(after - 1, 0)
            after = min(after, len(self._at_us) - 1)
            span_us = float(self._at_us[after] - self._at_us[before])
            return self._between(
                before, (point.at_us - float(self._at_us[before])) / span_us if span_us else 0.0
            )
        if mark.position is None or point.state == "not reached":
            return None
        here = np.flatnonzero(self._section == point.section)
        found = nearest(self._lat[here], self._lon[here], mark.position)
        return None if found is None else self._between(int(here[found.fix]), found.share)

    def _between(self, fix: int, share: float) -> tuple[float, float]:
        following = min(fix + 1, len(self._at_us) - 1)
        share = min(1.0, max(0.0, share))
        turn = (
            self._lon[following] - self._lon[fix] + 180
        ) % 360 - 180  # the shorter way across the antimeridian
        lat = self._lat[fix] + share * (self._lat[following] - self._lat[fix])
        return float(lat), float((self._lon[fix] + share * turn + 180) % 360 - 180)
