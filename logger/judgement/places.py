"""Locate each fix on the road: section, distance in it, and limit, as in the live computation.

Knows no penalties. A progress row holds the distance at the last fix before it; the equal speeds identify that fix.
Between these anchors distance is interpolated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from logger.judgement.evidence import Evidence, Floats
from logger.judgement.runs import Day
from logger.judgement.speeds import Speeds
from logger.stage.fix_speed import STILL_MPS
from logger.stage.odometer import LOST_US

NO_RUN = -1


class Places(NamedTuple):
    """For each fix: index of its run of the day (`NO_RUN` for none), metres in that section, the speed used, and the
    limit in force (nan if none)."""

    run: NDArray[np.int64]
    metres: Floats
    mps: Floats
    limit_kmh: Floats


def places_of(evidence: Evidence, day: Day, speeds: Speeds) -> Places:
    """Locate every fix."""
    fixes, seen = evidence.fixes, evidence.seen
    seen_mps = np.nan_to_num(seen.mps)
    mps = speeds.mps
    if len(seen.at_us) and not np.all(np.isfinite(mps)):  # no position, or not newer than the previous fix
        mps = np.where(np.isfinite(mps), mps, np.interp(fixes.at_us, seen.at_us, seen_mps))
    anchors_us = _anchors(evidence, np.where(mps < STILL_MPS, 0.0, mps), seen_mps)
    run, metres = np.full(len(fixes.at_us), NO_RUN), np.full(len(fixes.at_us), np.nan)
    if not day.sections and len(seen.at_us):
        metres = np.interp(fixes.at_us, anchors_us, seen.distance_m)
    for number, section in enumerate(day.sections):
        last_us = section.ended_us if section.ended_us is not None else np.inf
        following = day.sections[number + 1].began_us if number + 1 < len(day.sections) else np.inf
        last_us = min(last_us, following)
        here = (fixes.at_us >= section.began_us) & (fixes.at_us <= last_us)
        rows = (seen.section == section.section) & (anchors_us > section.began_us) & (anchors_us < last_us)
        at_us, way_m = [float(section.began_us)], [0.0]
        ends_us, ends_m = [], []
        if section.finished is not None:
            ends_us, ends_m = [float(last_us)], [float(section.finished["distance_m"])]
        known_us = np.concatenate([at_us, anchors_us[rows], ends_us])
        known_m = np.concatenate([way_m, seen.distance_m[rows], ends_m])
        regained_us, regained_m = _regained_anchors(fixes.at_us, mps, fixes.located & here, known_us, known_m)
        order = np.argsort(np.concatenate([known_us, regained_us]), kind="stable")
        known_us = np.concatenate([known_us, regained_us])[order]
        known_m = np.concatenate([known_m, regained_m])[order]
        run[here], metres[here] = number, np.interp(fixes.at_us[here], known_us, known_m)
    following_row = np.minimum(np.searchsorted(anchors_us, fixes.at_us), max(0, len(seen.at_us) - 1))
    limit_kmh = seen.limit_kmh[following_row] if len(seen.at_us) else np.full(len(mps), np.nan)
    return Places(run, metres, mps, limit_kmh)


def _regained_anchors(
    at_us: Floats, mps: Floats, located: NDArray[np.bool_], known_us: Floats, known_m: Floats
) -> tuple[Floats, Floats]:
    """Anchors at the fixes where GPS returned: the distance covers the gap there, shortly before the next row."""
    at_us, mps = at_us[located], mps[located]
    back = np.flatnonzero(np.diff(at_us) > LOST_US) + 1
    row = np.searchsorted(known_us, at_us[back])
    back, row = back[row < len(known_us)], row[row < len(known_us)]
    way_m = np.nan_to_num(mps[back]) * (known_us[row] - at_us[back]) / 1e6
    return at_us[back], known_m[row] - way_m


def _anchors(evidence: Evidence, fix_mps: Floats, seen_mps: Floats) -> Floats:
    """The time of the fix to which each progress row's distance belongs."""
    fixes, seen = evidence.fixes, evidence.seen
    if not len(fixes.at_us):
        return seen.at_us
    last = np.searchsorted(fixes.at_us, seen.at_us, side="right") - 1
    anchors_us = seen.at_us.copy()
    for back in (2, 1, 0):
        index = last - back
        same = (index >= 0) & (np.abs(fix_mps[np.maximum(index, 0)] - seen_mps) < 1e-6)
        anchors_us[same] = fixes.at_us[index[same]]
    return np.maximum.accumulate(anchors_us)
