"""Convert a review to a JSON document. Keys and units are a contract (logger/cli/README.md): km/h, km, s, m, UTC."""

from __future__ import annotations

from typing import Any

from firmware_bridge.engine.titles import engine_title
from logger.boundary.utc_text import utc_text
from logger.judgement.report import Report
from logger.logfile.documents import car_document
from logger.stage.limits import KMH


def document(report: Report) -> dict[str, Any]:
    """The report as one JSON object; unknown values are None."""
    evidence, rules = report.evidence, report.rules
    clock = utc_text if evidence.utc_known else _unknown
    stage = evidence.stage.itinerary.stage if evidence.stage.itinerary else None
    over = list(zip(report.overspeeds, report.charges, strict=True))
    return {
        "log": evidence.name,
        "car": car_document(evidence.car),
        "stage": {
            "event": stage.event if stage else None,
            "number": stage.number if stage else None,
            "name": stage.name if stage else None,
            "date": str(stage.date) if stage and stage.date else None,
        },
        "sections": [
            {
                "index": section.section,
                "kind": section.kind,
                "name": section.name,
                "length_km": section.length_km,
                "distance_km": round(section.distance_km, 4),
                "begun_utc": clock(section.began_us),
                "ended_utc": clock(section.ended_us),
                "elapsed_s": section.elapsed_s,
                "average_kmh": _kmh(section.average_mps),
                "moving_average_kmh": _kmh(section.moving_average_mps),
                "max_kmh": section.max_kmh,
                "finished": section.finished,
                "splits": [
                    {
                        "name": split.name,
                        "km": split.km,
                        "elapsed_s": split.elapsed_us / 1e6,
                        "average_kmh": _kmh(split.average_mps),
                        "estimated": split.estimated,
                    }
                    for split in section.splits
                ],
                "penalty_s": section.penalty_s,
            }
            for section in report.sections
        ],
        "overspeeds": [
            {
                "section": speeding.section,
                "zone": speeding.zone,
                "km": speeding.km,
                "utc": clock(speeding.at_us),
                "duration_s": speeding.duration_s,
                "distance_m": speeding.distance_m,
                "max_kmh": speeding.max_kmh,
                "limit_kmh": speeding.limit_kmh,
                "over_kmh": speeding.over_kmh,
                "impulses": speeding.impulses,
                "gained_m": speeding.gained_m,
                "uncertainty_kmh": speeding.uncertainty_kmh,
                "proven": speeding.proven,
                "penalty_s": charge.penalty_s,
            }
            for speeding, charge in over
        ],
        "waypoints": [
            {
                "section": point.section,
                "name": point.name,
                "kind": point.kind,
                "km": point.km,
                "validated": point.validated,
                "state": point.state,
                "nearest_m": point.nearest_m,
                "utc": clock(point.at_us),
                "estimated": point.estimated,
            }
            for point in report.waypoints
        ],
        "neutralisations": [
            {
                "section": pause.section,
                "kind": pause.kind,
                "utc": clock(pause.at_us),
                "took_s": pause.took_s,
                "allowed_s": pause.allowed_s,
                "early_s": pause.early_s,
            }
            for pause in report.pauses
        ],
        "engine": {
            channel.name: {
                "min": channel.low,
                "max": channel.high,
                "mean": round(channel.mean, 4),
                "unit": channel.unit,
                "title": engine_title(channel.name),
            }
            for channel in report.engine
        },
        "engine_running_s": None if report.running is None else report.running.total_s,
        "alarms": [
            {"utc": clock(event.at_us), **{key: event.detail.get(key) for key in ("name", "level", "state")}}
            for event in evidence.events
            if event.kind == "alarm"
        ],
        "quality": report.quality.figures
        | {
            "stretches": [
                {
                    "section": gap.section,
                    "km": None if gap.km is None else round(gap.km, 3),
                    "utc": clock(gap.at_us),
                    "duration_s": gap.duration_s,
                    "distance_m": None if gap.distance_m is None else round(gap.distance_m, 1),
                    "estimated": gap.estimated,
                }
                for gap in report.quality.gaps
            ]
        },
        "penalty_s": None if report.not_judged else report.penalty_s,
        "not_judged": report.not_judged or None,
        "rules": {"name": rules.name, "model": rules.penalties.model},
        "remarks": list(report.remarks),
    }


def _unknown(_at_us: float | None) -> str | None:
    return None


def _kmh(mps: float | None) -> float | None:
    return None if mps is None else round(mps * KMH, 3)
