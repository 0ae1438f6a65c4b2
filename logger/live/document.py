"""Render a snapshot of the drive as the JSON document for crew page, terminal and other programs.

Keys and units are a contract (README). All values come from the snapshot; an unknown value is None, and `age_s` of
each group is the age of its values. The recorder adds `session`, `recording` and `links`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from firmware_bridge.records import Fix
from logger.boundary.utc_text import utc_text
from logger.stage.alarms import VALUE_UNITS
from logger.stage.course import Course
from logger.stage.itinerary import WAYPOINT_KINDS
from logger.stage.limits import KMH, must_brake
from logger.stage.run import Split, Trip, ahead
from logger.stage.snapshot import Snapshot
from logger.stage.speed_trace import STEP_M

SHORTEST_ETA_M = 200.0
"""Distance in the section before which the average is too uncertain to predict an arrival."""

SATELLITES_2D = 3

_LARGE = 1e9
"""Values above this are not rounded: some have no whole number of thousandths."""
_WHOLE = 1.5 * 2.0**52
"""Doubles near this are whole numbers, so adding and subtracting it rounds, in a quarter of the time of `round`."""


def document(shot: Snapshot) -> dict[str, Any]:
    """Return the live state at the moment of a snapshot."""
    age_s = None if shot.odometer_us is None else _age(shot.now_us, shot.odometer_us)
    run = shot.run
    return {
        "utc": utc_text(shot.utc_us(shot.now_us)),
        "gps": _gps(shot),
        "speed_kmh": None if shot.speed_mps is None else _rounded(shot.speed_mps * KMH, 10),
        "speed_source": shot.speed_source,
        "limit": _limit(shot, age_s),
        "stage": _stage(shot),
        "section": _section(shot, age_s),
        "next": _next(shot, age_s),
        "splits": [_split(shot, split) for split in run.splits or run.earlier_splits],
        "trip": [_trip(shot, trip, age_s) for trip in shot.trips],
        "countdown": _countdown(shot),
        "controls": [
            {
                "kind": control.kind,
                "name": control.name,
                "utc": utc_text(shot.utc_us(control.at_us)),
                "elapsed_s": _seconds(control.elapsed_us),
            }
            for control in shot.controls
        ],
        "engine": _engine(shot),
        "alarms": [
            {
                "name": rule.name,
                "level": rule.level,
                "message": rule.message,
                "since_s": _age(shot.now_us, raised.since_us),
                "acknowledged": raised.acknowledged,
                "channels": list(rule.when.names),
            }
            for rule, raised in shot.alarms
        ],
        "alarm_values": {
            name: _alarm_value(shot, name) for rule, _ in shot.alarms for name in rule.when.names
        },
        "trace": {"step_m": STEP_M, "kmh": shot.trace.kmh, "limit_kmh": shot.trace.limit_kmh},
    }


def _gps(shot: Snapshot) -> dict[str, Any]:
    fix = shot.fix
    if fix is None:
        keys = ("age_s", "quality", "dimensions", "satellites", "hdop", "lat", "lon", "course_deg")
        return dict.fromkeys(keys)
    return {
        "age_s": _age(shot.t_us, fix.t_us),
        "quality": fix.quality,
        "dimensions": _dimensions(fix),
        "satellites": fix.satellites,
        "hdop": fix.hdop,
        "lat": fix.lat,
        "lon": fix.lon,
        "course_deg": fix.course_deg,
    }


def _dimensions(fix: Fix) -> int:
    """Return 3 for a position with height, 2 for one without, 0 for none. Three satellites give no height; a receiver
    then repeats its last one."""
    if fix.quality == 0 or fix.lat is None:
        return 0
    has_height = fix.alt_m is not None and (fix.satellites is None or fix.satellites > SATELLITES_2D)
    return 3 if has_height else 2


def _limit(shot: Snapshot, age_s: float | None) -> dict[str, Any]:
    limit, mps = shot.limit, shot.speed_mps
    over_kmh = None if mps is None or limit.kmh is None else mps * KMH - limit.kmh
    is_near = over_kmh is not None and over_kmh >= -shot.warn_within_kmh
    return {
        "kmh": limit.kmh,
        "reason": limit.reason,
        "over_kmh": None if over_kmh is None else _rounded(max(0.0, over_kmh), 10),
        "warning": mps is not None and (is_near or must_brake(limit, mps)),
        "zone": limit.zone,
        "free": limit.free,
        "approaching_m": limit.approaching_m,
        "approaching_kmh": limit.approaching_kmh,
        "age_s": age_s,
    }


def _stage(shot: Snapshot) -> dict[str, Any]:
    stage = shot.stage
    return {
        "event": stage.event if stage else None,
        "number": stage.number if stage else None,
        "name": stage.name if stage else None,
    }


def _section(shot: Snapshot, age_s: float | None) -> dict[str, Any]:
    run, course, past, now_us, total_m = shot.run, shot.course, shot.past, shot.now_us, shot.total_m
    metres = run.metres(total_m) if course else total_m
    length_m = course.length_m if course else None
    remaining_m = None if length_m is None else max(0.0, length_m - metres)
    elapsed_us, average_mps = run.elapsed_us(now_us), run.average_mps(past)
    running = run.started_us is not None
    required_mps = eta_us = None
    if course and running:
        left = ahead(run, course, total_m, now_us)
        if course.target_us is not None and elapsed_us is not None and elapsed_us < course.target_us:
            required_mps = left.counted_m * 1e6 / (course.target_us - elapsed_us)
        if average_mps and run.counted_m(total_m) >= SHORTEST_ETA_M:
            eta_us = now_us + left.still_us + round((left.counted_m + left.still_m) / average_mps * 1e6)
    return {
        "index": run.section if course else None,
        "kind": course.section.kind if course else None,
        "name": course.section.name if course else None,
        "state": "running" if running else "waiting" if course else None,
        "distance_km": _rounded(metres / 1000, 10000),
        "length_km": None if length_m is None else length_m / 1000,
        "remaining_km": None if remaining_m is None else _rounded(remaining_m / 1000, 10000),
        "progress": None if length_m is None else _rounded(min(1.0, max(0.0, metres / length_m)), 100000),
        "elapsed_s": _seconds(elapsed_us),
        "average_kmh": _kmh(average_mps),
        "moving_average_kmh": _kmh(run.moving_average_mps(past)),
        "required_kmh": _kmh(required_mps),
        "eta_utc": None if eta_us is None else utc_text(shot.utc_us(eta_us)),
        "estimated": shot.estimated_m - run.certain_m >= 1.0,
        "marks": _marks(course),
        "age_s": age_s,
    }


@lru_cache(maxsize=1)
def _marks(course: Course | None) -> list[dict[str, Any]]:
    """Return the section's waypoints for drawing; `kmh` is the limit of a zone that begins there.

    A section may have hundreds: they are rendered once, so nobody may change the list.
    """
    if course is None:
        return []
    limits_kmh = {zone.begin.order: zone.kmh for zone in course.zones}
    return [
        {"kind": mark.kind, "name": mark.name, "km": mark.metres / 1000, "kmh": limits_kmh.get(mark.order)}
        for mark in course.marks
    ]


def _next(shot: Snapshot, age_s: float | None) -> dict[str, Any]:
    mark, run = shot.next_mark, shot.run
    if mark is None:
        return {"kind": None, "name": None, "km": None, "distance_km": None, "open": None, "age_s": age_s}
    opening = WAYPOINT_KINDS[mark.kind].opening if mark.kind in WAYPOINT_KINDS else "always"
    away_m = max(0.0, mark.metres - run.metres(shot.total_m))
    if mark.kind == "dz" and shot.limit.approaching_m is not None:
        away_m = shot.limit.approaching_m  # two distances to one point must not differ
    return {
        "kind": mark.kind,
        "name": mark.label,
        "km": mark.metres / 1000,
        "distance_km": _rounded(away_m / 1000, 10000),
        "open": opening == "always" or run.opened >= mark.order,
        "age_s": age_s,
    }


def _split(shot: Snapshot, split: Split) -> dict[str, Any]:
    """Return a split, with its gap to the time to beat in whole seconds, as organisers publish them."""
    courses = shot.courses[shot.run.section :: -1]
    against = next((c.to_beat[at] for c in courses if (at := (split.name, split.km)) in c.to_beat), None)
    taken_s = (split.elapsed_us + 500_000) // 1_000_000
    return {
        "name": split.name,
        "km": split.km,
        "elapsed_s": _seconds(split.elapsed_us),
        "average_kmh": _kmh(split.average_mps),
        "estimated": split.estimated,
        "gap_s": None if against is None else taken_s - round(against.seconds),
        "to_beat": against.who or None if against else None,
    }


def _engine(shot: Snapshot) -> dict[str, Any]:
    """Return the newest value of each channel; those of one message have the same age."""
    ages_s = {t_us: _age(shot.t_us, t_us) for t_us in {t_us for t_us, _, _ in shot.engine.values()}}
    return {
        name: {
            # As `_rounded`, without its call.
            "value": (value * 1000 + _WHOLE - _WHOLE) / 1000 if -_LARGE < value < _LARGE else value,
            "unit": channel.unit,
            "age_s": ages_s[t_us],
        }
        for name, (t_us, channel, value) in shot.engine.items()
    }


def _alarm_value(shot: Snapshot, name: str) -> dict[str, Any]:
    """Return a value that the condition of an alarm uses, with its unit."""
    value, newest = shot.alarm_values.get(name), shot.engine.get(name)
    return {
        "value": None if value is None else _rounded(value, 1000),
        "unit": VALUE_UNITS.get(name) if newest is None else newest[1].unit,
    }


def _trip(shot: Snapshot, trip: Trip, age_s: float | None) -> dict[str, Any]:
    return {
        "distance_km": _rounded(trip.metres(shot.total_m) / 1000, 10000),
        "average_kmh": _kmh(trip.average_mps(shot.total_m, shot.past.at_us)),
        "age_s": age_s,
    }


def _countdown(shot: Snapshot) -> dict[str, Any] | None:
    """Return the countdown to the end of a pause, else to a start, else to the target time; negative when late."""
    run, course, now_us, planned_us = shot.run, shot.course, shot.now_us, shot.planned_us
    pause = run.pause
    if pause is not None and pause.allowed_us is not None:
        kind, due_us = (
            "neutralisation" if pause.kind == "dn" else "transfer",
            pause.from_us + pause.allowed_us,
        )
    elif shot.due_us is not None:
        kind, due_us = "neutralisation" if shot.due_us == run.due_us else "start", shot.due_us
    elif planned_us is not None and planned_us > now_us:
        kind, due_us = "start", planned_us
    elif (
        course is not None
        and course.target_us is not None
        and (elapsed_us := run.elapsed_us(now_us)) is not None
    ):
        kind, due_us = "target", now_us + course.target_us - elapsed_us
    else:
        return None
    return {"kind": kind, "remaining_s": _seconds(due_us - now_us), "utc": utc_text(shot.utc_us(due_us))}


def _age(now_us: int, then_us: int) -> float:
    return (max(0, now_us - then_us) + 500) // 1000 / 1000  # to the millisecond; `round` takes twice the time


def _seconds(elapsed_us: int | None) -> float | None:
    return None if elapsed_us is None else _rounded(elapsed_us / 1e6, 1000)


def _kmh(mps: float | None) -> float | None:
    return None if mps is None else _rounded(mps * KMH, 100)


def _rounded(value: float, per_unit: int) -> float:
    """Return the nearest multiple of 1 / `per_unit`, which is at most 100,000."""
    return (value * per_unit + _WHOLE - _WHOLE) / per_unit if -_LARGE < value < _LARGE else value
