"""Judge one drive under one set of rules: over-speeds, their charges, penalty and finish of each section.

Rules change only this. Where the car was, when it passed a waypoint and how fast it drove are the same under any
rules, so a second ruling on a drive costs a few milliseconds. Over-speeds come from the events: rules with another
tolerance or class limit need the events that the live computation makes under them (`what_if`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from logger.review.evidence import Evidence
from logger.review.overspeeds import overspeeds_of
from logger.review.penalties import Charge, Overspeed, charges_of, missed_s
from logger.review.places import Places
from logger.review.runs import CROSSED, Day
from logger.review.speeds import Speeds
from logger.review.waypoints import CHARGED, WaypointReport
from logger.stage.rules import Rules


class SectionRuling(NamedTuple):
    """What the rules make of a section. `finished`: its end was reached, with enough waypoints if it is timed."""

    penalty_s: float
    finished: bool


class Ruling(NamedTuple):
    """A drive under `rules`. `charges` has the order of `overspeeds`, `sections` that of the day."""

    rules: Rules
    overspeeds: tuple[Overspeed, ...]
    charges: tuple[Charge, ...]
    sections: tuple[SectionRuling, ...]

    @property
    def penalty_s(self) -> float:
        """Sum of all penalties, in seconds."""
        return round(sum(section.penalty_s for section in self.sections), 3)


def ruling_of(
    evidence: Evidence,
    rules: Rules,
    day: Day,
    places: Places,
    speeds: Speeds,
    waypoints: Sequence[WaypointReport],
    timed: frozenset[int],
) -> Ruling:
    """Judge a drive. `timed`: the indices of the timed sections."""
    share = rules.penalties.rallycheck_share
    overspeeds = tuple(overspeeds_of(evidence, places.mps, speeds.uncertainty_kmh, share))
    charges = tuple(charges_of(overspeeds, rules.penalties))
    sections = []
    for run in day.sections:
        over_s = sum(
            charge.penalty_s
            for over, charge in zip(overspeeds, charges, strict=True)
            if over.section == run.section
        )
        points = [point for point in waypoints if point.section == run.section]
        lost_s = sum(missed_s(point.kind, rules.missed) for point in points if point.charged)
        finished = run.ended_by in CROSSED and (run.section not in timed or _has_enough(points, rules))
        sections.append(SectionRuling(round(over_s + lost_s, 3), finished))
    return Ruling(rules, overspeeds, charges, tuple(sections))


def _has_enough(points: Sequence[WaypointReport], rules: Rules) -> bool:
    """Whether enough waypoints of a timed section are validated for it to count as finished."""
    counted = [point for point in points if point.kind in CHARGED]
    return sum(point.validated for point in counted) >= rules.missed.least_share * len(counted)
