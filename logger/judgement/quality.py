"""Quality figures of the evidence: GPS gaps, speed source, losses, clock error, for a steward to judge."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from firmware_bridge.printable import printable
from logger.judgement.evidence import Evidence, Floats
from logger.judgement.places import NO_RUN, Places
from logger.judgement.runs import Day
from logger.judgement.speeds import Speeds
from logger.logfile.meta import ports_of
from logger.stage.limits import KMH
from logger.stage.odometer import BLINK_US, LOST_US

_MAX_REASONS = 100
"""Reasons for rejected bytes, the most frequent ones; the recorder has some twenty."""


class Gap(NamedTuple):
    """A stretch without a position. `distance_m` is the odometer's distance across it: above `BLINK_US` an estimate, by
    wheel speed or along the straight line."""

    section: int | None
    km: float | None
    at_us: int
    duration_s: float
    distance_m: float | None

    @property
    def estimated(self) -> bool:
        return self.duration_s * 1e6 > BLINK_US


class Quality(NamedTuple):
    """Quality figures by name, and the gaps in order of time."""

    figures: dict[str, Any]
    gaps: tuple[Gap, ...]


def quality_of(
    evidence: Evidence, day: Day, places: Places, speeds: Speeds, connection: sqlite3.Connection | None
) -> Quality:
    """Compute the quality of the evidence. `connection` is to its log, if it is one."""
    gaps = _gaps(evidence, day, places)
    events = Counter(event.kind for event in evidence.events)
    sessions = sorted(evidence.offsets_us)
    ended = {event.session for event in evidence.events if event.kind == "session_end"}
    figures: dict[str, Any] = _gps(evidence) | _driven(evidence, day, places, speeds)
    figures |= {
        "gaps": len(gaps),
        "gap_s": round(sum(gap.duration_s for gap in gaps), 2),
        "longest_gap_s": round(max((gap.duration_s for gap in gaps), default=0.0), 2),
        "estimated_m": round(sum(gap.distance_m or 0.0 for gap in gaps if gap.estimated), 1),
        "position_jumps": events["gps_jump"],
        "speeds_rejected": _sum(evidence, "speeds_rejected"),
        "sessions": len(sessions),
        "sessions_cut_short": len([number for number in sessions if number not in ended]),
        "sentences": evidence.counts.get("sentence"),
        "frames": evidence.counts.get("frame"),
        "dropped_bytes": _sum(evidence, "bytes_dropped"),
        "dropped_frames": _sum(evidence, "frames_dropped"),
        "dropped_rows": _sum(evidence, "dropped"),
        "link_losses": len(
            [e for e in evidence.events if e.kind == "link" and e.detail.get("state") == "lost"]
        ),
        "rejected": {},
        "rejected_bytes": 0,
        "not_logged": _sum(evidence, "not_logged"),
        "clock_error_s": None,
        "ports": None,
    }
    if connection is not None:
        figures |= _tables(connection) | {"ports": ports_of(evidence.meta)}
    return Quality(figures, gaps)


def _gps(evidence: Evidence) -> dict[str, Any]:
    fixes = evidence.fixes
    located = fixes.located
    steps_us = np.diff(fixes.at_us[located])
    qualities, counts = np.unique(fixes.quality[np.isfinite(fixes.quality)], return_counts=True)
    return {
        "fixes": len(fixes.at_us),
        "located": int(located.sum()),
        "rate_hz": round(1e6 / float(np.median(steps_us)), 2)
        if len(steps_us) and np.median(steps_us) > 0
        else None,
        "gps_quality": {str(int(kind)): int(count) for kind, count in zip(qualities, counts, strict=True)},
        "satellites_min": _figure(np.min, fixes.satellites[located]),
        "satellites_median": _figure(np.median, fixes.satellites[located]),
        "hdop_median": _figure(np.median, fixes.hdop[located]),
        "hdop_max": _figure(np.max, fixes.hdop[located]),
    }


def _driven(evidence: Evidence, day: Day, places: Places, speeds: Speeds) -> dict[str, Any]:
    """Distance and speed of the whole recording, and the uncertainty of the speed.

    The distance is None if there are sections: each has its own.
    """
    located = evidence.fixes.located
    metres = places.metres[located & np.isfinite(places.metres)]
    fastest_mps = _figure(np.max, speeds.mps[located])
    computed = speeds.uncertainty_kmh[speeds.computed]
    return {
        "distance_m": round(float(metres[-1]), 1) if len(metres) and not day.sections else None,
        "speed_source": speeds.source(located),
        "computed_speeds": len(computed),
        "speed_uncertainty_kmh": round(float(np.percentile(computed, 95)), 1) if len(computed) else None,
        "max_kmh": None if fastest_mps is None else round(fastest_mps * KMH, 1),
    }


def _figure(function: Any, values: Floats) -> float | None:
    values = values[np.isfinite(values)]
    return round(float(function(values)), 2) if len(values) else None


def _gaps(evidence: Evidence, day: Day, places: Places) -> tuple[Gap, ...]:
    located = np.flatnonzero(evidence.fixes.located)
    at_us = evidence.fixes.at_us[located]
    gaps = []
    for number in np.flatnonzero(np.diff(at_us) > LOST_US):
        before, after = located[number], located[number + 1]
        run = int(places.run[before])
        known = run != NO_RUN and places.run[after] == run
        distance_m = float(places.metres[after] - places.metres[before]) if known else None
        km = float(places.metres[before]) / 1000 if run != NO_RUN else None
        duration_s = float(at_us[number + 1] - at_us[number]) / 1e6
        section = day.sections[run].section if run != NO_RUN else None
        gaps.append(Gap(section, km, int(at_us[number]), round(duration_s, 3), distance_m))
    return tuple(gaps)


def _sum(evidence: Evidence, kind: str) -> int:
    """Sum of the counts in the events of a kind: 12 for one with `{"port": ..., "rejected": 12}`."""
    details = (event.detail for event in evidence.events if event.kind == kind)
    return sum(
        value for detail in details for key, value in detail.items() if type(value) is int and key != "utc_us"
    )


def _tables(connection: sqlite3.Connection) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    try:
        reasons = connection.execute(
            "SELECT reason, count(*) AS pieces FROM rejected GROUP BY reason ORDER BY pieces DESC LIMIT ?",
            (_MAX_REASONS,),
        )
        # a log from a stranger may have a blob here
        figures["rejected"] = {printable(reason): count for reason, count in sorted(reasons, key=str)}
        (size,) = connection.execute("SELECT total(length(data)) FROM rejected").fetchone()
        figures["rejected_bytes"] = int(size)
        (error_us,) = connection.execute("SELECT max(error_us) FROM clock").fetchone()
        figures["clock_error_s"] = None if error_us is None else error_us / 1e6
    except sqlite3.Error:
        pass  # the damage is reported once, for the whole log
    return figures
