"""Build the drawing data of the HTML page: lanes over distance, bands, tracks, points.

One number links all parts: the kilometre of the day by the roadbook. Lanes use it as their axis, and each track point
has it next to its east and north metres. Knows no HTML. Points are thinned to keep the page of a whole day small, but
never around an over-speed.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.engine.titles import engine_title, unit_title
from firmware_bridge.wgs84 import metres_per_degree
from logger.review.evidence import Floats
from logger.review.places import NO_RUN
from logger.review.report import Report
from logger.stage.limits import KMH

MAX_POINTS = 30_000
"""Maximum points of one drive on a page: one fix per 20 m of a long stage, 20 per screen column."""
AROUND_S = 20.0
"""All fixes within this time before and after an over-speed are kept."""
Numbers = NDArray[np.float32]


def packed(values: Floats) -> str:
    """Encode numbers for the script: 32-bit floats, little-endian, base64."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode("ascii")


class PlottedFixes:
    """The fixes of a report to draw, thinned, one column per field. `km` counts through the day."""

    def __init__(self, report: Report) -> None:
        places, fixes = report.places, report.evidence.fixes
        usable = fixes.located & np.isfinite(places.metres) & np.isfinite(places.mps)
        if report.day.sections:
            usable &= places.run != NO_RUN
        at = np.flatnonzero(usable)
        at = at[thinned(places.mps[at], fixes.at_us[at], _kept_spans(report))]
        self.at = at
        self.km: Floats = np.maximum.accumulate(report.km_of_day(at))
        self.kmh: Floats = places.mps[at] * KMH
        self.limit_kmh: Floats = places.limit_kmh[at]
        self.at_us: Floats = fixes.at_us[at]
        self.lat, self.lon = fixes.lat[at], fixes.lon[at]


def _kept_spans(report: Report) -> list[tuple[float, float]]:
    margin_us = AROUND_S * 1e6
    return [
        (over.at_us - margin_us, over.at_us + over.duration_s * 1e6 + margin_us) for over in report.overspeeds
    ]


def thinned(
    values: Floats, at_us: Floats, spans: list[tuple[float, float]], most: int = MAX_POINTS
) -> NDArray[np.int64]:
    """Indices to draw: minimum and maximum of each stretch, `most` in all, and every index within the time spans."""
    if len(values) <= most:
        return np.arange(len(values))
    size = -(-2 * len(values) // most)
    whole = len(values) // size * size
    blocks = values[:whole].reshape(-1, size)
    starts = np.arange(0, whole, size)
    keep = [starts + blocks.argmin(axis=1), starts + blocks.argmax(axis=1), np.arange(whole, len(values))]
    keep += [np.flatnonzero((at_us >= first) & (at_us <= last)) for first, last in spans]
    return np.unique(np.concatenate(keep))


class Plane:
    """Local east/north projection around the middle of a drive, accurate enough for a few hundred kilometres."""

    def __init__(self, lat: Floats, lon: Floats) -> None:
        known = len(lat) > 0
        self._lat = float(np.mean(lat)) if known else 0.0
        self._lon = float(lon[0]) if known else 0.0
        self._per_lat, self._per_lon = (float(metres) for metres in metres_per_degree(self._lat))

    def east(self, lon: Floats | float) -> Floats:
        """Metres east; crosses the antimeridian the shorter way."""
        return np.asarray(((np.asarray(lon) - self._lon + 180) % 360 - 180) * self._per_lon)

    def north(self, lat: Floats | float) -> Floats:
        """Metres north."""
        return np.asarray((np.asarray(lat) - self._lat) * self._per_lat)


def review_document(report: Report) -> dict[str, Any]:
    """The drawing of a review: speed against the limit, an engine channel, and the track."""
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
    return {
        "ranges": ranges(report),
        "channels": speed + engine,
        "lanes": lanes,
        "tracks": [track("speed", "", drawn, plane)],
        "points": points(report, plane),
        "bands": bands(report),
        "clock": clock(report, drawn),
        "begin": first_timed(report),
    }


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


def points(report: Report, plane: Plane) -> list[dict[str, Any]]:
    """The waypoints with a known position, for the map."""
    places = {
        (index, mark.kind, mark.metres / 1000): mark.position
        for index, course in enumerate(report.courses)
        for mark in course.marks
    }
    waypoints = []
    for point in report.waypoints:
        where = places[point.section, point.kind, point.km]
        if where is not None:
            km = report.offset_m(point.section) / 1000 + point.km
            east, north = float(plane.east(where[1])), float(plane.north(where[0]))
            label = {"label": point.name, "kind": point.kind, "state": point.state}
            waypoints.append({"x": km, "e": east, "n": north, **label})
    return waypoints


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
