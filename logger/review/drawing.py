"""Build the drawing data of the HTML page: lanes over distance, bands, tracks, points.

Two numbers link all parts: the kilometre of the day by the roadbook, and the seconds since its first fix. Lanes use one
of them as their axis, and each point of the track has both next to its east and north metres. Knows no HTML.
"""

from __future__ import annotations

from typing import Any

from logger.judgement.plane import Plane
from logger.judgement.report import Report
from logger.review.background import background_document, neighbourhood
from logger.review.channels import MAX_CHANNELS, Timeline, drive_channels, engine_channels, first_lanes
from logger.review.distributions import sampled
from logger.review.geojson import Shapes
from logger.review.map_layers import waypoint_marks
from logger.review.packing import packed
from logger.review.plotted_fixes import PlottedFixes


def review_document(report: Report, shapes: Shapes | None = None) -> tuple[dict[str, Any], list[str]]:
    """The drawing of a review: channels, the first lanes, the track and the samples.

    `shapes` are the map's background. Also returns remarks on what of it is not shown.
    """
    drawn = PlottedFixes(report)
    plane = Plane(drawn.lat, drawn.lon)
    timeline = Timeline(drawn, report.engine, report.evidence.offsets_us)
    channels = [*drive_channels(drawn, timeline), *engine_channels(report.engine, timeline)]
    background, remarks = None, []
    if shapes is not None and (box := neighbourhood(plane.east(drawn.lon), plane.north(drawn.lat))):
        background, remark = background_document(shapes, plane, box)
        remarks += [f"background: {remark}"] if remark else []
    document = {
        "ranges": ranges(report),
        "channels": channels,
        "left_out": max(0, len(report.engine) - MAX_CHANNELS),
        "lanes": first_lanes(channels),
        "tracks": [track("speed", "", drawn, plane)] if len(drawn.km) else [],
        "points": waypoint_marks(report, plane),
        "bands": bands(report),
        "clock": timeline.clock(drawn, utc_known=report.evidence.utc_known),
        "begin": first_timed(report),
        "samples": sampled(report, timeline),
        "background": background,
    }
    return document, remarks


def track(colour: str, name: str, drawn: PlottedFixes, plane: Plane) -> dict[str, Any]:
    """One car's track on the map, a point for each value of the page's clock."""
    places = {"e": packed(plane.east(drawn.lon)), "n": packed(plane.north(drawn.lat))}
    return {"name": name, "colour": colour} | places


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
