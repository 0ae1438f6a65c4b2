"""Choose the runs to compare: one section, driven in every log, or several times in one log.

Two logs have a section in common if it is the same road by the roadbook: the same kind and length, and the same
controls at the same kilometres. Its number may differ, as on two days of a rally raid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.judgement.report import Report
from logger.stage.course import CONTROLS, Course
from logger.stage.itinerary import SPLITS


class DrivenRun(NamedTuple):
    """A run of a section: `number` counts the runs of its report's day from 0."""

    report: Report
    number: int

    @property
    def course(self) -> Course:
        """The section that was driven."""
        return self.report.courses[self.report.day.sections[self.number].section]


def same_section(reports: Sequence[Report], section: int | None) -> tuple[DrivenRun, ...]:
    """The runs of a section of the first report (an index; None: the first timed one that all have).

    Several reports give one run each, their last one; a single report gives all of its runs. Raises ConfigurationError
    if there is no such section.
    """
    for report in reports:
        if not report.courses:
            hint = "give the itinerary of the stage with --itinerary"
            what = "no timed section that all logs have: this one has no itinerary"
            raise ConfigurationError(what, where=report.evidence.name, hint=hint)
    for index in _wanted(reports[0], section):
        course = reports[0].courses[index]
        found = [tuple(_runs(report, course, index)) for report in reports]
        if len(reports) == 1 and len(found[0]) > 1:
            return found[0]
        if len(reports) > 1 and all(found):
            return tuple(runs[-1] for runs in found)
    raise _not_in_all(reports, section)


def _wanted(report: Report, section: int | None) -> list[int]:
    """The indices of the sections that may be compared, in order."""
    driven = sorted({run.section for run in report.day.sections if run.section < len(report.courses)})
    return [
        index for index in driven if (report.courses[index].timed if section is None else index == section)
    ]


def _runs(report: Report, course: Course, index: int) -> Iterator[DrivenRun]:
    """The runs of a course, in order; those of its own number come last, where several sections are alike."""
    runs = [
        DrivenRun(report, number)
        for number, run in enumerate(report.day.sections)
        if run.section < len(report.courses)
    ]
    alike = [run for run in runs if _road(run.course) == _road(course)]
    own = [run for run in alike if report.day.sections[run.number].section == index]
    yield from (run for run in alike if run not in own)
    yield from own


def _road(course: Course) -> tuple[object, ...]:
    """What the roadbook says of a section's road: its kind, its length, and its controls with their metres."""
    controls = tuple(
        (mark.kind, round(mark.metres)) for mark in course.marks if mark.kind in CONTROLS | SPLITS
    )
    return course.section.kind, course.section.length_km, controls


def _not_in_all(reports: Sequence[Report], section: int | None) -> ConfigurationError:
    """The reason why no section can be compared."""
    if len(reports) == 1:
        what = "no timed section that" if section is None else f"no section {section + 1} that"
        hint = "name the logs of two cars, or of two days"
        return ConfigurationError(f"{what} was driven twice", where=reports[0].evidence.name, hint=hint)
    common = set.intersection(*(set(_driven(report)) for report in reports))
    for index in [section] if section is not None else sorted(common):
        if index in common and (section is not None or reports[0].courses[index].timed):
            other = next(
                r for r in reports[1:] if _road(r.courses[index]) != _road(reports[0].courses[index])
            )
            return ConfigurationError(
                f"its section {index + 1} differs from that in {reports[0].evidence.name}",
                where=other.evidence.name,
                hint="compare logs of the same stage, or give its itinerary with --itinerary",
            )
    what = "no timed section" if section is None else f"no section {section + 1}"
    shared = ", ".join(str(index + 1) for index in sorted(common))
    hint = f"they share {shared}" if shared else "run `stagelog review` to see the sections of each log"
    return ConfigurationError(f"{what} that all logs have", hint=hint)


def _driven(report: Report) -> Iterator[int]:
    """The sections that were driven; an event may name one that the itinerary does not have."""
    return (run.section for run in report.day.sections if run.section < len(report.courses))
