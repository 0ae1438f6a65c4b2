"""Over-speeds on the page: a table whose rows open to their explanation, under the verdict and under other rules.

Python writes every text and every number; the script draws, and shows the ruling that the reader chooses. Per ruling
the page holds penalties and sentences; what does not depend on the penalties is there once per set of over-speeds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np

from logger.judgement.evidence import Evidence, Floats
from logger.judgement.impulses import impulses_of
from logger.judgement.overspeed_evidence import OverspeedEvidence
from logger.judgement.penalties import Overspeed, missed_s
from logger.judgement.report import Report
from logger.judgement.ruling import Ruling
from logger.judgement.waypoints import WaypointReport
from logger.judgement.what_if import WhatIf, rules_title
from logger.review.drawing import over_km
from logger.review.explanation import impulse_rule, price_rule, sentence
from logger.review.packing import packed
from logger.review.sheet import Row, table
from logger.review.terminal import clock_of, over_text, penalty_text, penalty_words, section_names
from logger.stage.limits import KMH

MAX_LISTED = 400
"""Over-speeds listed per ruling: the costliest. The sums are of all."""
MAX_FIXES, MAX_FIXES_EACH = 12_000, 1_000
"""Fixes embedded as evidence, per page and per over-speed: at most 0.5 MB, and 100 s of a 10 Hz receiver. A longer
over-speed is thinned."""
COLUMNS = ("", " km", " limit", " max", " over", " penalty", " impulses", " UTC", "zone", "section")
"""The columns that decide come first: a phone shows five of them."""
RECEIVER, POSITIONS, DISPLAY = 0.0, 1.0, 2.0
"""Sources of a speed for the script; DISPLAY: what the crew saw, where a fix has no speed of its own."""


class OverspeedTable:
    """The over-speeds of a report and of its what-ifs. `connection` is to the report's log, if it is one."""

    def __init__(
        self, report: Report, what_ifs: Sequence[WhatIf], connection: sqlite3.Connection | None
    ) -> None:
        self._report, self._connection = report, connection
        self._names, self._clock = section_names(report), clock_of(report)
        self._rulings = [(rules_title(report.rules), report.ruling, report.evidence)]
        self._rulings += [(other.name, other.ruling, other.evidence) for other in what_ifs]
        self._found: list[tuple[Evidence, Ruling, list[int]]] = []
        for _, ruling, evidence in self._rulings:  # most rulings share the recorded over-speeds
            if not any(evidence is found for found, *_ in self._found):
                self._found.append((evidence, ruling, _costliest(ruling)))

    def html(self) -> str:
        """The table under the verdict; "" without an over-speed under any of the rules."""
        if not any(ruling.overspeeds for _, ruling, _ in self._found):
            return ""
        ruling = self._report.ruling
        rows = [
            Row(
                self._cells(ruling.overspeeds[at], ruling.charges[at].penalty_s),
                self._span(ruling.overspeeds[at]),
            )
            for at in self._found[0][2]
        ]
        title, more = self._title(0)
        return table(title, COLUMNS, rows, name="overspeeds", more=more)

    def data(self) -> dict[str, Any]:
        """What the script needs to explain every over-speed and to switch to another ruling."""
        report = self._report
        proof = OverspeedEvidence(report, self._connection)
        charged = [point for point in report.waypoints if point.charged]
        fixes = _EmbeddedFixes(report, proof)
        return {
            "rulings": [self._ruling(*each, charged) for each in self._rulings],
            "drives": [self._drive(number, proof, fixes) for number in range(len(self._found))],
            "utc": report.evidence.utc_known,
        }

    def _title(self, drive: int) -> tuple[str, str]:
        """Heading, and what is left out."""
        _, ruling, listed = self._found[drive]
        left = len(ruling.overspeeds) - len(listed)
        more = (
            f"and {left} more in the log, which count in the sums: `stagelog review --json` has them"
            if left
            else ""
        )
        return f"Over-speeds ({len(ruling.overspeeds)})", more

    def _ruling(
        self, name: str, ruling: Ruling, evidence: Evidence, charged: Sequence[WaypointReport]
    ) -> dict[str, Any]:
        """A ruling, with a penalty and a sentence for each listed over-speed."""
        drive = next(at for at, (found, *_) in enumerate(self._found) if found is evidence)
        listed = self._found[drive][2]
        pairs = [(ruling.overspeeds[at], ruling.charges[at]) for at in listed]
        return {
            "name": name,
            "drive": drive,
            "total": self._report.not_judged or penalty_words(ruling.penalty_s),
            "bad": bool(ruling.penalty_s),
            "penalties": [penalty_text(charge.penalty_s) for _, charge in pairs],
            "sentences": [sentence(over, charge, ruling.rules) for over, charge in pairs],
            "rule": f"{impulse_rule(ruling.rules.speed)} {price_rule(ruling.rules.penalties)}",
            "sections": {
                number: [penalty_text(section.penalty_s), "" if section.finished else "not finished"]
                for number, (section, verdict) in enumerate(
                    zip(ruling.sections, self._report.ruling.sections, strict=True)
                )
                if ruling is self._report.ruling or section != verdict
            },
            "missed": [penalty_text(missed_s(point.kind, ruling.rules.missed)) for point in charged],
        }

    def _drive(self, drive: int, proof: OverspeedEvidence, fixes: _EmbeddedFixes) -> dict[str, Any]:
        """The listed over-speeds under rules that find them alike."""
        _, ruling, listed = self._found[drive]
        title, more = self._title(drive)
        speed = ruling.rules.speed
        at_us, mps = proof.judged()
        overs = []
        for over in (ruling.overspeeds[at] for at in listed):
            first_km, last_km = self._span(over)
            impulses = impulses_of(over, at_us, mps, speed)
            overs.append(
                {
                    "cells": self._cells(over, 0.0),
                    "from": round(first_km, 4),
                    "to": round(last_km, 4),
                    "zero": self._report.offset_m(over.section) / 1000,
                    "limit": over.limit_kmh,
                    "tolerance": speed.tolerance_kmh,
                    "begin_ms": over.at_us / 1000,
                    "measured": f"{over.duration_s:.1f} s, {over.distance_m:.0f} m, {over.gained_m:.1f} m gained",
                    "evidence": proof.summary(over),
                    "impulses": [round(first_km + impulse.km - over.km, 4) for impulse in impulses],
                    "fixes": fixes.take(over),
                }
            )
        return {"title": title, "more": more, "over": overs}

    def _cells(self, over: Overspeed, penalty_s: float) -> list[str]:
        """The cells of a row; the script writes the penalty under another ruling."""
        return [
            "",
            f"{over.km:.3f}",
            f"{over.limit_kmh:g}",
            f"{over.max_kmh:.1f}",
            over_text(over),
            penalty_text(penalty_s),
            str(over.impulses),
            self._clock(over.at_us),
            over.zone or "",
            self._names.get(over.section, "-"),
        ]

    def _span(self, over: Overspeed) -> tuple[float, float]:
        return over_km(self._report, over.section, over.km, over.distance_m)


def _costliest(ruling: Ruling) -> list[int]:
    """Indices of the over-speeds to list, in order of time."""
    pairs = list(zip(ruling.overspeeds, ruling.charges, strict=True))
    by_cost = sorted(range(len(pairs)), key=lambda at: (-pairs[at][1].penalty_s, -pairs[at][0].over_kmh))
    return sorted(by_cost[:MAX_LISTED])


class _EmbeddedFixes:
    """Fixes of over-speeds for the script, until `MAX_FIXES` are embedded."""

    def __init__(self, report: Report, proof: OverspeedEvidence) -> None:
        self._report, self._proof = report, proof
        self._left = MAX_FIXES

    def take(self, over: Overspeed) -> dict[str, Any]:
        """The fixes of an over-speed, one list or one number for all per column, and how many are left out."""
        report, fixes = self._report, self._report.evidence.fixes
        found = self._proof.fixes(over)
        km = self._proof.km(over, found) + report.offset_m(over.section) / 1000 if len(found) else np.empty(0)
        step = max(1, -(-len(found) // max(1, min(MAX_FIXES_EACH, self._left))))
        kept = np.arange(0, len(found) if self._left else 0, step)
        if len(kept) and step > 1:  # never without the fastest one
            kept = np.union1d(kept, [int(np.argmax(report.places.mps[found]))])
        at = found[kept]
        self._left = max(0, self._left - len(at))
        source = np.where(np.isfinite(fixes.mps[at]), RECEIVER, DISPLAY)
        source = np.where(report.speeds.computed[at], POSITIONS, source)
        columns = {
            "s": (fixes.at_us[at] - over.at_us) / 1e6,
            "kmh": report.places.mps[at] * KMH,
            "hdop": fixes.hdop[at],
            "satellites": fixes.satellites[at],
            "source": source,
            "accuracy_m": self._proof.accuracy_m[at],
            "speed_accuracy_kmh": self._proof.speed_accuracy_kmh[at],
        }
        line = {"left_out": len(found) - len(at), "km": packed(km[kept])}
        return line | {name: _column(values) for name, values in columns.items()}


def _column(values: Floats) -> str | float | None:
    """A column for the script: packed, or its only value; None if that is unknown."""
    if not len(values):
        return None
    known = np.isfinite(values)
    if not known.any():
        return None
    if known.all() and (values == values[0]).all() and len(values) > 1:
        return float(values[0])
    return packed(values)
