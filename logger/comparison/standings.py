"""Compute class tables: timed sections plus penalties, for the last stage and overall.

Pure values. A car that did not finish a stage gets the stage's maximum time plus the rules' penalty. The maximum time
comes from the decisions file, else it is the slowest finisher's time, its lower bound. Provisional penalties count
like imposed ones and are marked, as on an organiser's own lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.boundary.time_text import elapsed_text, whole_s
from logger.comparison.results import Decision, Decisions, Result
from logger.judgement.report import Report
from logger.stage.rules import NotFinished


class Entry(NamedTuple):
    """A car in a table. `total_s` is None if it has no result in a stage in which others have one."""

    car: int
    name: str
    class_name: str
    time_s: int | None
    penalty_s: float
    provisional_s: float
    not_finished: tuple[str, ...]
    computed_penalty_s: float
    decisions: tuple[Decision, ...]

    @property
    def total_s(self) -> float | None:
        return None if self.time_s is None else self.time_s + self.penalty_s


class Standing(NamedTuple):
    """One table, best first; `gap_s` has the order of the entries."""

    class_name: str
    title: str
    entries: tuple[Entry, ...]

    @property
    def gap_s(self) -> tuple[float | None, ...]:
        totals = [entry.total_s for entry in self.entries]
        best = min((total for total in totals if total is not None), default=0.0)
        return tuple(None if total is None else total - best for total in totals)


class Standings(NamedTuple):
    """All tables, and remarks for the reader."""

    tables: tuple[Standing, ...]
    remarks: tuple[str, ...]


def result_of(report: Report) -> Result:
    """Convert a log's report to a result: its timed sections, added in whole seconds.

    Raises ConfigurationError for a recording without an itinerary: its stage is not known.
    """
    if not report.courses:
        hint = "name logs of a stage, or give its result with --results"
        raise ConfigurationError("not judged: it has no itinerary", where=report.evidence.name, hint=hint)
    car, itinerary = report.evidence.car, report.evidence.stage.itinerary
    timed = [index for index, course in enumerate(report.courses) if course.timed]
    driven = {section.section: section for section in report.sections if section.section in timed}
    finished = bool(timed) and all(index in driven and driven[index].finished for index in timed)
    seconds = sum(whole_s(section.elapsed_s or 0.0) for section in driven.values())
    number = itinerary.stage.number if itinerary else None
    crew = " / ".join(car.get("crew", ())) or str(car.get("name", ""))
    return Result(
        int(car.get("number") or 0),
        str(number) if number is not None else itinerary.stage.name if itinerary else report.evidence.name,
        elapsed_text(seconds) if finished else "",
        crew,
        str(car.get("class", "")),
        finished,
        report.penalty_s,
    )


def standings(
    results: Sequence[Result], decisions: Decisions, rules: NotFinished, *, imposed_only: bool = False
) -> Standings:
    """Compute the tables of each class: the last stage, and overall if there are several stages."""
    penalties = [p for p in decisions.penalties if not imposed_only or p.status == "imposed"]
    labels = sorted({row.label for row in results}, key=_stage_order)
    remarks = [
        f"two results of car {row.car} in stage {row.label}: the first counts"
        for at, row in enumerate(results)
        if any((row.car, row.label) == (other.car, other.label) for other in results[:at])
    ]
    first: dict[tuple[int, str], Result] = {}
    for row in results:
        first.setdefault((row.car, row.label), row)
    rows = list(first.values())
    cars = {row.car for row in rows}
    remarks += [
        f"a penalty of car {penalty.car}, which has no result: left out"
        for penalty in penalties
        if penalty.car not in cars
    ]
    maxima = {str(maximum.stage): maximum.seconds for maximum in decisions.maxima}
    tables = []
    for class_name in sorted({_class_of(rows, car) for car in cars}):
        ours = [row for row in rows if _class_of(rows, row.car) == class_name]
        stages = [("Overall" if len(labels) > 1 else "", labels)]
        if len(labels) > 1:
            stages.insert(0, (f"Stage {labels[-1]}", labels[-1:]))
        for title, shown in stages:
            entries = [_entry(car, class_name, ours, shown, penalties, maxima, rules, title != f"Stage {labels[-1]}")
                       for car in sorted({row.car for row in ours})]  # fmt: skip
            entries.sort(key=lambda entry: (entry.total_s is None, entry.total_s or 0.0))
            tables.append(Standing(class_name, title or f"Stage {labels[0]}", tuple(entries)))
    return Standings(tuple(tables), tuple(remarks))


def _entry(
    car: int,
    class_name: str,
    rows: Sequence[Result],
    labels: Sequence[str],
    penalties: Iterable[Decision],
    maxima: dict[str, float],
    rules: NotFinished,
    every_stage: bool,
) -> Entry:
    """A car over the stages `labels`. With `every_stage`, in the overall table, penalties of any stage label count."""
    own = {row.label: row for row in rows if row.car == car}
    given = [p for p in penalties if p.car == car and (every_stage or str(p.stage) in labels)]
    time_s: int | None = 0
    not_finished = [label for label in labels if label in own and not own[label].finished]
    for label in labels:
        row = own.get(label)
        if row is None or time_s is None:
            time_s = None
        elif row.finished:
            time_s += row.seconds or 0
        else:
            time_s += round(_maximum_s(rows, label, maxima))
    extra_s = rules.penalty_s * len(not_finished)
    return Entry(
        car,
        next((row.name for row in own.values() if row.name), str(car)),
        class_name,
        time_s,
        sum(p.seconds for p in given) + extra_s,
        sum(p.seconds for p in given if p.status == "provisional"),
        tuple(not_finished),
        sum(own[label].computed_penalty_s for label in labels if label in own),
        tuple(given),
    )


def _maximum_s(rows: Sequence[Result], label: str, maxima: dict[str, float]) -> float:
    slowest = max((row.seconds or 0 for row in rows if row.label == label and row.finished), default=0)
    return max(maxima.get(label, 0.0), slowest)


def _class_of(rows: Sequence[Result], car: int) -> str:
    return next((row.class_name for row in rows if row.car == car and row.class_name), "")


def _stage_order(label: str) -> tuple[int, str]:
    """Sort key: the last number in a label, so that "1-10" precedes "11"."""
    numbers = re.findall(r"\d+", label)
    return (int(numbers[-1]) if numbers else 0), label


def has_penalty(computed: Standings) -> bool:
    """Whether a car of the tables has a penalty, decided or computed by the review."""
    entries = (entry for standing in computed.tables for entry in standing.entries)
    return any(entry.penalty_s or entry.computed_penalty_s for entry in entries)
