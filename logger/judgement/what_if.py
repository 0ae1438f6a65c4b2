"""Judge a drive under other rules beside the verdict: every penalty model, and further rules files.

Rules decide on penalties, and on when an over-speed begins (tolerance, impulses, class limit). The first kind is
judged from the recorded over-speeds. For the second kind the recorder's computation runs over the drive once more,
once for all files: odometer, sections and waypoints are the same under any rules, so each file adds only its own
`Limits`, which sees the same legs.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from logger.judgement.evidence import Evidence
from logger.judgement.penalties import MODELS
from logger.judgement.recompute import recompute
from logger.judgement.report import Report
from logger.judgement.ruling import Ruling
from logger.recorder.stage_files import Stage
from logger.stage.declared import Alarm
from logger.stage.limits import Limits, Over
from logger.stage.live_stage import LiveStage
from logger.stage.odometer import Leg
from logger.stage.rules import Rules, default_rules

Progress = Callable[[float], None]


class WhatIf(NamedTuple):
    """A ruling that is not the verdict. `evidence` has the over-speeds that the recorder finds under its rules."""

    name: str
    ruling: Ruling
    evidence: Evidence


def what_ifs(
    report: Report,
    files: Sequence[Rules] = (),
    connection: sqlite3.Connection | None = None,
    section: int | None = None,
    progress: Progress = lambda _done: None,
) -> list[WhatIf]:
    """The report's drive under every penalty model, the default rules and the rules of `files`, without the verdict's.

    The default rules are left out if they find other over-speeds. `section`: as for `recompute`.
    """
    if not report.sections:
        return []
    used, evidence = report.rules, report.evidence
    models = sorted(set(MODELS.values()), key=list(MODELS.values()).index)
    candidates = [
        dataclasses.replace(used, penalties=dataclasses.replace(used.penalties, model=model))  # type: ignore[arg-type]
        for model in models
    ]
    if _finds_the_same(default_rules(), report):
        candidates.append(default_rules())
    others = _different([*candidates, *files], used)
    driven = [rules for rules in others if not _finds_the_same(rules, report)]
    found = _overspeeds_under(driven, report, connection, section, progress) if driven else []
    results = []
    for rules in others:
        seen = found[driven.index(rules)] if rules in driven else evidence
        results.append(WhatIf(rules_title(rules), report.under(rules, seen), seen))
    return results


def rules_title(rules: Rules) -> str:
    """Name and penalty model."""
    return f"{rules.name}, {rules.penalties.model}"


def _different(candidates: Iterable[Rules], used: Rules) -> list[Rules]:
    """The candidates that judge differently from the verdict and from each other, in order."""
    kept: list[Rules] = []
    for rules in candidates:
        if all(_nameless(rules) != _nameless(other) for other in (used, *kept)):
            kept.append(rules)
    return kept


def _nameless(rules: Rules) -> Rules:
    return dataclasses.replace(rules, name="", declared=())


def _finds_the_same(rules: Rules, report: Report) -> bool:
    """Whether the recorder finds the same over-speeds under other rules."""
    used, car_class = report.evidence.stage.rules, _class_of(report.evidence)
    return _begins(rules, car_class) == _begins(used, car_class)


def _begins(rules: Rules, car_class: str) -> tuple[float | None, ...]:
    """What decides when an over-speed begins and counts an impulse."""
    speed = rules.speed
    return rules.class_limit_kmh(car_class), speed.tolerance_kmh, speed.impulse_s, speed.impulse_m


def _class_of(evidence: Evidence) -> str:
    return str(evidence.car.get("class", ""))


_MARK = "rules"
"""Key in the detail of an over-speed found under other rules: their index."""


def _overspeeds_under(
    others: Sequence[Rules],
    report: Report,
    connection: sqlite3.Connection | None,
    section: int | None,
    progress: Progress,
) -> list[Evidence]:
    """The evidence with the over-speeds that the recorder finds under each of the rules, by one recomputation."""
    evidence = report.evidence
    fields = {each.name: getattr(evidence.stage, each.name) for each in dataclasses.fields(Stage)}
    driven = recompute(evidence, _StageUnder(**fields, others=tuple(others)), progress, connection, section)
    kept = tuple(event for event in evidence.events if event.kind != "overspeed")
    found = [event for event in driven.events if event.kind == "overspeed"]
    return [
        dataclasses.replace(
            evidence, events=(*kept, *(event for event in found if event.detail.get(_MARK) == index))
        )
        for index in range(len(others))
    ]


@dataclass(frozen=True, slots=True)
class _StageUnder(Stage):
    """A stage whose live computation also finds the over-speeds under other rules."""

    others: tuple[Rules, ...] = ()
    running: dict[int, Over | None] = field(default_factory=dict)
    """The over-speeds in progress at the end of a session, which the next session continues."""

    def live(self, class_name: str, alarms: Iterable[Alarm] = ()) -> LiveStage:
        """A live computation without alarms: they find no over-speed."""
        return _LiveUnder(self, class_name)


class _LiveUnder(LiveStage):
    """The live computation with one more `Limits` per set of rules."""

    def __init__(self, stage: _StageUnder, class_name: str) -> None:
        super().__init__(
            stage.itinerary,
            stage.rules,
            class_name=class_name or None,
            reset_at_marks=stage.reset_odometer,
        )
        self._running = stage.running
        stage_kmh = stage.itinerary.stage.max_speed_kmh if stage.itinerary else None
        self._others = [
            Limits(
                rules.speed,
                {"class": rules.class_limit_kmh(class_name), "stage": stage_kmh},
                self._emit_under(index),
            )
            for index, rules in enumerate(stage.others)
        ]

    def finish(self) -> None:
        """End the log, and with it every over-speed in progress."""
        if self.odometer.at_us is not None:
            for limits in self._others:
                limits.close(self.odometer.at_us, self.odometer.total_m)
        super().finish()

    def state(self) -> list[Any]:
        """Return the state for `restore`; the over-speeds in progress are kept beside it."""
        self._running.update({index: limits.over for index, limits in enumerate(self._others)})
        return super().state()

    def restore(self, state: Any, gap_s: float | None) -> bool:
        """Restore the state of an earlier session."""
        restored = super().restore(state, gap_s)
        if restored:
            for index, limits in enumerate(self._others):
                limits.over = self._running.get(index)
        return restored

    def _follow(self, leg: Leg | None) -> None:
        super()._follow(leg)
        if leg is None:
            return
        where = None if self.odometer.at_us is None else self.odometer.position
        course, run, total_m = self.progress.course, self.progress.run, self.odometer.total_m
        for limits in self._others:
            limits.leg(leg, limits.at(course, run, total_m, where), run)

    def _emit_under(self, index: int) -> Callable[[int, str, Mapping[str, Any]], None]:
        return lambda at_us, kind, detail: self._emit(at_us, kind, {**detail, _MARK: index})
