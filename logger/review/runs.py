"""The day's sections out of the events: starts, finishes, waypoints, what the crew took back.

Knows no rules. The arithmetic is that of the live computation (`stage.run.Run`): an event puts a run where
the live one was, and everything else is a difference. A section change is one immutable step, so an `undone`
event puts the older value back, exactly as live.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from logger.review.evidence import Event, Evidence, Floats
from logger.review.speeds import Speeds
from logger.stage.course import Course, Mark
from logger.stage.fix_speed import STILL_MPS
from logger.stage.odometer import BLINK_US, Past
from logger.stage.run import Run, marked

SECTION_STEPS = ("start of ", "finish of ")
"""How an `undone` event names a section change."""


class Passage(NamedTuple):
    """What became of a waypoint. `at_us` is when it was validated, or when it was found missed."""

    section: int
    kind: str
    name: str
    km: float
    validated: bool
    nearest_m: float | None
    at_us: int
    estimated: bool


class SectionRun(NamedTuple):
    """A section as it was driven. `finished` holds the figures of its end, None while it runs."""

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
    """Sections and waypoints, in order of time."""

    sections: tuple[SectionRun, ...] = ()
    passages: tuple[Passage, ...] = ()


class Moving:
    """Time spent moving, up to any moment: between fixes, by the odometer's own measure of standing."""

    def __init__(self, evidence: Evidence, speeds: Speeds) -> None:
        fixes = evidence.fixes
        keep = fixes.located
        at_us, mps = fixes.at_us[keep], np.nan_to_num(speeds.mps[keep])
        moving = np.where(mps >= STILL_MPS, mps, 0.0)
        dt_us = np.diff(at_us)
        counted = (np.maximum(moving[1:], moving[:-1]) > 0) if len(at_us) > 1 else np.empty(0, dtype=bool)
        counted |= dt_us > BLINK_US  # unseen: nobody knows that it stood
        self._at_us = at_us
        self._moving_us: Floats = np.concatenate([[0.0], np.cumsum(np.where(counted, dt_us, 0.0))])[
            : len(at_us)
        ]

    def us(self, at_us: float) -> int:
        """Microseconds moved until a moment."""
        return round(float(np.interp(at_us, self._at_us, self._moving_us))) if len(self._at_us) else 0


def day_of(evidence: Evidence, courses: tuple[Course, ...], moving: Moving) -> Day:
    """The sections that the events tell of."""
    day = Day()
    steps: list[Day] = []
    last: Event | None = None
    for event in evidence.events:
        detail = event.detail
        match event.kind, detail.get("state"):
            case "section", "finished":
                steps.append(day)
                day = _finished(day, event)
            case "section", "started":
                if not (
                    last is not None and last.detail.get("state") == "finished" and last.at_us == event.at_us
                ):
                    steps.append(day)
                day = _started(day, event, moving)
            case "waypoint", ("validated" | "missed"):
                day = _waypoint(day, event, courses, moving)
            case "undone", _ if str(detail.get("what")).startswith(SECTION_STEPS) and steps:
                day = steps.pop()
        if event.kind == "section":
            last = event
    return day


def _started(day: Day, event: Event, moving: Moving) -> Day:
    run = Run(int(event.detail["index"]), started_us=event.at_us, base_moving_us=moving.us(event.at_us))
    return day._replace(
        sections=(*day.sections, SectionRun(run, event.at_us, str(event.detail.get("cause"))))
    )


def _finished(day: Day, event: Event) -> Day:
    if not day.sections:
        return day
    *others, last = day.sections
    cause = str(event.detail.get("cause"))
    ended = last._replace(ended_us=event.at_us, ended_by=cause, finished=event.detail)
    return day._replace(sections=(*others, ended))


def _waypoint(day: Day, event: Event, courses: tuple[Course, ...], moving: Moving) -> Day:
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
    day = day._replace(passages=(*day.passages, passage))
    mark = _mark(courses, passage)
    if not validated or mark is None or not day.sections or day.sections[-1].section != section:
        return day
    *others, last = day.sections
    past = Past(event.at_us, mark.metres, moving.us(event.at_us))
    run = marked(last.run, mark, past, estimated=passage.estimated)
    return day._replace(sections=(*others, last._replace(run=run)))


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
