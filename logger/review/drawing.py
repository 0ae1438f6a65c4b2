"""Build the drawing data of the HTML page: lanes over distance, bands, tracks, points.

One number links all parts: the kilometre of the day by the roadbook. Lanes use it as their axis, and each track point
has it next to its east and north metres. Knows no HTML. Points are thinned to keep the page of a whole day small, but
never around an over-speed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.engine.titles import engine_title, unit_title
from logger.review.background import background_document, neighbourhood
from logger.review.distributions import sampled
from logger.review.evidence import Floats
from logger.review.geojson import Shapes
from logger.review.map_layers import waypoint_marks
from logger.review.packing import packed
from logger.review.plane import Plane
from logger.review.report import Report
from logger.review.samples import near_overspeeds, on_road
from logger.stage.limits import KMH

MAX_POINTS = 30_000
"""Maximum points of one drive on a page: one fix per 20 m of a long stage, 20 per screen column."""


class PlottedFixes:
    """The fixes of a report to draw, thinned, one column per field. `km` counts through the day."""

    def __init__(self, report: Report) -> None:
        places, fixes = report.places, report.evidence.fixes
        at = on_road(report.evidence, places, report.day)
        at = at[thinned(places.mps[at], near_overspeeds(fixes.at_us[at], report.overspeeds))]
        self.at = at
        self.km: Floats = np.maximum.accumulate(report.km_of_day(at))
        self.kmh: Floats = places.mps[at] * KMH
        self.limit_kmh: Floats = places.limit_kmh[at]
        self.at_us: Floats = fixes.at_us[at]
        self.lat, self.lon = fixes.lat[at], fixes.lon[at]


def thinned(
    values: Floats, near: NDArray[np.bool_] | None = None, most: int = MAX_POINTS
) -> NDArray[np.int64]:
    """Indices to draw: minimum and maximum of each stretch, `most` in all, and every index that `near` marks."""
    if len(values) <= most:
        return np.arange(len(values))
    size = -(-2 * len(values) // most)
    whole = len(values) // size * size
    blocks = values[:whole].reshape(-1, size)
    starts = np.arange(0, whole, size)
    keep = [starts + blocks.argmin(axis=1), starts + blocks.argmax(axis=1), np.arange(whole, len(values))]
    keep += [np.flatnonzero(near)] if near is not None else []
    return np.unique(np.concatenate(keep))


def review_document(report: Report, shapes: Shapes | None = None) -> tuple[dict[str, Any], list[str]]:
    """The drawing of a review: speed against the limit, an engine channel, the track and the samples.

    `shapes` are the map's background. Also returns remarks on what of it is not shown.
    """
    drawn = PlottedFixes(report)
    plane = Plane(drawn.lat, drawn.lon)
    known = np.isfinite(drawn.limit_kmh)
    speed = [
        {"key": "drive.limit_kmh", "title": "limit", "unit": "km/h", "colour": "limit", "step": True}
        | {"km": packed(drawn.km[known]), "y": packed(drawn.limit_kmh[known])},
        {
            "key": "drive.speed_kmh",
            "title": "speed",
            "unit": "km/h",
            "colour": "speed",
            "above": "drive.limit_kmh",
        }
        | {"km": packed(drawn.km), "y": packed(drawn.kmh)},
    ]
    lanes: list[dict[str, Any]] = [
        {"title": "Speed", "unit": "km/h", "share": 3, "from_zero": True, "bands": True}
        | {"channels": ["drive.limit_kmh", "drive.speed_kmh"]}
    ]
    engine = _channels(report, drawn)
    if engine:
        lanes.append({"share": 1, "channels": [engine[0]["key"]], "choices": [c["key"] for c in engine]})
    background, remarks = None, []
    if shapes is not None and (box := neighbourhood(plane.east(drawn.lon), plane.north(drawn.lat))):
        background, remark = background_document(shapes, plane, box)
        remarks += [f"background: {remark}"] if remark else []
    document = {
        "ranges": ranges(report),
        "channels": speed + engine,
        "lanes": lanes,
        "tracks": [track("speed", "", drawn, plane)],
        "points": waypoint_marks(report, plane),
        "bands": bands(report),
        "clock": clock(report, drawn),
        "begin": first_timed(report),
        "samples": sampled(report),
        "background": background,
    }
    return document, remarks


def track(colour: str, name: str, drawn: PlottedFixes, plane: Plane) -> dict[str, Any]:
    """One car's track on the map."""
    return {
        "name": name,
        "colour": colour,
        "km": packed(drawn.km),
        "e": packed(plane.east(drawn.lon)),
        "n": packed(plane.north(drawn.lat)),
    }


def clock(report: Report, drawn: PlottedFixes) -> dict[str, Any] | None:
    """UTC over distance, for the readout; None if UTC is unknown."""
    if not report.evidence.utc_known or not len(drawn.at_us):
        return None
    first_us = float(drawn.at_us[0])
    return {"begin_ms": first_us / 1000, "km": packed(drawn.km), "s": packed((drawn.at_us - first_us) / 1e6)}


def ranges(report: Report) -> list[dict[str, Any]]:
    """The day's sections as ranges to zoom to."""
    return [
        {
            "name": section.name or section.kind,
            "from": report.offset_m(section.section) / 1000,
            "to": report.offset_m(section.section) / 1000 + max(section.distance_km, 0.1),
        }
        for section in report.sections
    ]


def first_timed(report: Report) -> list[float] | None:
    """The initial range: the first timed section; None, for all, if there is none."""
    for section, stretch in zip(report.sections, ranges(report), strict=True):
        if section.kind == "selective":
            return [stretch["from"], stretch["to"]]
    return None


def bands(report: Report) -> list[dict[str, Any]]:
    """Highlighted stretches of the road: zones, their free areas, over-speeds, GPS gaps."""
    stretches: list[dict[str, Any]] = []
    for index, course in enumerate(report.courses):
        base_km = report.offset_m(index) / 1000
        for zone in course.zones:
            first, last = base_km + zone.begin.metres / 1000, base_km + zone.end.metres / 1000
            stretches.append({"kind": "zone", "from": first, "to": last, "label": f"{zone.kmh:g}"})
            for at, radius_m in ((first, zone.begin.clear_m), (last, zone.end.clear_m)):
                stretches.append(
                    {"kind": "free", "from": at - radius_m / 1000, "to": at + radius_m / 1000, "label": ""}
                )
    for gap in report.quality.gaps:
        if gap.section is not None and gap.km is not None:
            first = report.offset_m(gap.section) / 1000 + gap.km
            stretches.append(
                {"kind": "gap", "from": first, "to": first + (gap.distance_m or 0) / 1000, "label": "no GPS"}
            )
    for over in report.overspeeds:
        first, last = over_km(report, over.section, over.km, over.distance_m)
        stretches.append({"kind": "over", "from": first, "to": last, "label": f"+{over.over_kmh:g}"})
    return stretches


def over_km(report: Report, section: int, km: float, distance_m: float) -> tuple[float, float]:
    """Begin and end of an over-speed, in kilometres of the day."""
    first = report.offset_m(section) / 1000 + km
    return first, first + distance_m / 1000


def _channels(report: Report, drawn: PlottedFixes) -> list[dict[str, Any]]:
    """The engine channels over distance, placed at the begin of each stretch of readings."""
    if not len(drawn.km):
        return []
    channels = []
    offsets_us = report.evidence.offsets_us
    for channel in report.engine:
        course = channel.course
        at_us = course.t_us + np.array([offsets_us.get(int(session), 0.0) for session in course.session])
        inside = (at_us >= drawn.at_us[0]) & (at_us <= drawn.at_us[-1])
        km = np.interp(at_us[inside], drawn.at_us, drawn.km)
        channels.append(
            {
                "key": f"engine.{channel.name}",
                "title": engine_title(channel.name),
                "unit": unit_title(channel.unit),
                "km": packed(km),
                "low": packed(course.low[inside]),
                "y": packed(course.mean[inside]),
                "high": packed(course.high[inside]),
            }
        )
    return channels
