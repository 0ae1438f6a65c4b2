"""The drawing data of a comparison: gap, speed and engine channels of each car over the section, and the tracks.

A channel of several cars is one lane with a line for each car: `group` names the channel, `car` the line's style.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from firmware_bridge.engine.titles import engine_title, unit_title
from logger.comparison.compare import CarSection, Comparison
from logger.judgement.evidence import Floats
from logger.judgement.plane import Plane
from logger.review.drawing import bands
from logger.review.map_layers import waypoint_marks
from logger.review.packing import packed
from logger.review.plotted_fixes import MAX_POINTS, thinned

MAX_CHANNEL_POINTS, MAX_ENGINE_POINTS = 12_000, 200_000
"""Points of one engine channel, six per screen column, and of all together, 2 MB; of all cars."""
MAX_CHANNELS = 60
"""Engine channels of a page, those that the most cars have."""


def drawing(comparison: Comparison) -> dict[str, Any]:
    """The drawing: channels and tracks over the kilometres of the section, and where the gap grew most."""
    cars, course = comparison.cars, comparison.course
    base_km = cars[0].report.offset_m(cars[0].section.section) / 1000
    length_km = course.length_m / 1000
    plane = Plane(cars[0].lat, cars[0].lon)
    gaps = [
        _channel("gap", f"Behind {cars[0].label}", "s", number, car, comparison.km[known], gap[known])
        for number, (car, gap) in enumerate(zip(cars, comparison.gap_s, strict=True), 1)
        if (known := np.isfinite(gap)).any()
    ]
    kept = [thinned(car.kmh, most=2 * MAX_POINTS // len(cars)) for car in cars]
    speeds = [
        _channel("speed", "Speed", "km/h", number, car, car.km[at], car.kmh[at])
        for number, (car, at) in enumerate(zip(cars, kept, strict=True), 1)
    ]
    return {
        "ranges": [{"name": course.section.name or course.section.kind, "from": 0.0, "to": length_km}],
        "channels": gaps + speeds + _engine(cars),
        "lanes": [
            {"title": f"Behind {cars[0].label}", "unit": "s", "zero_line": True, "growths": True}
            | _lane(3, gaps),
            {"title": "Speed", "unit": "km/h", "from_zero": True} | _lane(2, speeds),
        ],
        "tracks": [
            {
                "name": car.label,
                "colour": f"car{number}",
                "km": packed(car.km[at]),
                "e": packed(plane.east(car.lon[at])),
                "n": packed(plane.north(car.lat[at])),
            }
            for number, (car, at) in enumerate(zip(cars, kept, strict=True), 1)
        ],
        "points": [
            point | {"x": point["x"] - base_km}
            for point in waypoint_marks(cars[0].report, plane)
            if base_km <= point["x"] <= base_km + length_km
        ],
        "bands": [
            band | {"from": band["from"] - base_km, "to": band["to"] - base_km}
            for band in bands(cars[0].report)
            if band["kind"] in ("zone", "free") and base_km <= band["from"] <= base_km + length_km
        ],
        "growths": [
            {"car": number, "from": growth.from_km, "to": growth.to_km, "grown_s": round(growth.grown_s, 1)}
            for number, growths in enumerate(comparison.growths, 1)
            for growth in growths
        ],
        "clock": None,
    }


def _engine(cars: tuple[CarSection, ...]) -> list[dict[str, Any]]:
    """The engine channels that any car has, a line per car; those that the most cars have come first."""
    known = [{channel.name: channel for channel in car.report.engine} for car in cars]
    names = list(dict.fromkeys(name for channels in known for name in channels))
    names.sort(key=lambda name: -sum(name in channels for channels in known))
    most = min(MAX_CHANNEL_POINTS, MAX_ENGINE_POINTS // max(1, len(names[:MAX_CHANNELS]))) // len(cars)
    lines = []
    for name in names[:MAX_CHANNELS]:
        for number, (car, channels) in enumerate(zip(cars, known, strict=True), 1):
            if name not in channels or not len(car.at_us):
                continue
            channel = channels[name]
            course, offsets_us = channel.course, car.report.evidence.offsets_us
            at_us = course.t_us + np.array([offsets_us.get(int(session), 0.0) for session in course.session])
            inside = np.flatnonzero((at_us >= car.at_us[0]) & (at_us <= car.at_us[-1]))
            inside = inside[thinned(course.mean[inside], most=most)]
            km = np.interp(at_us[inside], car.at_us, car.km)
            unit, title = unit_title(channel.unit), engine_title(name)
            if len(km):
                lines.append(_channel(f"engine.{name}", title, unit, number, car, km, course.mean[inside]))
    return lines


def _lane(share: int, channels: list[dict[str, Any]]) -> dict[str, Any]:
    return {"share": share, "bands": True, "channels": [channel["key"] for channel in channels]}


def _channel(
    group: str, group_title: str, unit: str, number: int, car: CarSection, km: Floats, values: Floats
) -> dict[str, Any]:
    """A line of a car; `key` is unique, `group` and its title are the same for all cars. A `named` line has its number
    at its end; lines of speed cross too often for that."""
    names = {"key": f"{group}.{number}", "title": car.label, "group": group, "group_title": group_title}
    line = {"car": number, "colour": f"car{number}", "unit": unit, "km": packed(km), "y": packed(values)}
    return names | line | {"short": car.label.split(" ")[0], "named": group != "speed"}
