"""Counted time over the kilometres of a section: when the car was where.

Rule 1: a car is at a kilometre when it first arrives there; where it stands, the arrival counts. Rule 2: at a validated
waypoint the time is that of its passage, because there the distance is set to the roadbook's: what the odometer showed
on the wrong side of the passage is dropped. Rule 3: outside the road that the car has driven the time is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from logger.judgement.evidence import Floats
from logger.judgement.report import Report
from logger.stage.run import Run


class SectionClock(NamedTuple):
    """`elapsed_s` is the counted time at each `km`; both increase."""

    km: Floats
    elapsed_s: Floats

    @property
    def last_km(self) -> float:
        """The end of the road driven; 0 if no position is known."""
        return float(self.km[-1]) if len(self.km) else 0.0

    def at(self, km: Floats) -> Floats:
        """Counted time at kilometres, nan beyond the end of the drive."""
        if len(self.km) < 2:
            return np.full(len(km), np.nan)
        return np.asarray(np.interp(km, self.km, self.elapsed_s, left=np.nan, right=np.nan))


def clock_of(km: Floats, elapsed_s: Floats, passages: Sequence[tuple[float, float]]) -> SectionClock:
    """The clock of a drive: each fix's kilometre and counted time, in order of time, and the passages of waypoints, in
    order of kilometres.

    A drive without a fix in the section has an empty clock.
    """
    at_km, at_s = np.array(passages, dtype=np.float64).reshape(-1, 2).T
    later = at_s >= np.maximum.accumulate(at_s)  # a log from a stranger may contradict itself
    at_km, at_s = at_km[later], at_s[later]
    # On the right side of every passage: as many of them are behind the fix in time as on the road.
    keep = np.searchsorted(at_s, elapsed_s, side="right") == np.searchsorted(at_km, km, side="right")
    keep &= np.isfinite(km)
    km, elapsed_s = np.maximum.accumulate(km[keep]), elapsed_s[keep]
    if not len(km):
        return SectionClock(km, elapsed_s)
    km, elapsed_s = np.concatenate([km, at_km]), np.concatenate([elapsed_s, at_s])
    order = np.lexsort((elapsed_s, km))
    km, elapsed_s = km[order], np.maximum.accumulate(elapsed_s[order])
    first = np.concatenate([[True], np.diff(km) > 0])
    return SectionClock(km[first], elapsed_s[first])


def counted_s(run: Run, at_us: Floats) -> Floats:
    """Counted time at moments of a run, without its neutralisations and transfers."""
    counted_us = at_us - (run.started_us or 0)
    for pause in run.pauses:
        ends = [float(end) for end in (pause.to_us,) if end is not None]
        if pause.allowed_us is not None:
            ends = [float(pause.from_us + pause.allowed_us)]
        counted_us = counted_us - (np.clip(at_us, pause.from_us, min(ends, default=np.inf)) - pause.from_us)
    return counted_us / 1e6


def passages_of(report: Report, number: int) -> list[tuple[float, float]]:
    """Kilometre and counted time of a run's start, of its validated waypoints, and of its finish."""
    driven, section = report.day.sections[number], report.sections[number]
    ended_us = np.inf if driven.ended_us is None else driven.ended_us
    validated = [
        passage
        for passage in report.day.passages
        if passage.section == driven.section
        and passage.validated
        and not passage.estimated
        and driven.began_us <= passage.at_us <= ended_us
    ]
    times_s = counted_s(driven.run, np.array([passage.at_us for passage in validated], dtype=np.float64))
    passages = {passage.km: float(at_s) for passage, at_s in zip(validated, times_s, strict=True)}
    passages = {km: at_s for km, at_s in passages.items() if km > 0 and at_s > 0} | {0.0: 0.0}
    if section.finished and section.elapsed_s is not None and section.length_km:
        passages[section.length_km] = section.elapsed_s
    return sorted(passages.items())
