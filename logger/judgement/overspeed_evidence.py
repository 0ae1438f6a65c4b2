"""The evidence of an over-speed for its explanation: the fixes of the stretch, and the state of the clock there."""

from __future__ import annotations

import sqlite3

import numpy as np
from numpy.typing import NDArray

from logger.judgement.evidence import Evidence, Floats
from logger.judgement.log_evidence import DamagedLogReader
from logger.judgement.penalties import Overspeed
from logger.judgement.report import Report
from logger.logfile.columns import present
from logger.stage.limits import KMH

AROUND_S = 3.0
"""Fixes this long before and after an over-speed are part of its evidence: they show it begin and end."""
_ACCURACIES = ("accuracy_m", "speed_accuracy_mps")
_Indices = NDArray[np.int64]


class OverspeedEvidence:
    """What a report's recording proves about any stretch. `connection` is to its log, if it is one."""

    def __init__(self, report: Report, connection: sqlite3.Connection | None) -> None:
        self._report = report
        fixes = report.evidence.fixes
        self._judged = np.flatnonzero(fixes.located & np.isfinite(report.places.mps))
        self._judged_us = fixes.at_us[self._judged]
        self._clock_us, self._clock_error_s = _clock(report.evidence, connection)
        self.accuracy_m, self.speed_accuracy_kmh = _accuracies(report.evidence, connection)

    def fixes(self, over: Overspeed, around_s: float = AROUND_S) -> _Indices:
        """Indices of the fixes of an over-speed and around it that count for the speed."""
        first_us, last_us = over.at_us - around_s * 1e6, over.at_us + (over.duration_s + around_s) * 1e6
        first, last = np.searchsorted(self._judged_us, [first_us, last_us])
        return self._judged[
            max(0, first - 1) : last + 1
        ]  # with one beyond each end: a receiver of 1 Hz has few

    def km(self, over: Overspeed, fixes: _Indices) -> Floats:
        """The kilometre in the section of the fixes of an over-speed, counted from its begin as the odometer counts."""
        at_us, mps = self._report.evidence.fixes.at_us[fixes], self._report.places.mps[fixes]
        way_m = np.concatenate([[0.0], np.cumsum((mps[1:] + mps[:-1]) / 2 * np.diff(at_us) / 1e6)])
        begin = max(0, int(np.searchsorted(at_us, over.at_us, "right")) - 1)
        begin_s = (over.at_us - at_us[begin]) / 1e6
        begin_mps = float(np.interp(over.at_us, at_us, mps))
        begin_m = way_m[begin] + (mps[begin] + begin_mps) / 2 * begin_s
        return np.asarray(over.km + (way_m - begin_m) / 1000)

    def judged(self) -> tuple[Floats, Floats]:
        """Time and speed (m/s) of every fix that counts for the speed."""
        return self._judged_us, self._report.places.mps[self._judged]

    def summary(self, over: Overspeed) -> str:
        """The evidence in one line: fixes, source of the speed, reception, clock."""
        inside = self.fixes(over, 0.0)
        fixes, speeds = self._report.evidence.fixes, self._report.speeds
        measured = np.isfinite(fixes.mps[inside]) & ~speeds.computed[inside]
        parts = [f"{len(inside)} fixes", _source(measured)]
        if over.uncertainty_kmh:
            parts.append(
                f"speed within {over.uncertainty_kmh:g} km/h" + ("" if over.proven else ": not proven")
            )
        parts += _span("HDOP", fixes.hdop[inside], "")
        parts += _span("satellites", fixes.satellites[inside], "")
        parts += _span("position accuracy", self.accuracy_m[inside], " m")
        parts += _span("speed accuracy", self.speed_accuracy_kmh[inside], " km/h")
        return ", ".join([*parts, self._clock(over)])

    def _clock(self, over: Overspeed) -> str:
        """The state of the clock at an over-speed."""
        if not self._report.evidence.utc_known:
            return "UTC is not known"
        row = int(np.searchsorted(self._clock_us, over.at_us, "right")) - 1
        if row < 0:
            return "clock by the fixes' UTC"
        age_s = (over.at_us - self._clock_us[row]) / 1e6
        error_s = self._clock_error_s[row]
        error = f" within {error_s:.2f} s" if np.isfinite(error_s) else ""
        return f"clock by GPS{error}, set {age_s:.0f} s before"


def _source(measured: NDArray[np.bool_]) -> str:
    if not len(measured):
        return "no speed"
    if measured.all():
        return "speed by the receiver"
    return "part of the speed from positions" if measured.any() else "speed from positions"


def _span(name: str, values: Floats, unit: str) -> list[str]:
    known = values[np.isfinite(values)]
    if not len(known):
        return []
    low, high = f"{known.min():.3g}", f"{known.max():.3g}"
    return [f"{name} {low}{unit}" if low == high else f"{name} {low} to {high}{unit}"]


def _clock(evidence: Evidence, connection: sqlite3.Connection | None) -> tuple[Floats, Floats]:
    """When each row of the log's clock was written, and its error in seconds, in order of time."""
    if connection is None:
        return np.empty(0), np.empty(0)
    rows = DamagedLogReader(connection).numbers("clock", "clock", ("session", "t_us", "error_us"))
    at_us = evidence.at_us(rows[:, 0], rows[:, 1])
    order = np.argsort(at_us, kind="stable")
    return at_us[order], rows[order, 2] / 1e6


def _accuracies(evidence: Evidence, connection: sqlite3.Connection | None) -> tuple[Floats, Floats]:
    """The receiver's own estimates at each fix: position in metres, speed in km/h; nan if unknown."""
    unknown = np.full(len(evidence.fixes.at_us), np.nan)
    if connection is None or present(connection, "fix", _ACCURACIES) != list(_ACCURACIES):
        return unknown, unknown
    rows = DamagedLogReader(connection).numbers("fixes", "fix", ("session", "t_us", *_ACCURACIES))
    fixes = evidence.fixes
    if len(rows) != len(fixes.t_us) or not np.array_equal(rows[:, 1], fixes.t_us):
        return unknown, unknown  # read differently around a damage: no accuracy is better than another fix's
    return rows[:, 2], rows[:, 3] * KMH
