"""Judge one drive under one set of rules: over-speeds, their charges, penalty and finish of each section.

Rules change only this. Where the car was, when it passed a waypoint and how fast it drove are the same under any
rules, so a second ruling on a drive costs a few milliseconds. Over-speeds come from the events: rules with another
tolerance or class limit need the events that the live computation makes under them (`what_if`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from logger.judgement.penalties import Charge, Overspeed, charges_of, missed_s
from logger.judgement.runs import CROSSED, Day
from logger.judgement.waypoints import CHARGED, WaypointReport
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
    overspeeds: tuple[Overspeed, ...],
    rules: Rules,
    day: Day,
    waypoints: Sequence[WaypointReport],
    timed: frozenset[int],
) -> Ruling:
    """Judge a drive, in time linear in its parts. `timed`: the indices of the timed sections."""
    charges = tuple(charges_of(overspeeds, rules.penalties))
    cost_s: defaultdict[int, float] = defaultdict(float)
    for over, charge in zip(overspeeds, charges, strict=True):
        cost_s[over.section] += charge.penalty_s
    counted, validated = Counter[int](), Counter[int]()
    for point in waypoints:
        cost_s[point.section] += missed_s(point.kind, rules.missed) if point.charged else 0.0
        if point.kind in CHARGED:
            counted[point.section] += 1
            validated[point.section] += point.validated
    sections = []
    for run in day.sections:
        enough = validated[run.section] >= rules.missed.least_share * counted[run.section]
        finished = run.ended_by in CROSSED and (run.section not in timed or enough)
        sections.append(SectionRuling(round(cost_s[run.section], 3), finished))
    return Ruling(rules, overspeeds, charges, tuple(sections))
