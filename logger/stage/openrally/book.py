"""Find the roadbook in a route file: its waypoints, and the line that the route follows.

A file may contain the same route as waypoints, as a route and as a track. If there are points with OpenRally elements,
they are the roadbook. Otherwise the kinds are read from the names of the waypoints (`waypoint_names.py`); if no name
contains a kind, a track alone still gives the road.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.stage import geo
from logger.stage.openrally import elements, waypoint_names
from logger.stage.openrally.lint import Remark
from logger.stage.openrally.route_line import RouteLine, once
from logger.stage.openrally.xml import FORMS, Point, RouteFile

LONGEST_LINE_KM = 5000.0
"""No day's route is longer: a longer line joins places without a road."""
GAP_M = 2000.0
GAP_STEPS = 20.0
"""A step of a line that is this long, and this many times its mean step, is a gap."""
_WORD = re.compile(r"[^\W\d_]{2}")
_MAX_NAMES, _NAME_CHARS = 5, 40
"""Names in a remark, and characters of each."""


class Book(NamedTuple):
    """The points of the roadbook in file order, and the line along which they lie, if the file has one."""

    points: list[Point]
    line: RouteLine | None
    is_plain: bool
    """Whether the kinds come from names; such a file states neither units nor distances along its line."""


def find_book(route: RouteFile, name: str, remarks: list[Remark]) -> Book:
    """Find the roadbook of the file `name`. Raises ConfigurationError if it has neither kinds nor a road."""
    known = elements.ELEMENTS
    with_elements = [
        point for point in route.points if any(element.name in known for element in point.elements)
    ]
    forms = [form for form in FORMS if any(point.form == form for point in with_elements)]
    if not forms:
        return _plain(route, name, remarks)
    for form in forms[1:]:
        line_number = next(point.line for point in with_elements if point.form == form)
        what = f"the {form} points are ignored: the {forms[0]} points are the roadbook"
        remarks.append(Remark(line_number, what))
    points = [point for point in route.points if point.form == forms[0]]
    is_measured = all(any(element.name == "distance" for element in point.elements) for point in points)
    line = None if is_measured else _line(route, name, forms[0], len(points), remarks)
    for form, count in sorted(route.plain.items()):
        if line is None or form == "wpt":
            remarks.append(Remark(None, f"{count} {form} points without OpenRally data ignored"))
    return Book(points, line, is_plain=False)


def _plain(route: RouteFile, name: str, remarks: list[Remark]) -> Book:
    """Return the roadbook of a file without OpenRally elements."""
    for form in FORMS:
        points = [
            point._replace(elements=waypoint_names.elements(point))
            for point in route.named
            if point.form == form
        ]
        if any(point.elements for point in points):
            _remark_unknown(points, remarks)
            return Book(points, _line(route, name, form, len(points), remarks), is_plain=True)
    line = _line(route, name, "wpt", 0, remarks)
    if line is None or line.length_m == 0:
        raise ConfigurationError(
            "no point has OpenRally elements or a kind in its name, and there is no track",
            where=name,
            hint="export it as OpenRally GPX, or name its waypoints after their kinds (DSS, WPM, ASS ...)",
        )
    others = f", and the {len(route.named)} waypoints name no kind" if route.named else ""
    what = f"no dss and no ass{others}: one liaison of {line.length_m / 1000:.3f} km, the length of the track"
    remarks.append(Remark(None, what))
    return Book([], line, is_plain=True)


def _remark_unknown(points: list[Point], remarks: list[Remark]) -> None:
    """Add a remark on the points whose texts name no kind: one of them may be meant as a zone."""
    texts = [" ".join(point.names + point.labels[:1]) for point in points if not point.elements]
    names = [f'"{text[:_NAME_CHARS]}"' for text in texts if _WORD.search(text)]
    if names:
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        what = f"{len(names)} waypoints name no kind, left out: {', '.join(names[:_MAX_NAMES])}{more}"
        remarks.append(Remark(None, what))


def _remark_gap(line_form: str, positions: Sequence[tuple[float, float]], remarks: list[Remark]) -> None:
    """Add a remark on a gap in the line: tracks that do not follow each other make it too long."""
    steps_m = [geo.distance_m(*before, *here) for before, here in pairwise(positions)]
    longest_m = max(steps_m)
    if longest_m > GAP_M and longest_m > GAP_STEPS * (sum(steps_m) - longest_m) / len(steps_m):
        what = (
            f"the {line_form} points have a gap of {longest_m / 1000:.1f} km: check the order of the tracks"
        )
        remarks.append(Remark(None, what))


def _line(route: RouteFile, name: str, form: str, points: int, remarks: list[Remark]) -> RouteLine | None:
    """Return the line of the route: the track, else the route if it has more points than the roadbook."""
    for line_form in ("trkpt", "rtept"):
        positions = route.lines.get(line_form, [])
        if len(positions) < 2 or (line_form == form and len(positions) <= points):
            continue
        line = RouteLine(once(positions), name)
        if line.length_m <= LONGEST_LINE_KM * 1000:
            _remark_gap(line_form, once(positions), remarks)
            return line
        what = f"the {line_form} points make a line of {line.length_m / 1000:.0f} km: ignored, too long for one day"
        remarks.append(Remark(None, what))
    return None
