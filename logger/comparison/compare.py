"""Compare cars over one section: time at each distance, gaps, and where they arise.

Pure values from reports. Compares counted time (without neutralisations) at the same kilometre of the roadbook; the
distance is comparable because every waypoint resets it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from firmware_bridge.errors import ConfigurationError
from logger.boundary.text_table import shortened
from logger.boundary.utc_text import utc_text
from logger.comparison.gap_growth import Growth, growths
from logger.comparison.same_road import Track, difference
from logger.comparison.same_section import DrivenRun, same_section
from logger.comparison.section_clock import SectionClock, clock_of, counted_s, passages_of
from logger.comparison.sectors import Sector, SplitRow, sectors_of, splits_of
from logger.judgement.evidence import Floats
from logger.judgement.report import Report, SectionReport
from logger.stage.course import Course
from logger.stage.limits import KMH

MIN_CARS, MAX_CARS = 2, 8
"""More lines nobody can tell apart in one drawing."""
GRID_M = 100.0
"""Spacing of the gap values: three seconds of a fast stage."""
MAX_LABEL_CELLS = 24
"""Width of a car's label in tables and at its line."""


class CarSection(NamedTuple):
    """One car's section, one array element per fix. `km` never decreases."""

    label: str
    report: Report
    section: SectionReport
    number: int
    at_us: Floats
    km: Floats
    kmh: Floats
    lat: Floats
    lon: Floats
    clock: SectionClock


class Comparison(NamedTuple):
    """All cars, the fastest first; `gap_s` holds each car's seconds behind the first at each `km`, nan where one of
    the two did not drive, and `growths` where that gap grew most."""

    course: Course
    cars: tuple[CarSection, ...]
    splits: tuple[SplitRow, ...]
    sectors: tuple[Sector, ...]
    km: Floats
    gap_s: tuple[Floats, ...]
    growths: tuple[tuple[Growth, ...], ...]


def compare(
    reports: Sequence[Report], section: int | None = None, sector_km: float | None = None
) -> Comparison:
    """Compare reports over a section (an index, or the first timed section that all have), or one report's runs of it.

    `sector_km`: the length of the sectors; None: from checkpoint to checkpoint. Raises ConfigurationError if there is
    no such section, or the drives cannot be compared.
    """
    runs = same_section(reports, section)
    if len(runs) > MAX_CARS:
        what = f"the section was driven {len(runs)} times: compare takes up to {MAX_CARS}"
        raise ConfigurationError(what, where=reports[0].evidence.name, hint="choose another with --section")
    course = runs[0].course
    cars = tuple(sorted(map(_car_section, runs, labels_of(runs)), key=_rank))
    _require_common_road(course, cars)
    clocks = [car.clock for car in cars]
    km = np.append(np.arange(0.0, clocks[0].last_km - 1e-6, GRID_M / 1000), clocks[0].last_km)
    times_s = [clock.at(km) for clock in clocks]
    gap_s = tuple(time_s - times_s[0] for time_s in times_s)
    return Comparison(
        course,
        cars,
        splits_of(course, [car.section for car in cars]),
        sectors_of(course, clocks, sector_km),
        km,
        gap_s,
        tuple(growths(km, gap, len(cars)) for gap in gap_s),
    )


def _rank(car: CarSection) -> tuple[bool, float]:
    """Sort key: finishers by time, then the others by distance."""
    if car.section.finished and car.section.elapsed_s is not None:
        return False, car.section.elapsed_s
    return True, -car.clock.last_km


def _car_section(driven: DrivenRun, label: str) -> CarSection:
    report, number = driven.report, driven.number
    fixes, places = report.evidence.fixes, report.places
    here = (places.run == number) & fixes.located & np.isfinite(places.metres)
    at_us, km = fixes.at_us[here], places.metres[here] / 1000
    elapsed_s = counted_s(report.day.sections[number].run, at_us)
    return CarSection(
        label,
        report,
        report.sections[number],
        number,
        at_us,
        np.maximum.accumulate(km),
        places.mps[here] * KMH,
        fixes.lat[here],
        fixes.lon[here],
        clock_of(km, elapsed_s, passages_of(report, number)),
    )


def _require_common_road(course: Course, cars: Sequence[CarSection]) -> None:
    """Raise ConfigurationError for a car that drove nothing of the road of the first."""
    for car in cars:
        what = ""
        if car.clock.last_km <= 0:
            what = "no distance in the section: it has no position there, or did not drive"
        elif road := difference(_track(cars[0]), _track(car), course.length_m / 1000):
            what = f"drives the section {road} {cars[0].report.evidence.name}"
        if what:
            hint = "leave this log out"
            raise ConfigurationError(what, where=car.report.evidence.name, hint=hint)


def _track(car: CarSection) -> Track:
    return Track(car.km, car.lat, car.lon)


def labels_of(runs: Sequence[DrivenRun]) -> list[str]:
    """A short label for each run: number and driver, with the day, the time or a count where they are the same."""
    labels = [label_of(run.report) for run in runs]
    begun = [_begun_utc(run) for run in runs]
    for label in {label for label, count in Counter(labels).items() if count > 1}:
        same = [at for at, each in enumerate(labels) if each == label]
        days, times = ([begun[at][part] for at in same] for part in (slice(10), slice(11, 16)))
        counted = [f"({count})" for count in range(1, len(same) + 1)]
        more = next(words for words in (days, times, counted) if len({*words}) == len(same) and all(words))
        for at, words in zip(same, more, strict=True):
            labels[at] = f"{label} {words}"
    return labels


def _begun_utc(run: DrivenRun) -> str:
    """When a run began, in ISO 8601; "" if UTC is unknown."""
    began_us = run.report.day.sections[run.number].began_us
    return (utc_text(began_us) if run.report.evidence.utc_known else None) or ""


def label_of(report: Report) -> str:
    """Short label of a car: its number and its driver."""
    car = report.evidence.car
    crew = car.get("crew") or [car.get("name") or ""]
    label = f"{car.get('number', '')} {str(crew[0]).split(' ')[-1]}".strip()
    return shortened(label or report.evidence.name, MAX_LABEL_CELLS)
