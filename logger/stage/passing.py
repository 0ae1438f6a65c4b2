"""Detect when the car passes each mark: the segment between two fixes against the mark's circle.

A mark counts as passed when the driven line meets its circle. The instant of passing is that of the closest
approach, interpolated between fixes, where a line across the road would be. (The circle's edge is passed about
a second earlier, depending on its size.) It is final only when the car moves away again or stands there. At a
start the car waits beside the line: there the instant is the end of the wait. A mark without coordinates, or any
mark while GPS is lost, is passed at its kilometre.

Marks pass in order: the next pending one first. A later one that the odometer allows may pass too, and those
between are missed. A mark a kilometre behind by the odometer is no longer the next, but still passes if met.
"""

from __future__ import annotations

from typing import NamedTuple

from logger.stage import geo
from logger.stage.course import Course, Mark
from logger.stage.odometer import Leg
from logger.stage.run import Near, Run

RECEDE_M = 20.0
"""The passage is over this far beyond the closest approach: more than a receiver's wander, under a second's drive."""
ARRIVALS = frozenset({"tc", "cp", "dn", "dt"})
"""Kinds where a car may stop and not drive on: it has arrived after STOOD_US within STOOD_M. (At an `fn` it waits
beside the line, as at a start; at an `ass` a car does not stop.)"""
STOOD_US = 3_000_000
STOOD_M = 10.0
NEARER_M = 5.0
"""If a car that waited at a start then comes closer to the line by more than this, it waited before the line;
otherwise the end of the wait is its start."""
OVERRUN_M = 1000.0
"""A mark this far behind by the odometer was missed: the odometer is never wrong by a kilometre."""
LOOKAHEAD = 2
"""How many marks after the next are watched as well."""
AHEAD_M = 1000.0
AHEAD_SHARE = 0.03
"""A later mark passes only if it is ahead by at most this distance, or this share of the distance to it: otherwise
a road that returns to a place would pass the wrong mark."""
TOO_SOON_SHARE = 0.3
"""After a mark passed by position, the next one cannot pass before this share of the distance to it."""
BLIND_CHORD_M = 2000.0
"""Across a longer gap in GPS, the straight line is too far from the road to detect marks."""
JUMP_SLACK_M = 200.0
"""How far the odometer may lag behind positions, when it is used to skip distant marks."""

IDLE_M = 100.0
"""When all pending marks are further away, they are not checked for this distance; the list of pending marks
changes over kilometres, not metres."""


class Passed(NamedTuple):
    """The passage of a mark, with odometer and moving time at that instant. `nearest_m` None: passed by kilometre."""

    mark: Mark
    at_us: int
    total_m: float
    moving_us: int
    nearest_m: float | None
    estimated: bool


class Watch:
    """Check each leg against the pending marks of a course."""

    def __init__(self) -> None:
        self._far_until_m: dict[tuple[int, int], float] = {}
        self._idle: tuple[Run | None, float] = (None, 0.0)

    def look(
        self, course: Course, run: Run, leg: Leg, moving_us: int, doubt_m: float
    ) -> tuple[Run, Passed | None]:
        """Process a leg; return the run with its nears and opened marks updated, and the first mark passed.

        `doubt_m`: how much of the distance since it was last certain is an estimate.
        """
        if run is self._idle[0] and leg.to_m < self._idle[1] and leg.seen:
            return run, None
        metres = run.metres(leg.to_m)
        pending = _pending(course, run, metres, doubt_m)
        nears: list[Near] = []
        passed: Passed | None = None
        waiting = False  # True while a mark with coordinates is pending: later marks do not pass by kilometre
        for mark in pending:
            if run.held == mark.order:
                run = _release(run, mark, leg, metres)
                waiting = True
                continue
            near = next((near for near in run.nears if near.mark == mark.order), None)
            away_m = self._away_m(run, mark, leg)
            if not waiting and mark.order > run.opened and _opens(mark, run, metres, away_m):
                run = run._replace(opened=mark.order)
            if _too_soon(course, run, mark, metres):
                break
            near, passage = _check_mark(mark, near, run, leg, moving_us, away_m, by_km=not waiting)
            if passage is not None and passed is None and not nears:
                passed = passage
            elif passage is not None:
                nears.append(_deferred(passage))
            elif near is not None:
                nears.append(near)
            waiting = waiting or (mark.position is not None and metres <= mark.metres + OVERRUN_M)
        if nears or run.nears:
            return run._replace(nears=tuple(nears)), passed
        if passed is None and run.held is None:
            self._idle = (
                run,
                leg.to_m + min((self._spare_m(run, mark, leg, metres) for mark in pending), default=0.0),
            )
        return run, passed

    def _spare_m(self, run: Run, mark: Mark, leg: Leg, metres: float) -> float:
        """Return how far the car can drive before a mark needs checking, at most IDLE_M."""
        if mark.position is not None:
            return min(IDLE_M, self._far_until_m.get((run.section, mark.order), 0.0) - leg.to_m)
        return min(IDLE_M, mark.metres - metres - (mark.open_m if mark.order > run.opened else 0.0))

    def _away_m(self, run: Run, mark: Mark, leg: Leg) -> float | None:
        """Return the straight distance to a mark, or None while it is too far by the odometer to need checking."""
        key = run.section, mark.order
        if mark.position is None or leg.b is None or leg.to_m < self._far_until_m.get(key, 0.0):
            return None
        away_m = geo.distance_m(*leg.b, *mark.position)
        spare_m = away_m - max(mark.clear_m, mark.open_m) - JUMP_SLACK_M
        if spare_m > 0:
            self._far_until_m[key] = leg.to_m + 0.9 * spare_m
        return away_m


def _check_mark(
    mark: Mark, near: Near | None, run: Run, leg: Leg, moving_us: int, away_m: float | None, *, by_km: bool
) -> tuple[Near | None, Passed | None]:
    """Check whether a leg comes near a mark or passes it. `by_km`: a mark without coordinates may pass."""
    running = run.started_us is not None
    if near is not None and near.passed:
        return near, _passage(mark, near)
    passage: Passed | None = None
    if mark.position is None:
        if by_km and running:
            passage = _by_km(mark, run, leg, moving_us)
    elif away_m is not None and (near or away_m <= mark.clear_m + leg.to_m - leg.from_m + JUMP_SLACK_M):
        near, passage = _meet(near, mark, leg, moving_us, is_start=not running)
    if not leg.seen and passage is None and near is None and running:
        passage = _by_km(mark, run, leg, moving_us)
    return near, passage


def _opens(mark: Mark, run: Run, metres: float, away_m: float | None) -> bool:
    """Return whether a mark now becomes visible to the crew."""
    if mark.opening == "after_previous" and run.sure:
        return True
    if mark.opening not in ("near", "after_previous"):
        return False
    if mark.position is None:
        return mark.metres - metres <= mark.open_m
    return away_m is not None and away_m <= mark.open_m


def _pending(course: Course, run: Run, metres: float, doubt_m: float) -> list[Mark]:
    """Return the marks that a leg may pass: all open ones behind, the next one, and a few ahead."""
    if run.started_us is None:
        return [course.start] if course.start is not None else []
    marks = course.marks
    settled_m = marks[run.done - 1].metres if run.done else 0.0
    pending: list[Mark] = []
    ahead = 0
    for mark in marks[run.done : course.end + 1]:
        reach_m = max(AHEAD_M, AHEAD_SHARE * (mark.metres - settled_m), doubt_m)
        if ahead and mark.metres - metres > reach_m:
            break
        pending.append(mark)
        if metres <= mark.metres + OVERRUN_M:
            ahead += 1
            if ahead > LOOKAHEAD and not doubt_m:
                break
    return pending


def _too_soon(course: Course, run: Run, mark: Mark, metres: float) -> bool:
    """Return whether the distance from the last mark, passed by position, is too short for this one."""
    if not run.sure or not run.done:
        return False
    settled_m = course.marks[run.done - 1].metres
    return metres - settled_m < TOO_SOON_SHARE * (mark.metres - settled_m) - 2 * mark.clear_m


def _release(run: Run, mark: Mark, leg: Leg, metres: float) -> Run:
    """Release a held mark once the car has left it."""
    if mark.position is None:
        away = metres < mark.metres
    else:
        away = leg.b is not None and geo.distance_m(*leg.b, *mark.position) > mark.clear_m
    return run._replace(held=None) if away else run


def _meet(
    near: Near | None, mark: Mark, leg: Leg, moving_us: int, *, is_start: bool
) -> tuple[Near | None, Passed | None]:
    assert leg.a is not None and leg.b is not None and mark.position is not None  # noqa: S101
    met = geo.crossing(leg.a, leg.b, mark.position, mark.clear_m)
    if met is None:
        return None, _passage(mark, near) if near else None
    if not leg.seen and met.leave < 1 and leg.to_m - leg.from_m > BLIND_CHORD_M:
        return None, None
    standing = leg.from_mps == leg.to_mps == 0
    at_us = leg.at_us(met.nearest)
    here = Near(
        mark.order,
        met.nearest_m,
        at_us,
        leg.from_m + met.nearest * (leg.to_m - leg.from_m),
        moving_us if standing else moving_us - (leg.to_us - at_us),
        0,
        not leg.seen,
    )
    if near is not None and not leg.seen:
        near = near._replace(estimated=True)  # it may have come closer while GPS was lost
    if near is None:
        near = here
    elif standing:
        stood_us = near.stood_us + leg.to_us - leg.from_us
        near = here._replace(at_us=leg.to_us) if is_start else near
        near = near._replace(stood_us=stood_us)
    elif met.nearest_m < near.nearest_m - (NEARER_M if is_start and near.stood_us else 0.0):
        near = here._replace(estimated=near.estimated or here.estimated)
    arrived = mark.kind in ARRIVALS and near.stood_us >= STOOD_US and near.nearest_m <= STOOD_M
    if met.leave < 1 or arrived or geo.distance_m(*leg.b, *mark.position) > near.nearest_m + RECEDE_M:
        return near, _passage(mark, near)
    return near, None


def _by_km(mark: Mark, run: Run, leg: Leg, moving_us: int) -> Passed | None:
    first_m, last_m = run.metres(leg.from_m), run.metres(leg.to_m)
    if last_m < mark.metres:
        return None
    part = min(1.0, max(0.0, (mark.metres - first_m) / (last_m - first_m))) if last_m > first_m else 0.0
    at_us = leg.at_us(part)
    total_m = leg.from_m + part * (leg.to_m - leg.from_m)
    return Passed(mark, at_us, total_m, moving_us - (leg.to_us - at_us), None, not leg.seen)


def _passage(mark: Mark, near: Near) -> Passed:
    return Passed(mark, near.at_us, near.total_m, near.moving_us, near.nearest_m, near.estimated)


def _deferred(passage: Passed) -> Near:
    """Convert a passage to a `Near` that waits until the passage of an earlier mark is over."""
    mark, at_us, total_m, moving_us, nearest_m, estimated = passage
    return Near(mark.order, nearest_m or 0.0, at_us, total_m, moving_us, 0, estimated, passed=True)
