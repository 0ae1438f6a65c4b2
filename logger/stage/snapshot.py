"""The live state as one JSON document: what the crew page, the terminal and other programs read.

Keys and units are a contract (README). Nothing is computed here that the parts do not know; a value that is
not known is None, and each group says by `age_s` how old its news is. The recorder adds `session`,
`recording` and `links`, which only it knows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from logger.stage.course import Course
from logger.stage.itinerary import WAYPOINT_KINDS
from logger.stage.limits import KMH
from logger.stage.odometer import Past
from logger.stage.run import Split, ahead

if TYPE_CHECKING:
    from logger.stage.live import LiveStage

SHORTEST_ETA_M = 200.0
"""Before so much road an average predicts nothing."""
_EPOCH = datetime.fromtimestamp(0, UTC)


def snapshot(live: LiveStage, t_us: int) -> dict[str, Any]:
    """The live state at a moment of the session."""
    now_us = live.clock.at_us(t_us)
    mps, source = live.odometer.speed(now_us)
    at_us = live.odometer.at_us
    age_s = None if at_us is None else _age(now_us, at_us)
    run = live.progress.run
    return {
        "utc": _iso(live.clock.utc_us(now_us)),
        "gps": _gps(live, t_us),
        "speed_kmh": None if mps is None else round(mps * KMH, 1),
        "speed_source": source,
        "limit": _limit(live, mps) | {"age_s": age_s},
        "stage": _stage(live),
        "section": _section(live, now_us) | {"age_s": age_s},
        "next": _next(live, age_s),
        "splits": [_split(live, split) for split in run.splits or run.earlier_splits],
        "trip": [_trip(live, number, now_us) | {"age_s": age_s} for number in range(len(live.trips))],
        "countdown": _countdown(live, now_us),
        "controls": [
            {
                "kind": control.kind,
                "name": control.name,
                "utc": _iso(live.clock.utc_us(control.at_us)),
                "elapsed_s": _seconds(control.elapsed_us),
            }
            for control in live.progress.controls
        ],
        "engine": {
            name: {
                "value": round(reading.value, 3),
                "unit": reading.channel.unit,
                "age_s": _age(t_us, reading.t_us),
            }
            for name, reading in live.engine.items()
        },
        "alarms": [
            {
                "name": rule.name,
                "level": rule.level,
                "message": rule.message,
                "since_s": _age(now_us, raised.since_us),
                "acknowledged": raised.acknowledged,
            }
            for rule, raised in live.alarms.raised()
        ],
    }


def _gps(live: LiveStage, t_us: int) -> dict[str, Any]:
    fix = live.last_fix
    if fix is None:
        keys = ("age_s", "quality", "satellites", "hdop", "lat", "lon", "course_deg")
        return dict.fromkeys(keys)
    return {
        "age_s": _age(t_us, fix.t_us),
        "quality": fix.quality,
        "satellites": fix.satellites,
        "hdop": fix.hdop,
        "lat": fix.lat,
        "lon": fix.lon,
        "course_deg": fix.course_deg,
    }


def _limit(live: LiveStage, mps: float | None) -> dict[str, Any]:
    limit = live.limit()
    over_kmh = None if mps is None or limit.kmh is None else mps * KMH - limit.kmh
    return {
        "kmh": limit.kmh,
        "reason": limit.reason,
        "over_kmh": None if over_kmh is None else round(max(0.0, over_kmh), 1),
        "warning": over_kmh is not None and over_kmh >= -live.rules.speed.warn_within_kmh,
        "zone": limit.zone,
        "free": limit.free,
        "approaching_m": limit.approaching_m,
        "approaching_kmh": limit.approaching_kmh,
    }


def _stage(live: LiveStage) -> dict[str, Any]:
    stage = live.itinerary.stage if live.itinerary else None
    return {
        "event": stage.event if stage else None,
        "number": stage.number if stage else None,
        "name": stage.name if stage else None,
    }


def _section(live: LiveStage, now_us: int) -> dict[str, Any]:
    progress, odometer = live.progress, live.odometer
    run, course = progress.run, progress.course
    past = odometer.past(now_us)
    metres = run.metres(odometer.total_m) if course else odometer.total_m
    length_m = course.length_m if course else None
    remaining_m = None if length_m is None else max(0.0, length_m - metres)
    elapsed_us, average_mps = run.elapsed_us(now_us), run.average_mps(past)
    running = run.started_us is not None
    required_mps = eta_us = None
    if course and running:
        left = ahead(run, course, odometer.total_m, now_us)
        if course.target_us is not None and elapsed_us is not None and elapsed_us < course.target_us:
            required_mps = left.counted_m * 1e6 / (course.target_us - elapsed_us)
        if average_mps and run.counted_m(odometer.total_m) >= SHORTEST_ETA_M:
            eta_us = now_us + left.still_us + round((left.counted_m + left.still_m) / average_mps * 1e6)
    return {
        "index": run.section if course else None,
        "kind": course.section.kind if course else None,
        "name": course.section.name if course else None,
        "state": "running" if running else "waiting" if course else None,
        "distance_km": round(metres / 1000, 4),
        "length_km": None if length_m is None else length_m / 1000,
        "remaining_km": None if remaining_m is None else round(remaining_m / 1000, 4),
        "progress": None if length_m is None else round(min(1.0, max(0.0, metres / length_m)), 5),
        "elapsed_s": _seconds(elapsed_us),
        "average_kmh": _kmh(average_mps),
        "moving_average_kmh": _kmh(run.moving_average_mps(past)),
        "required_kmh": _kmh(required_mps),
        "eta_utc": None if eta_us is None else _iso(live.clock.utc_us(eta_us)),
        "estimated": odometer.estimated_m - run.certain_m >= 1.0,
        "marks": _marks(course),
    }


def _marks(course: Course | None) -> list[dict[str, Any]]:
    """The section's waypoints, for whoever draws them along it; a zone's first has the zone's limit."""
    if course is None:
        return []
    limits_kmh = {zone.begin.order: zone.kmh for zone in course.zones}
    return [
        {"kind": mark.kind, "name": mark.name, "km": mark.metres / 1000, "kmh": limits_kmh.get(mark.order)}
        for mark in course.marks
    ]


def _next(live: LiveStage, age_s: float | None) -> dict[str, Any]:
    mark = live.progress.next_mark
    if mark is None:
        return {"kind": None, "name": None, "km": None, "distance_km": None, "open": None, "age_s": age_s}
    run = live.progress.run
    opening = WAYPOINT_KINDS[mark.kind].opening if mark.kind in WAYPOINT_KINDS else "always"
    return {
        "kind": mark.kind,
        "name": mark.label,
        "km": mark.metres / 1000,
        "distance_km": round(max(0.0, mark.metres - run.metres(live.odometer.total_m)) / 1000, 4),
        "open": opening == "always" or run.opened >= mark.order,
        "age_s": age_s,
    }


def _split(live: LiveStage, split: Split) -> dict[str, Any]:
    """A split, and the gap to the time to beat there in whole seconds, as organisers publish them."""
    courses = live.progress.courses[live.progress.run.section :: -1]
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


def _trip(live: LiveStage, number: int, now_us: int) -> dict[str, Any]:
    trip, total_m = live.trips[number], live.odometer.total_m
    past: Past = live.odometer.past(now_us)
    return {
        "distance_km": round(trip.metres(total_m) / 1000, 4),
        "average_kmh": _kmh(trip.average_mps(total_m, past.at_us)),
    }


def _countdown(live: LiveStage, now_us: int) -> dict[str, Any] | None:
    """What the clock runs down to: the end of a pause, else a start, else the target time; negative when late."""
    run, course = live.progress.run, live.progress.course
    pause, planned_us = run.pause, live.planned_us
    if pause is not None and pause.allowed_us is not None:
        kind, due_us = (
            "neutralisation" if pause.kind == "dn" else "transfer",
            pause.from_us + pause.allowed_us,
        )
    elif live.due_us is not None:
        kind, due_us = "neutralisation" if live.due_us == run.due_us else "start", live.due_us
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
    return {"kind": kind, "remaining_s": _seconds(due_us - now_us), "utc": _iso(live.clock.utc_us(due_us))}


def _age(now_us: int, then_us: int) -> float:
    return round(max(0, now_us - then_us) / 1e6, 3)


def _seconds(elapsed_us: int | None) -> float | None:
    return None if elapsed_us is None else round(elapsed_us / 1e6, 3)


def _kmh(mps: float | None) -> float | None:
    return None if mps is None else round(mps * KMH, 2)


def _iso(utc_us: int | None) -> str | None:
    """UTC with milliseconds; None too for a time that no calendar holds."""
    try:
        moment = None if utc_us is None else _EPOCH + timedelta(microseconds=utc_us)
    except OverflowError:
        return None
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
