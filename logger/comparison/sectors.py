"""Times of several cars at the checkpoints of a section, and in its sectors.

A sector leads from checkpoint to checkpoint, or over equal kilometres. Its times are differences of the times at its
ends, each rounded to a tenth: so the sectors of a car add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from firmware_bridge.errors import ConfigurationError
from logger.boundary.time_text import whole_s
from logger.comparison.section_clock import SectionClock
from logger.judgement.report import SectionReport
from logger.stage.course import CONTROLS, Course, Mark
from logger.stage.itinerary import SPLITS
from logger.stage.run import Split

SAME_KM = 0.001
"""Two itineraries may write a kilometre with different digits."""
MAX_SECTORS = 500
"""More rows nobody reads; 5,000 km, the longest section, in sectors of 10 km."""


class SplitRow(NamedTuple):
    """A checkpoint or the finish: each car's time there in seconds, None if it has none."""

    name: str
    km: float
    elapsed_s: tuple[float | None, ...]

    @property
    def behind_s(self) -> tuple[float | None, ...]:
        """Whole seconds behind the best."""
        return behind([None if seconds is None else whole_s(seconds) for seconds in self.elapsed_s])


class Sector(NamedTuple):
    """A part of the section: the seconds each car took, in tenths, None if it did not drive all of it."""

    name: str
    from_km: float
    to_km: float
    elapsed_s: tuple[float | None, ...]

    @property
    def behind_s(self) -> tuple[float | None, ...]:
        """Tenths of seconds behind the best."""
        return behind(self.elapsed_s)


def behind(times_s: Sequence[float | None]) -> tuple[float | None, ...]:
    """Seconds behind the best time, for each."""
    best = min((seconds for seconds in times_s if seconds is not None), default=0.0)
    return tuple(None if seconds is None else round(seconds - best, 1) for seconds in times_s)


def splits_of(course: Course, sections: Sequence[SectionReport]) -> tuple[SplitRow, ...]:
    """The rows of the checkpoints and the finish at which any car has a time."""
    rows = []
    for mark in course.marks:
        times = tuple(
            next((split.elapsed_us / 1e6 for split in section.splits if _is_at(split, mark)), None)
            for section in sections
        )
        if any(seconds is not None for seconds in times):
            rows.append(SplitRow(mark.label, mark.metres / 1000, times))
    return tuple(rows)


def _is_at(split: Split, mark: Mark) -> bool:
    return abs(split.km - mark.metres / 1000) < SAME_KM


def sectors_of(
    course: Course, clocks: Sequence[SectionClock], sector_km: float | None = None
) -> tuple[Sector, ...]:
    """The sectors between checkpoints, or of `sector_km` each.

    Raises ConfigurationError if that is too short for the section.
    """
    ends = _checkpoints(course) if sector_km is None else _equal(course, sector_km)
    at_s = [clock.at(np.array([km for km, _ in ends])) for clock in clocks]
    tenths = [
        [round(seconds, 1) if math.isfinite(seconds) else None for seconds in each.tolist()] for each in at_s
    ]
    return tuple(
        Sector(
            f"{first} - {last}",
            from_km,
            to_km,
            tuple(_difference(each[number], each[number + 1]) for each in tenths),
        )
        for number, ((from_km, first), (to_km, last)) in enumerate(pairwise(ends))
    )


def _checkpoints(course: Course) -> list[tuple[float, str]]:
    """Kilometre and name of the start, of each control on the way, and of the end."""
    ends = [(0.0, "start")]
    for mark in course.marks[: course.end]:
        if mark.kind in SPLITS | CONTROLS and ends[-1][0] < mark.metres / 1000 < course.length_m / 1000:
            ends.append((mark.metres / 1000, mark.label))
    last = course.marks[course.end]
    return [*ends, (course.length_m / 1000, last.name or "finish")]


def _equal(course: Course, sector_km: float) -> list[tuple[float, str]]:
    length_km = course.length_m / 1000
    if not length_km / sector_km <= MAX_SECTORS:
        raise ConfigurationError(
            f"sectors of {sector_km:g} km are too short for a section of {length_km:g} km",
            where="--sectors",
            hint=f"give at least {length_km / MAX_SECTORS:.2g}",
        )
    count = max(1, math.ceil(length_km / sector_km - 1e-9))
    return [(km, f"km {km:g}") for km in (*(number * sector_km for number in range(count)), length_km)]


def _difference(before_s: float | None, after_s: float | None) -> float | None:
    return None if before_s is None or after_s is None else round(after_s - before_s, 1)
