"""The speed limit in force, the zone ahead, and over-speeds as evidence.

The limit is the lowest of class, stage, section and zone. A zone holds from its `dz` to its `fz` whatever
road is driven between; where the `dz` was never met the kilometres decide. Around both lies a free area, as
large as that waypoint's circle, in which being over is shown but not recorded. An over-speed is judged by
GPS alone: a wheel may slip. Knows no penalties: those are the review's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
"""A zone whose `dz` was not met holds from this far beyond its kilometre: the odometer's own doubt."""


NEARBY_M = 4000.0
"""A place so far by the odometer is not looked for with coordinates: no road winds so much, nor is it so wrong."""


class Limit(NamedTuple):
    """What holds at a place. `reason` is "class", "stage", "section" or "zone"; `approaching_m` is the way by road
    to the next zone, when it is near, and `approaching_kmh` its limit; `edge_m` is how far outside of the nearest
    free area of a zone the car is, negative inside."""

    kmh: float | None = None
    reason: str | None = None
    zone: str | None = None
    edge_m: float | None = None
    approaching_m: float | None = None
    approaching_kmh: float | None = None

    @property
    def free(self) -> bool:
        """Whether being over is not recorded here."""
        return self.edge_m is not None and self.edge_m <= 0


class Over(NamedTuple):
    """An over-speed that is going on."""

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
    """Finds the limit and follows over-speeds. `fixed` are the limits that hold everywhere, by reason."""

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
        """The limit where the car is; `position` None when it is not known."""
        limit = self._fixed
        if course is None:
            return limit
        if course.section.max_speed_kmh is not None:
            limit = _lower(limit, course.section.max_speed_kmh, "section")
        if run.started_us is None or not course.zones:
            return limit
        if run is self._same[0] and total_m < self._same[1]:
            return self._same[2]
        metres = run.metres(total_m)
        met = [near.mark for near in run.nears]
        for zone in course.zones:
            begin, end = zone.begin, zone.end
            if run.done > end.order or metres > end.metres + OVERRUN_M:
                if run.done == end.order + 1 and (edge_m := _edge(end, metres, position)) <= 0:
                    limit = limit._replace(edge_m=edge_m)
            elif end.order in met:  # in the acceleration area: the zone is over, and nothing is charged yet
                limit = limit._replace(edge_m=_edge(end, metres, position))
            elif _entered(zone, run, met, metres):
                edge_m = min(_edge(begin, metres, position), _edge(end, metres, position))
                return _lower(limit, zone.kmh, "zone", begin.label)._replace(
                    edge_m=edge_m if limit.edge_m is None else min(edge_m, limit.edge_m)
                )
            else:
                away_m = max(0.0, begin.metres - metres)  # by road, as the way to the next waypoint is told
                if away_m <= self._rules.approach_m:
                    return limit._replace(approaching_m=round(away_m, 1), approaching_kmh=zone.kmh)
                if not limit.free:
                    self._same = run, total_m + min(IDLE_M, away_m - self._rules.approach_m), limit
                break
        return limit

    def leg(self, leg: Leg, limit: Limit, run: Run) -> None:
        """Take a leg and the limit at its end."""
        over, edge_m = self.over, self._edge_m
        self._edge_m = limit.edge_m
        judged = limit.kmh is not None and leg.seen and not limit.free
        if over is not None and not (judged and limit.kmh == over.limit_kmh and run.section == over.section):
            part = _edge_part(edge_m, limit.edge_m) if limit.free else 0.0
            self._close(over, *_point(leg, part))
            over = None
        if judged and limit.kmh is not None:
            threshold = (limit.kmh + self._rules.tolerance_kmh) / KMH
            if over is None and leg.to_mps > threshold:
                over = _opened(leg, limit, run, threshold, _edge_part(edge_m, limit.edge_m))
            if over is not None:
                over = self._followed(over._replace(max_mps=max(over.max_mps, leg.to_mps)), leg)
                if leg.to_mps <= limit.kmh / KMH:
                    self._close(over, *_point(leg, _speed_part(leg, limit.kmh / KMH)))
                    over = None
        self.over = over

    def close(self, at_us: int, total_m: float) -> None:
        """End what is going on: the log ends here."""
        if self.over is not None:
            self._close(self.over, at_us, total_m)
            self.over = None

    def _followed(self, over: Over, leg: Leg) -> Over:
        """The impulses of a leg."""
        rules, dt_us, way_m = self._rules, leg.to_us - leg.from_us, leg.to_m - leg.from_m
        while True:
            by_time = (over.impulse_us + rules.impulse_s * 1e6 - leg.from_us) / dt_us
            by_way = (over.impulse_m + rules.impulse_m - leg.from_m) / way_m if way_m > 0 else 2.0
            part = max(0.0, min(by_time, by_way))  # the last impulse of a spoiled state may be years ago
            if part > 1:
                return over
            over = over._replace(
                impulses=over.impulses + 1,
                impulse_us=leg.from_us + round(part * dt_us),
                impulse_m=leg.from_m + part * way_m,
            )

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


def _lower(limit: Limit, kmh: float, reason: str, zone: str | None = None) -> Limit:
    """The limit with another one that holds as well."""
    return Limit(kmh, reason, zone, limit.edge_m) if limit.kmh is None or kmh < limit.kmh else limit


def _entered(zone: Zone, run: Run, met: list[int], metres: float) -> bool:
    begin = zone.begin
    if run.done > begin.order or begin.order in met:
        return True
    return metres >= begin.metres + (0.0 if begin.position is None else LATE_M)


def _away(mark: Mark, metres: float, position: Position | None) -> float:
    by_road_m = abs(mark.metres - metres)
    if mark.position is None or position is None or by_road_m > NEARBY_M:
        return by_road_m
    return geo.distance_m(*position, *mark.position)


def _edge(mark: Mark, metres: float, position: Position | None) -> float:
    """How far outside of a mark's circle the car is, negative inside."""
    return _away(mark, metres, position) - mark.clear_m


def _opened(leg: Leg, limit: Limit, run: Run, threshold_mps: float, edge_part: float) -> Over:
    """An over-speed begins where the threshold was crossed outside of a free area, and with an impulse."""
    part = max(edge_part, _speed_part(leg, threshold_mps) if leg.from_mps < threshold_mps else 0.0)
    from_us, from_m = _point(leg, part)
    km, kmh = run.metres(from_m) / 1000, limit.kmh or 0.0
    return Over(run.section, limit.zone, kmh, km, from_us, from_m, leg.to_mps, 1, from_us, from_m)


def _edge_part(from_m: float | None, to_m: float | None) -> float:
    """The part of a leg's time after which the edge of a free area was crossed, either way; 0 if none was."""
    if from_m is None or to_m is None or (from_m <= 0) == (to_m <= 0):
        return 0.0
    return from_m / (from_m - to_m)


def _speed_part(leg: Leg, mps: float) -> float:
    """The part of a leg's time after which the speed was `mps`, if it changed evenly."""
    change = leg.to_mps - leg.from_mps
    return min(1.0, max(0.0, (mps - leg.from_mps) / change)) if change else 1.0


def _point(leg: Leg, part: float) -> tuple[int, float]:
    """Drive time and odometer after a part of a leg's time."""
    dt_us = leg.to_us - leg.from_us
    way_m = part * (leg.from_mps + part * (leg.to_mps - leg.from_mps) / 2) * dt_us / 1e6
    return leg.from_us + round(part * dt_us), leg.from_m + way_m
