"""Rebuild the day's sections from recorded events: starts, finishes, waypoints, undone changes.

Knows no rules. Uses the arithmetic of the live computation (`stage.run.Run`): an event restores the base values of the
live run, and every figure is a difference from them. What an `undone` event takes back is left out (`stage.standing`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from logger.judgement.evidence import Event, Evidence, Floats
from logger.judgement.speeds import Speeds
from logger.stage.course import Course, Mark
from logger.stage.fix_speed import STILL_MPS
from logger.stage.odometer import BLINK_US, Past
from logger.stage.run import Run, marked
from logger.stage.standing import standing

CROSSED = ("crossing", "distance")
"""Causes of an end when the section was driven completely; otherwise the crew or the clock ended it."""


class Passage(NamedTuple):
    """A waypoint validated or missed. `at_us` is when it was validated or detected as missed."""

    section: int
    kind: str
    name: str
    km: float
    validated: bool
    nearest_m: float | None
    at_us: int
    estimated: bool


class SectionRun(NamedTuple):
    """A section as driven. `finished` holds the figures of its finish event, None while it runs."""

    run: Run
    began_us: int
    began_by: str
    ended_us: int | None = None
    ended_by: str = ""
    finished: dict[str, Any] | None = None

    @property
    def section(self) -> int:
        return self.run.section


class Day(NamedTuple):
    """Sections and waypoint passages of a day, in order of time."""

    sections: tuple[SectionRun, ...] = ()
    passages: tuple[Passage, ...] = ()


class Moving:
    """Moving time up to any moment, from the fixes and the odometer's threshold for standing still."""

    def __init__(self, evidence: Evidence, speeds: Speeds) -> None:
        fixes = evidence.fixes
        keep = fixes.located
        at_us, mps = fixes.at_us[keep], np.nan_to_num(speeds.mps[keep])
        moving = np.where(mps >= STILL_MPS, mps, 0.0)
        dt_us = np.diff(at_us)
        counted = (np.maximum(moving[1:], moving[:-1]) > 0) if len(at_us) > 1 else np.empty(0, dtype=bool)
        counted |= dt_us > BLINK_US  # a gap between fixes counts as moving: nothing shows that the car stood
        self._at_us = at_us
        self._moving_us: Floats = np.concatenate([[0.0], np.cumsum(np.where(counted, dt_us, 0.0))])[
            : len(at_us)
        ]

    def us(self, at_us: float) -> int:
        """Moving time until a moment, in microseconds."""
        return round(float(np.interp(at_us, self._at_us, self._moving_us))) if len(self._at_us) else 0


def day_of(evidence: Evidence, courses: tuple[Course, ...], moving: Moving) -> Day:
    """Build the day from the events. Time and memory are linear in the number of events."""
    day = _DayBuilder(courses, moving)
    for event in standing(evidence.events):
        match event.kind, event.detail.get("state"):
            case "section", "finished":
                day.finish(event)
            case "section", "started":
                day.start(event)
            case "waypoint", ("validated" | "missed"):
                day.pass_waypoint(event)
    return Day(tuple(day.sections), tuple(day.passages))


class _DayBuilder:
    """The day up to the event applied last."""

    def __init__(self, courses: tuple[Course, ...], moving: Moving) -> None:
        self.sections: list[SectionRun] = []
        self.passages: list[Passage] = []
        self._courses, self._moving = courses, moving

    def start(self, event: Event) -> None:
        """Begin a section."""
        base_us = self._moving.us(event.at_us)
        run = Run(int(event.detail["index"]), started_us=event.at_us, base_moving_us=base_us)
        self.sections.append(SectionRun(run, event.at_us, str(event.detail.get("cause"))))

    def finish(self, event: Event) -> None:
        """End the current section."""
        if self.sections:
            cause = str(event.detail.get("cause"))
            self.sections[-1] = self.sections[-1]._replace(
                ended_us=event.at_us, ended_by=cause, finished=event.detail
            )

    def pass_waypoint(self, event: Event) -> None:
        """Record a waypoint as validated or missed."""
        detail = event.detail
        section, validated = int(detail["section"]), detail["state"] == "validated"
        passage = Passage(
            section,
            str(detail["kind"]),
            str(detail.get("name") or ""),
            float(detail["km"]),
            validated,
            detail.get("nearest_m"),
            event.at_us,
            bool(detail.get("estimated")),
        )
        self.passages.append(passage)
        mark = _mark(self._courses, passage)
        if not validated or mark is None or not self.sections or self.sections[-1].section != section:
            return
        past = Past(event.at_us, mark.metres, self._moving.us(event.at_us))
        run = marked(self.sections[-1].run, mark, past, estimated=passage.estimated)
        self.sections[-1] = self.sections[-1]._replace(run=run)


def _mark(courses: tuple[Course, ...], passage: Passage) -> Mark | None:
    if not 0 <= passage.section < len(courses):
        return None
    return next(
        (
            mark
            for mark in courses[passage.section].marks
            if mark.kind == passage.kind and abs(mark.metres / 1000 - passage.km) < 1e-6
        ),
        None,
    )
