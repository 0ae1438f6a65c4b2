"""Current speed limit, next speed zone, and detection of over-speeds.

The limit is the lowest of class, stage, section and zone. A zone holds from its `dz` to its `fz` whatever
road is driven between; if the `dz` was not passed, the kilometres decide. A zone that begins within another one
takes its place. Around both waypoints lies a free area, as large as the waypoint's circle, in which an over-speed
is shown but not recorded. A lower limit is announced down to its `dz`, also within the free area before it.
Over-speeds are judged by GPS alone, because a wheel may slip. Penalties are computed in the review, not here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from logger.stage import geo
from logger.stage.course import Course, Mark, Zone
from logger.stage.geo import Position
from logger.stage.odometer import Leg
from logger.stage.passing import IDLE_M, OVERRUN_M
from logger.stage.rules import SpeedRules
from logger.stage.run import Run

KMH = 3.6
LATE_M = 200.0
"""A zone whose `dz` was not passed holds from this far beyond its kilometre: the odometer's uncertainty."""
BRAKING_MPS2 = 2.0
"""Braking without haste on gravel: 180 m from 108 to 50 km/h."""
NEARBY_M = 4000.0
"""A mark further away by the odometer is not checked by coordinates: no road winds, and no odometer errs, so much."""


class Limit(NamedTuple):
    """The limit at a position. `reason` is "class", "stage", "section" or "zone"; `approaching_m` is the distance to
    the next `dz` of a lower limit when it is near, down to 0, and `approaching_kmh` that limit; `edge_m` is the
    distance to the edge of the nearest free area of a zone, negative inside."""

    kmh: float | None = None
    reason: str | None = None
    zone: str | None = None
    edge_m: float | None = None
    approaching_m: float | None = None
    approaching_kmh: float | None = None

    @property
    def free(self) -> bool:
        """Whether the car is in a free area, where over-speeds are not recorded."""
        return self.edge_m is not None and self.edge_m <= 0


def must_brake(limit: Limit, mps: float) -> bool:
    """Return whether a car at a speed must brake now for the lower limit ahead."""
    if limit.approaching_m is None or limit.approaching_kmh is None:
        return False
    excess = mps**2 - (limit.approaching_kmh / KMH) ** 2
    return excess > 0 and excess / (2 * BRAKING_MPS2) >= limit.approaching_m


class Over(NamedTuple):
    """An over-speed in progress."""

    section: int
    zone: str | None
    limit_kmh: float
    km: float
    from_us: int
    from_m: float
    max_mps: float
    impulses: int
    impulse_us: int
    impulse_m: float


class Limits:
    """Find the limit and follow over-speeds. `fixed`: the limits that hold everywhere, by reason."""

    def __init__(
        self,
        rules: SpeedRules,
        fixed: Mapping[str, float | None],
        emit: Callable[[int, str, Mapping[str, Any]], None],
    ) -> None:
        self.over: Over | None = None
        self._edge_m: float | None = None
        self._rules = rules
        known = [(kmh, reason) for reason, kmh in fixed.items() if kmh is not None]
        kmh, reason = min(known, default=(None, None))
        self._fixed = Limit(kmh, reason)
        self._same: tuple[Run | None, float, Limit] = (None, 0.0, self._fixed)
        self._emit = emit

    def at(self, course: Course | None, run: Run, total_m: float, position: Position | None) -> Limit:
        """Return the limit at the car's position; `position` is None if unknown."""
        limit = self._fixed
        if course is None:
            return limit
        if course.section.max_speed_kmh is not None:
            limit = _lower_of(limit, course.section.max_speed_kmh, "section")
        if run.started_us is None or not course.zones:
            return limit
        if run is self._same[0] and total_m < self._same[1]:
            return self._same[2]
        return self._in_zones(course, run, total_m, position, limit)

    def _in_zones(
        self, course: Course, run: Run, total_m: float, position: Position | None, everywhere: Limit
    ) -> Limit:
        """Return the limit by the zones of a section, where `everywhere` holds outside of them."""
        metres = run.metres(total_m)
        limit, met = everywhere, {near.mark for near in run.nears}
        for zone in course.zones:
            begin, end = zone.begin, zone.end
            if run.done > end.order or metres > end.metres + OVERRUN_M:
                if run.done == end.order + 1 and (edge_m := _edge_m_of(end, metres, position)) <= 0:
                    limit = _with_edge(limit, edge_m)
            elif end.order in met:  # in the free area at the zone's end: the zone is over
                limit = _with_edge(limit, _edge_m_of(end, metres, position))
            elif _is_in_zone(zone, run, met, metres):
                outer, left_m = limit, _left_m(begin, run, total_m)
                edge_m = min(_edge_m_of(begin, metres, position), _edge_m_of(end, metres, position))
                limit = _with_edge(_lower_of(everywhere, zone.kmh, "zone", begin.label), outer.edge_m, edge_m)
                if left_m > 0 and _is_slower(zone, outer):
                    return _approaching(limit, zone, left_m)
            else:
                away_m = max(
                    0.0, begin.metres - metres
                )  # by road, as the distance to the next waypoint is shown
                if away_m > self._rules.approach_m:
                    if limit is everywhere:
                        self._same = run, total_m + min(IDLE_M, away_m - self._rules.approach_m), limit
                    break
                if _is_slower(zone, limit):
                    return _approaching(limit, zone, away_m)
        return limit

    def leg(self, leg: Leg, limit: Limit, run: Run) -> None:
        """Process a leg with the limit at its end."""
        over, edge_m = self.over, self._edge_m
        self._edge_m = limit.edge_m
        judged = limit.kmh is not None and leg.seen and not limit.free
        if over is not None and not (judged and limit.kmh == over.limit_kmh and run.section == over.section):
            part = _edge_part(edge_m, limit.edge_m) if limit.free else 0.0
            self._close(over, *at_part(leg, part))
            over = None
        if judged and limit.kmh is not None:
            threshold = (limit.kmh + self._rules.tolerance_kmh) / KMH
            if over is None and leg.to_mps > threshold:
                over = _begin_over(leg, limit, run, threshold, _edge_part(edge_m, limit.edge_m))
            if over is not None:
                over = over._replace(max_mps=max(over.max_mps, leg.to_mps))
                while (with_next := next_impulse(over, leg, self._rules)) is not None:
                    over = with_next
                if leg.to_mps <= limit.kmh / KMH:
                    self._close(over, *at_part(leg, _speed_part(leg, limit.kmh / KMH)))
                    over = None
        self.over = over

    def close(self, at_us: int, total_m: float) -> None:
        """End an over-speed in progress, at the end of the log."""
        if self.over is not None:
            self._close(self.over, at_us, total_m)
            self.over = None

    def _close(self, over: Over, at_us: int, total_m: float) -> None:
        detail = {
            "section": over.section,
            "zone": over.zone,
            "km": round(over.km, 3),
            "limit_kmh": over.limit_kmh,
            "max_kmh": round(over.max_mps * KMH, 1),
            "duration_s": round((at_us - over.from_us) / 1e6, 2),
            "distance_m": round(total_m - over.from_m, 1),
            "impulses": over.impulses,
        }
        self._emit(over.from_us, "overspeed", detail)


def next_impulse(over: Over, leg: Leg, rules: SpeedRules) -> Over | None:
    """Return the over-speed with its next impulse, which lies on the leg; None if the leg ends before it."""
    dt_us, way_m = leg.to_us - leg.from_us, leg.to_m - leg.from_m
    by_time = (over.impulse_us + rules.impulse_s * 1e6 - leg.from_us) / dt_us
    by_way = (over.impulse_m + rules.impulse_m - leg.from_m) / way_m if way_m > 0 else 2.0
    part = max(0.0, min(by_time, by_way))  # the last impulse of a damaged state may be years ago
    if part > 1:
        return None
    at_us, at_m = leg.from_us + round(part * dt_us), leg.from_m + part * way_m
    return over._replace(impulses=over.impulses + 1, impulse_us=at_us, impulse_m=at_m)


def _lower_of(limit: Limit, kmh: float, reason: str, zone: str | None = None) -> Limit:
    """Return the lower of a limit and another one that also holds."""
    return Limit(kmh, reason, zone, limit.edge_m) if limit.kmh is None or kmh < limit.kmh else limit


def _with_edge(limit: Limit, *edges_m: float | None) -> Limit:
    """Return the limit near the edges of free areas, of which the nearest counts."""
    known = [edge_m for edge_m in (limit.edge_m, *edges_m) if edge_m is not None]
    return limit._replace(edge_m=min(known, default=None))


def _approaching(limit: Limit, zone: Zone, left_m: float) -> Limit:
    """Return the limit with a zone ahead."""
    return limit._replace(approaching_m=round(left_m, 1), approaching_kmh=zone.kmh)


def _is_slower(zone: Zone, limit: Limit) -> bool:
    """Return whether the car must be slower in a zone than before it."""
    return limit.kmh is None or zone.kmh < limit.kmh


def _left_m(begin: Mark, run: Run, total_m: float) -> float:
    """Return the distance to the beginning of a zone whose circle was entered; 0 or less if it is behind the car.

    It counts down from the position in the circle, as the kilometres may be wrong by as much as the circle is large."""
    near = next((near for near in run.nears if near.mark == begin.order), None)
    return 0.0 if near is None or near.passed else near.nearest_m - (total_m - near.total_m)


def _is_in_zone(zone: Zone, run: Run, met: Collection[int], metres: float) -> bool:
    begin = zone.begin
    if run.done > begin.order or begin.order in met:
        return True
    return metres >= begin.metres + (0.0 if begin.position is None else LATE_M)


def _away_m(mark: Mark, metres: float, position: Position | None) -> float:
    by_road_m = abs(mark.metres - metres)
    if mark.position is None or position is None or by_road_m > NEARBY_M:
        return by_road_m
    return geo.distance_m(*position, *mark.position)


def _edge_m_of(mark: Mark, metres: float, position: Position | None) -> float:
    """Return the distance from the car to the edge of a mark's circle, negative inside."""
    return _away_m(mark, metres, position) - mark.clear_m


def _begin_over(leg: Leg, limit: Limit, run: Run, threshold_mps: float, edge_part: float) -> Over:
    """Begin an over-speed where the threshold was crossed outside a free area, with its first impulse."""
    part = max(edge_part, _speed_part(leg, threshold_mps) if leg.from_mps < threshold_mps else 0.0)
    from_us, from_m = at_part(leg, part)
    km, kmh = run.metres(from_m) / 1000, limit.kmh or 0.0
    return Over(run.section, limit.zone, kmh, km, from_us, from_m, leg.to_mps, 1, from_us, from_m)


def _edge_part(from_m: float | None, to_m: float | None) -> float:
    """Return the fraction of a leg's time at which it crossed the edge of a free area; 0 if it crossed none."""
    if from_m is None or to_m is None or (from_m <= 0) == (to_m <= 0):
        return 0.0
    return from_m / (from_m - to_m)


def _speed_part(leg: Leg, mps: float) -> float:
    """Return the fraction of a leg's time at which the speed was `mps`, assuming constant acceleration."""
    change = leg.to_mps - leg.from_mps
    return min(1.0, max(0.0, (mps - leg.from_mps) / change)) if change else 1.0


def at_part(leg: Leg, part: float) -> tuple[int, float]:
    """Return drive time and odometer after a fraction of a leg's time."""
    dt_us = leg.to_us - leg.from_us
    way_m = part * (leg.from_mps + part * (leg.to_mps - leg.from_mps) / 2) * dt_us / 1e6
    return leg.from_us + round(part * dt_us), leg.from_m + way_m
