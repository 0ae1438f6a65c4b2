"""Compare cars over one section: time at each distance, gaps, and the stretches where they arise.

Pure values from reports. Compares counted time (without neutralisations) at the same kilometre of the roadbook; the
distance is comparable because every waypoint resets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from firmware_bridge.errors import ConfigurationError
from logger.logfile.documents import car_document
from logger.review.evidence import Floats
from logger.review.report import Report, SectionReport
from logger.review.times import whole_s
from logger.stage.course import Course

MIN_CARS, MAX_CARS = 2, 4
GRID_M = 100.0
"""Spacing of the gap values: three seconds of a fast stage."""
MIN_STRETCH_KM = 2.0
"""Minimum stretch between waypoints: over a shorter one differences are tenths of a second."""


class CarSection(NamedTuple):
    """One car's section, one array element per fix. `elapsed_s` is counted time; `km` never decreases."""

    label: str
    report: Report
    section: SectionReport
    number: int
    km: Floats
    elapsed_s: Floats
    kmh: Floats
    lat: Floats
    lon: Floats

    def at(self, km: Floats) -> Floats:
        """Counted time at kilometres: the arrival where the car stood, nan beyond the end of its drive."""
        first = np.concatenate([[True], np.diff(self.km) > 0]) if len(self.km) else np.empty(0, dtype=bool)
        if not first.any():
            return np.full(len(km), np.nan)
        return np.asarray(np.interp(km, self.km[first], self.elapsed_s[first], right=np.nan))


class SplitRow(NamedTuple):
    """A checkpoint or the finish: each car's time there, None if it has none."""

    name: str
    km: float
    elapsed_s: tuple[float | None, ...]

    @property
    def behind_s(self) -> tuple[int | None, ...]:
        """Whole seconds behind the best."""
        return behind(self.elapsed_s)


class Stretch(NamedTuple):
    """A stretch between two waypoints: the seconds each car took."""

    from_km: float
    to_km: float
    name: str
    seconds: tuple[float | None, ...]

    @property
    def spread_s(self) -> float:
        """Difference between the fastest and the slowest car."""
        known = [seconds for seconds in self.seconds if seconds is not None]
        return max(known) - min(known) if len(known) > 1 else 0.0


class Comparison(NamedTuple):
    """All cars, the fastest first; `gap_s` holds each car's seconds behind the first at each `km`."""

    course: Course
    cars: tuple[CarSection, ...]
    splits: tuple[SplitRow, ...]
    stretches: tuple[Stretch, ...]
    km: Floats
    gap_s: tuple[Floats, ...]


def behind(times_s: Sequence[float | None]) -> tuple[int | None, ...]:
    """Whole seconds behind the best time, for each."""
    whole = [None if seconds is None else whole_s(seconds) for seconds in times_s]
    best = min((seconds for seconds in whole if seconds is not None), default=0)
    return tuple(None if seconds is None else seconds - best for seconds in whole)


def compare(reports: Sequence[Report], section: int | None = None) -> Comparison:
    """Compare reports over a section (an index, or the first timed section that all have).

    Raises ConfigurationError if there is no such section, or the logs are of different stages.
    """
    index = _section(reports, section)
    course = reports[0].courses[index]
    for report in reports[1:]:
        other = report.courses[index].section
        if (other.kind, other.length_km) != (course.section.kind, course.section.length_km):
            raise ConfigurationError(
                f"its section {index + 1} differs from that in {reports[0].evidence.name}",
                where=report.evidence.name,
                hint="compare logs of the same stage",
            )
    cars = tuple(sorted((_car_section(report, index) for report in reports), key=_rank))
    splits = _splits(course, cars)
    last_km = min((float(car.km[-1]) for car in cars if len(car.km)), default=0.0)
    km = np.arange(0.0, last_km + 1e-9, GRID_M / 1000)
    times = [car.at(km) for car in cars]
    gap_s = tuple(time - times[0] for time in times)
    return Comparison(course, cars, splits, _stretches(course, cars, last_km), km, gap_s)


def _rank(car: CarSection) -> tuple[bool, float]:
    """Sort key: finishers by time, then the others by distance."""
    if car.section.finished and car.section.elapsed_s is not None:
        return False, car.section.elapsed_s
    return True, -car.section.distance_km


def _section(reports: Sequence[Report], section: int | None) -> int:
    for report in reports:
        if not report.courses:
            hint = "give the itinerary of the stage with --itinerary"
            what = "no timed section that all logs have: this one has no itinerary"
            raise ConfigurationError(what, where=report.evidence.name, hint=hint)
    # An event may name a section that the itinerary does not have.
    known = range(min(len(report.courses) for report in reports))
    common = set(known).intersection(*({driven.section for driven in report.sections} for report in reports))
    if section is None:
        timed = [index for index in sorted(common) if reports[0].courses[index].timed]
        if timed:
            return timed[0]
    elif section in common:
        return section
    what = "no timed section" if section is None else f"no section {section + 1}"
    shared = ", ".join(str(index + 1) for index in sorted(common))
    hint = f"they share {shared}" if shared else "run `stagelog review` to see the sections of each log"
    raise ConfigurationError(f"{what} that all logs have", hint=hint)


def _car_section(report: Report, index: int) -> CarSection:
    number = max(number for number, run in enumerate(report.day.sections) if run.section == index)
    run, fixes, places = report.day.sections[number].run, report.evidence.fixes, report.places
    here = (places.run == number) & fixes.located & np.isfinite(places.metres)
    at_us = fixes.at_us[here]
    counted_us = at_us - (run.started_us or 0)
    for pause in run.pauses:
        ends = [float(end) for end in (pause.to_us,) if end is not None]
        if pause.allowed_us is not None:
            ends = [float(pause.from_us + pause.allowed_us)]
        counted_us = counted_us - (np.clip(at_us, pause.from_us, min(ends, default=np.inf)) - pause.from_us)
    metres = np.maximum.accumulate(places.metres[here])
    return CarSection(
        label_of(report),
        report,
        report.sections[number],
        number,
        metres / 1000,
        counted_us / 1e6,
        places.mps[here] * 3.6,
        fixes.lat[here],
        fixes.lon[here],
    )


def label_of(report: Report) -> str:
    """Short label of a car: its number and its driver."""
    car = report.evidence.car
    crew = car.get("crew") or [car.get("name") or ""]
    return f"{car.get('number', '')} {str(crew[0]).split(' ')[-1]}".strip() or report.evidence.name


def _splits(course: Course, cars: tuple[CarSection, ...]) -> tuple[SplitRow, ...]:
    rows = []
    for mark in course.marks:
        times = tuple(
            next((s.elapsed_us / 1e6 for s in car.section.splits if s.km == mark.metres / 1000), None)
            for car in cars
        )
        if any(seconds is not None for seconds in times):
            rows.append(SplitRow(mark.label, mark.metres / 1000, times))
    return tuple(rows)


def _stretches(course: Course, cars: tuple[CarSection, ...], last_km: float) -> tuple[Stretch, ...]:
    ends = [(0.0, "start")]
    for mark in course.marks:
        km = min(mark.metres / 1000, last_km)
        if km - ends[-1][0] >= MIN_STRETCH_KM:
            ends.append((km, mark.label))
    times = [car.at(np.array([km for km, _ in ends])) for car in cars]
    rows = []
    for number, ((from_km, first), (to_km, last)) in enumerate(pairwise(ends)):
        seconds = tuple(_known(float(time[number + 1] - time[number])) for time in times)
        rows.append(Stretch(from_km, to_km, f"{first} - {last}", seconds))
    return tuple(rows)


def _known(seconds: float) -> float | None:
    return round(seconds, 2) if np.isfinite(seconds) else None


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON object; times in the order of `cars`."""
    section = comparison.course.section
    return {
        "section": {"kind": section.kind, "name": section.name, "length_km": section.length_km},
        "cars": [
            {
                "log": car.report.evidence.name,
                "car": car_document(car.report.evidence.car),
                "elapsed_s": car.section.elapsed_s,
                "finished": car.section.finished,
                "max_kmh": car.section.max_kmh,
                "penalty_s": car.section.penalty_s,
            }
            for car in comparison.cars
        ],
        "splits": [
            {"name": row.name, "km": row.km, "elapsed_s": row.elapsed_s, "behind_s": row.behind_s}
            for row in comparison.splits
        ],
        "stretches": [
            {"name": row.name, "from_km": row.from_km, "to_km": row.to_km, "elapsed_s": row.seconds}
            for row in comparison.stretches
        ],
        "gap": {
            "km": [round(float(km), 3) for km in comparison.km],
            "behind_s": [[_known(float(value)) for value in gap] for gap in comparison.gap_s],
        },
    }
