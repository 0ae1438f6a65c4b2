"""Waypoints on the page: those that a steward must look at, and the others folded, with their number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from logger.boundary.time_text import elapsed_text
from logger.judgement.penalties import missed_s
from logger.judgement.report import Report
from logger.judgement.waypoints import WaypointReport
from logger.review.sheet import Row, table
from logger.review.terminal import clock_of, metres_text, penalty_text, section_names

AROUND_KM = 0.3
"""A click on a waypoint shows the road this far before and after it."""
COLUMNS = ("name", "kind", " km", "", " penalty", " nearest", " circle", " UTC", "section")


def waypoint_tables(report: Report) -> Iterable[str]:
    """The tables as HTML: what is odd, missed ones first; validated; not reached."""
    odd = sorted(
        (point for point in report.waypoints if point.odd), key=lambda point: point.state != "missed"
    )
    yield table(f"Waypoints to look at ({len(odd)})", COLUMNS, _rows(report, odd), name="odd" if odd else "")
    sound = [point for point in report.waypoints if point.validated and not point.odd]
    title = f"Waypoints validated, none near the edge of its circle ({len(sound)})"
    yield table(title, COLUMNS, _rows(report, sound), folded=True)
    ahead = [point for point in report.waypoints if point.state == "not reached"]
    yield table(f"Waypoints not reached ({len(ahead)})", COLUMNS, _rows(report, ahead), folded=True)


def _rows(report: Report, points: Sequence[WaypointReport]) -> list[Row]:
    names = section_names(report)
    clock = clock_of(report)
    rows = []
    for point in points:
        cost = penalty_text(missed_s(point.kind, report.rules.missed)) if point.charged else "-"
        at_km = report.offset_m(point.section) / 1000 + point.km
        cells = [
            point.name,
            point.kind,
            f"{point.km:.2f}",
            _state(point),
            cost,
            metres_text(point.nearest_m),
            metres_text(point.clear_m),
            clock(point.at_us),
            names.get(point.section, ""),
        ]
        rows.append(Row(cells, (at_km - AROUND_KM, at_km + AROUND_KM), _kind(point)))
    return rows


def _state(point: WaypointReport) -> str:
    """What is odd about it, or else its state."""
    words = [
        "missed" if point.state == "missed" else "",
        f"late by {elapsed_text(point.late_s)}" if point.late_s else "",
        "near the edge" if point.near_edge else "",
        "estimated: passed without GPS" if point.estimated else "",
    ]
    return ", ".join(filter(None, words)) or point.state


def _kind(point: WaypointReport) -> str:
    """The classes of its row."""
    if point.state == "missed":
        return "missed charged" if point.charged else "missed"
    return "faint" if point.state == "not reached" else "odd" if point.odd else ""
