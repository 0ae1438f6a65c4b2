"""Figures of one log for the season's trends, each as its review has it."""

from __future__ import annotations

from typing import Final, NamedTuple

from logger.judgement.evidence import Event
from logger.judgement.report import Report

COOLANT: Final = "coolant_c"
BELT_NOTES: Final = ("belt changed", "new belt")
"""A crew's mark whose note contains one of these says that the drive belt was changed at that moment."""


class LogFigures(NamedTuple):
    """`running_s`: time with the engine running; `on_belt_s`: the part of it since the belt was changed, None if it
    was not changed during the log. None where the log does not know."""

    distance_km: float | None = None
    coolant_max_c: float | None = None
    running_s: float | None = None
    on_belt_s: float | None = None


def figures_of(report: Report) -> LogFigures:
    """The figures of a review."""
    metres = report.quality.figures["distance_m"]
    distance_km = None if metres is None else metres / 1000
    if report.sections:
        distance_km = sum(section.distance_km for section in report.sections)
    maxima_c = {channel.name: channel.high for channel in report.engine}
    changes = [event for event in report.evidence.events if _is_belt_change(event)]
    on_belt_s = None
    if changes and report.running is not None:
        on_belt_s = report.running.since_s(changes[-1].session, changes[-1].t_us)
    return LogFigures(
        None if distance_km is None else round(distance_km, 4),
        maxima_c.get(COOLANT),
        None if report.running is None else report.running.total_s,
        on_belt_s,
    )


def _is_belt_change(event: Event) -> bool:
    if event.kind != "command" or event.detail.get("name") != "mark":
        return False
    note = str((event.detail.get("arguments") or {}).get("note") or "").casefold()
    return any(words in note for words in BELT_NOTES)
