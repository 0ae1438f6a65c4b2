"""Render a review for the terminal: short tables and a one-line summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_bridge.engine.titles import engine_title, unit_title
from logger.boundary.time_text import elapsed_text, time_of_day
from logger.judgement.penalties import Overspeed
from logger.judgement.report import Report
from logger.stage.limits import KMH

MAX_OVERSPEEDS = 20
"""Over-speeds listed, those with the largest penalties; the rest is counted."""
Table = tuple[str, list[str], list[list[str]]]


def tables(report: Report) -> Iterator[Table]:
    """Title, columns and rows of each table that is not empty."""
    name_of = section_names(report)
    if report.sections:
        columns = ["section", "km", "time", "avg km/h", "moving", "max", "penalty", ""]
        yield (
            "Sections",
            columns,
            [
                [
                    name_of[section.section],
                    f"{section.distance_km:.2f}",
                    elapsed_text(section.elapsed_s),
                    _kmh(section.average_mps),
                    _kmh(section.moving_average_mps),
                    "-" if section.max_kmh is None else f"{section.max_kmh:.1f}",
                    penalty_text(section.penalty_s),
                    "" if section.finished else "not finished",
                ]
                for section in report.sections
            ],
        )
    splits = [
        [
            name_of[section.section],
            split.name,
            f"{split.km:.2f}",
            elapsed_text(split.elapsed_us / 1e6),
            _kmh(split.average_mps),
        ]
        for section in report.sections
        for split in section.splits
    ]
    if splits:
        yield "Splits", ["section", "at", "km", "time", "avg km/h"], splits
    yield from _overspeeds(report, name_of)
    missed = [
        [
            name_of.get(point.section, ""),
            point.name,
            point.kind,
            f"{point.km:.2f}",
            metres_text(point.nearest_m),
        ]
        for point in report.waypoints
        if point.state == "missed"
    ]
    if missed:
        yield "Missed waypoints", ["section", "name", "kind", "km", "nearest"], missed
    pauses = [
        [pause.kind, time_of_day(pause.at_us), elapsed_text(pause.took_s), elapsed_text(pause.allowed_s),
         f"{pause.early_s:.1f} s early" if pause.early_s else ""]
        for pause in report.pauses
    ]  # fmt: skip
    if pauses:
        yield "Neutralisations", ["kind", "UTC", "took", "allowed", ""], pauses
    if report.engine:
        yield (
            engine_heading(report),
            ["channel", "min", "mean", "max", "unit"],
            [
                [engine_title(c.name), f"{c.low:.4g}", f"{c.mean:.4g}", f"{c.high:.4g}", unit_title(c.unit)]
                for c in report.engine
            ],
        )


def _overspeeds(report: Report, name_of: dict[int, str]) -> Iterator[Table]:
    charged = [
        (over, charge.penalty_s) for over, charge in zip(report.overspeeds, report.charges, strict=True)
    ]
    if not charged:
        return
    clock = clock_of(report)
    costliest = sorted(charged, key=lambda pair: (-pair[1], -pair[0].over_kmh))[:MAX_OVERSPEEDS]
    shown = sorted(costliest, key=lambda pair: pair[0].at_us)
    title = (
        "Over-speeds"
        if len(shown) == len(charged)
        else f"Over-speeds, the worst {len(shown)} of {len(charged)}"
    )
    columns = ["section", "km", "UTC", "limit", "max", "over", "for", "impulses", "penalty"]
    yield (
        title,
        columns,
        [
            [
                name_of.get(over.section, "-"),
                f"{over.km:.2f}",
                clock(over.at_us),
                f"{over.limit_kmh:g}" + (f" {over.zone}" if over.zone else ""),
                f"{over.max_kmh:.1f}",
                over_text(over),
                f"{over.duration_s:.1f} s",
                str(over.impulses),
                penalty_text(cost),
            ]
            for over, cost in shown
        ],
    )


def summary(report: Report) -> str:
    """One line on the amount and the quality of the evidence."""
    figures = report.quality.figures
    validated = sum(point.validated for point in report.waypoints)
    reached = sum(point.state != "not reached" for point in report.waypoints)
    parts = [
        f"{figures['fixes']} fixes",
        f"{figures['gaps']} gaps ({figures['gap_s']:.0f} s)",
        f"{figures['estimated_m']:.0f} m estimated",
    ]
    if figures["distance_m"] is not None:
        fastest = "" if figures["max_kmh"] is None else f", at most {figures['max_kmh']:.1f} km/h"
        parts.insert(0, f"{figures['distance_m'] / 1000:.2f} km{fastest}")
    if reached:
        parts.insert(0, f"{validated} of {reached} waypoints validated")
    if figures["computed_speeds"]:
        parts.append(
            f"speed by {figures['speed_source']}, within {figures['speed_uncertainty_kmh']:.0f} km/h"
        )
    if figures["speeds_rejected"]:
        parts.append(f"{figures['speeds_rejected']} implausible speeds")
    if figures["rejected_bytes"]:
        parts.append(f"{figures['rejected_bytes']} bytes rejected")
    lost = {what: figures[f"dropped_{what}"] for what in ("bytes", "frames", "rows")}
    if any(lost.values()):
        parts.append(f"DROPPED {', '.join(f'{count} {what}' for what, count in lost.items())}")
    if figures["clock_error_s"] is not None:
        parts.append(f"clock within {figures['clock_error_s']:.2f} s")
    if figures["sessions"] > 1:
        parts.append(f"{figures['sessions']} sessions")
    return ", ".join(parts)


def heading(report: Report) -> str:
    """Car and stage of the report."""
    car = report.evidence.car
    stage = report.evidence.stage.itinerary.stage if report.evidence.stage.itinerary else None
    crew = " / ".join(car.get("crew", ()))
    car_text = " ".join(str(part) for part in (car.get("number"), crew or car.get("name")) if part)
    stage_text = f"{stage.event} {stage.number or ''} {stage.name}".strip() if stage else "no itinerary"
    return " - ".join(
        part for part in (car_text or report.evidence.name, " ".join(stage_text.split())) if part
    )


def engine_heading(report: Report) -> str:
    """Title of the table of engine channels, with the engine's running time if it is known."""
    return (
        "Engine" if report.running is None else f"Engine, running for {elapsed_text(report.running.total_s)}"
    )


def over_text(over: Overspeed) -> str:
    """The excess in km/h, with its uncertainty if the speed is computed from positions."""
    uncertainty = f" ±{over.uncertainty_kmh:.0f}" if over.uncertainty_kmh else ""
    return f"+{over.over_kmh:.1f}{uncertainty}"


def penalty_text(seconds: float) -> str:
    """A penalty as text: a dash for none, seconds if below a minute or fractional, else h:mm:ss."""
    if not seconds:
        return "-"
    return f"{seconds:g} s" if seconds < 60 or seconds % 1 else elapsed_text(seconds)


def section_names(report: Report) -> dict[int, str]:
    """The name of each driven section by its index, or else its kind."""
    return {section.section: section.name or section.kind for section in report.sections}


def clock_of(report: Report) -> Callable[[float | None], str]:
    """The function that writes a time of the report as UTC, or as a dash if UTC is not known."""
    return time_of_day if report.evidence.utc_known else (lambda _us: "-")


def penalty_words(seconds: float) -> str:
    """A penalty within a sentence: "penalty 0:10:00", "penalty none"."""
    return f"penalty {penalty_text(seconds) if seconds else 'none'}"


def verdict_text(report: Report) -> str:
    """The penalty, or why the drive is not judged."""
    return report.not_judged or penalty_words(report.penalty_s)


def verdict(report: Report) -> str:
    """The line on the penalty: its sum by the rules, or why it is not judged."""
    total = report.not_judged or penalty_text(report.penalty_s)
    return f"Penalty by {report.rules.name} ({report.rules.penalties.model}): {total}"


def _kmh(mps: float | None) -> str:
    return "-" if mps is None else f"{mps * KMH:.1f}"


def metres_text(metres: float | None) -> str:
    """A distance from a waypoint, or a dash."""
    return "-" if metres is None else f"{metres:.0f} m" if metres < 10_000 else f"{metres / 1000:.0f} km"
