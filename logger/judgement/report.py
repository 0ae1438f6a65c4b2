"""Build the review report of one recording, as values for the terminal, JSON and the HTML page.

Knows no files and no output format. Combines the results of the live computation and adds what is only known
afterwards: penalties, nearest distances, the quality of the evidence.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import ConfigurationError, LogError, StagelogError
from logger.judgement.engine import ChannelReport, EngineReport, engine_of
from logger.judgement.engine_hours import RunningTime
from logger.judgement.evidence import Evidence, Floats
from logger.judgement.overspeeds import overspeeds_of
from logger.judgement.pauses import PauseReport, pauses_of
from logger.judgement.penalties import Charge, Overspeed
from logger.judgement.places import Places, places_of
from logger.judgement.quality import Quality, quality_of
from logger.judgement.ruling import Ruling, SectionRuling, ruling_of
from logger.judgement.runs import Day, Moving, SectionRun, day_of
from logger.judgement.samples import Samples, no_samples, samples_of
from logger.judgement.speeds import Speeds, speeds_of
from logger.judgement.waypoints import WaypointReport, waypoints_of
from logger.logfile.blocks import Progress
from logger.stage.course import Course
from logger.stage.limits import KMH
from logger.stage.odometer import Past
from logger.stage.rules import Rules
from logger.stage.run import Split

ELSEWHERE_M = 50_000.0
"""No car strays this far: if every waypoint is further off, the itinerary is of another place."""


class SectionReport(NamedTuple):
    """A section as driven. `finished`: its end was reached, with enough waypoints if it is timed."""

    section: int
    kind: str
    name: str
    length_km: float | None
    distance_km: float
    began_us: int
    ended_us: int | None
    elapsed_s: float | None
    average_mps: float | None
    moving_average_mps: float | None
    max_kmh: float | None
    finished: bool
    splits: tuple[Split, ...]
    penalty_s: float


@dataclasses.dataclass(frozen=True)
class Report:
    """The review of one recording."""

    evidence: Evidence
    ruling: Ruling
    day: Day
    places: Places
    speeds: Speeds
    courses: tuple[Course, ...]
    sections: tuple[SectionReport, ...]
    waypoints: tuple[WaypointReport, ...]
    pauses: tuple[PauseReport, ...]
    engine: tuple[ChannelReport, ...]
    quality: Quality
    remarks: tuple[str, ...]
    samples: Samples
    unused_dbcs: tuple[str, ...] = ()
    """DBC files given for the review with no message on its bus."""
    running: RunningTime | None = None
    """The engine's running time; None if its revolutions are unknown."""

    @property
    def rules(self) -> Rules:
        """The rules of the verdict."""
        return self.ruling.rules

    @property
    def overspeeds(self) -> tuple[Overspeed, ...]:
        """The over-speeds, in order of time."""
        return self.ruling.overspeeds

    @property
    def charges(self) -> tuple[Charge, ...]:
        """The charge of each over-speed."""
        return self.ruling.charges

    @property
    def penalty_s(self) -> float:
        """Sum of all penalties under the rules, in seconds."""
        return self.ruling.penalty_s

    @property
    def not_judged(self) -> str:
        """Why there is no verdict on penalties, or ""."""
        if not self.courses:
            return "not judged: give --itinerary"
        return "" if self.sections else "not judged: no section of the itinerary was driven"

    @property
    def problem(self) -> StagelogError | None:
        """Why the review is incomplete, or None; its exit code is the command's."""
        evidence = self.evidence
        if evidence.damage:
            return LogError(
                f"damaged, {evidence.damage}; reviewed as far as it can be read",
                where=evidence.name,
                hint="run `stagelog verify` for details",
            )
        if not evidence.fixes.located.any():
            return LogError(
                "no fix with a position: speed and distance are unknown",
                where=evidence.name,
                hint="run `stagelog info` to see its contents",
            )
        nearest_m = min((p.nearest_m for p in self.waypoints if p.nearest_m is not None), default=0.0)
        if nearest_m > ELSEWHERE_M:
            return ConfigurationError(
                f"the itinerary is of another place: its nearest waypoint is {nearest_m / 1000:.0f} km off the drive",
                where=evidence.checked_itinerary or evidence.name,
                hint="give the itinerary of this stage with --itinerary",
            )
        if self.unused_dbcs:
            from logger.export.signals import no_message_on_bus  # noqa: PLC0415 - cantools takes a third of a second

            return no_message_on_bus(self.unused_dbcs)
        return None

    def km_of_day(self, fixes: NDArray[np.intp]) -> Floats:
        """The kilometre of the day of fixes, by their indices; nan if unknown."""
        begins_m = np.array([self.offset_m(run.section) for run in self.day.sections] or [0.0])
        base_m = begins_m[self.places.run[fixes]] if self.day.sections else 0.0
        return (self.places.metres[fixes] + base_m) / 1000

    def under(self, rules: Rules, evidence: Evidence) -> Ruling:
        """The same drive under other rules; `evidence` has the over-speeds that the recorder finds under them."""
        share = rules.penalties.rallycheck_share
        overspeeds = self.overspeeds
        if evidence is not self.evidence or share != self.rules.penalties.rallycheck_share:
            overspeeds = overspeeds_of(evidence, self.places.mps, self.speeds.uncertainty_kmh, share)
        return ruling_of(overspeeds, rules, self.day, self.waypoints, timed_of(self.courses))

    def offset_m(self, section: int) -> float:
        """Begin of a section, in metres of the day by the roadbook."""
        return sum(course.length_m for course in self.courses[:section])


def report_of(
    evidence: Evidence,
    rules: Rules,
    connection: sqlite3.Connection | None = None,
    dbc_texts: Mapping[str, str] | None = None,
    progress: Progress = lambda _done: None,
    *,
    signals: bool = False,
    is_drawn: bool = True,
) -> Report:
    """Review a recording under rules. `connection` is to its log, for engine channels and rejected bytes.

    `dbc_texts`, by name, decode the engine channels instead of the recorded readings; `signals` decodes every frame,
    without texts by the log's own, beside them. Without `is_drawn` there are no samples, and the channels have a short
    course. Raises ConfigurationError if a text cannot be read, or there is none.
    """
    itinerary = evidence.stage.itinerary
    courses = tuple(Course(section) for section in itinerary.sections) if itinerary else ()
    speeds = speeds_of(evidence.fixes)
    moving = Moving(evidence, speeds)
    day = day_of(evidence, courses, moving)
    places = places_of(evidence, day, speeds)
    waypoints = waypoints_of(evidence, courses, day, places)
    share = rules.penalties.rallycheck_share
    overspeeds = overspeeds_of(evidence, places.mps, speeds.uncertainty_kmh, share)
    ruling = ruling_of(overspeeds, rules, day, waypoints, timed_of(courses))
    remarks = [*evidence.remarks, *_speed_remarks(overspeeds, speeds.source(evidence.fixes.located))]
    if signals and connection is None:
        raise ConfigurationError("it has no CAN frames", where=evidence.name, hint="leave --signals out")
    engine = EngineReport(unused=tuple(dbc_texts or ()))
    samples = samples_of(evidence, places, day, ruling.overspeeds) if is_drawn else no_samples(evidence)
    if connection is not None:
        engine = engine_of(connection, dbc_texts, progress, samples if is_drawn else None, signals=signals)
    if engine.damage:
        remarks.append(f"the engine data is incomplete: {engine.damage}")
    sections = tuple(
        _section(number, run, ruled, evidence, courses, places, moving)
        for number, (run, ruled) in enumerate(zip(day.sections, ruling.sections, strict=True))
    )
    return Report(
        evidence,
        ruling,
        day,
        places,
        speeds,
        courses,
        sections,
        waypoints,
        tuple(pauses_of(day)),
        engine.channels,
        quality_of(evidence, day, places, speeds, connection),
        tuple(remarks),
        samples,
        engine.unused,
        engine.running,
    )


def _section(
    number: int,
    driven: SectionRun,
    ruled: SectionRuling,
    evidence: Evidence,
    courses: tuple[Course, ...],
    places: Places,
    moving: Moving,
) -> SectionReport:
    run, course = driven.run, courses[driven.section] if driven.section < len(courses) else None
    here = places.run == number
    mps = places.mps[here & evidence.fixes.located]
    mps = mps[np.isfinite(mps)]
    metres = places.metres[here]
    distance_m = float(metres[-1]) if len(metres) else 0.0
    ended_us = driven.ended_us
    last_us = (
        ended_us
        if ended_us is not None
        else int(evidence.fixes.at_us[here][-1])
        if here.any()
        else run.started_us or 0
    )
    past = Past(last_us, distance_m, moving.us(last_us))
    elapsed_us, average_mps = run.elapsed_us(last_us), run.average_mps(past)
    elapsed_s = None if elapsed_us is None else elapsed_us / 1e6
    if driven.finished is not None:
        distance_m = float(driven.finished["distance_m"])
        elapsed_s, average_mps = driven.finished.get("elapsed_s"), driven.finished.get("average_mps")
        past = past._replace(total_m=distance_m)
    return SectionReport(
        driven.section,
        course.section.kind if course else "",
        course.section.name if course else "",
        course.length_m / 1000 if course else None,
        distance_m / 1000,
        driven.began_us,
        ended_us,
        elapsed_s,
        average_mps,
        run.moving_average_mps(past),
        round(float(mps.max()) * KMH, 1) if len(mps) else None,
        ruled.finished,
        run.splits,
        ruled.penalty_s,
    )


def timed_of(courses: tuple[Course, ...]) -> frozenset[int]:
    """The indices of the timed sections."""
    return frozenset(index for index, course in enumerate(courses) if course.timed)


def _speed_remarks(overspeeds: tuple[Overspeed, ...], source: str | None) -> list[str]:
    """Remarks on speeds that the receiver did not measure."""
    if source in (None, "receiver"):
        return []
    subject = "speed" if source == "positions" else "part of the speed"
    remarks = [f"{subject} is computed from positions: the recording has no receiver speed there"]
    if weak := sum(not over.proven for over in overspeeds):
        remarks.append(
            f"{weak} of {len(overspeeds)} over-speeds are within the uncertainty of these speeds: not proven"
        )
    return remarks
