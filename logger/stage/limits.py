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
from logger.stage.odometer import Leg, Position
from logger.stage.passing import OVERRUN_M
from logger.stage.rules import SpeedRules
from logger.stage.run import Run

KMH = 3.6
LATE_M = 200.0
"""A zone whose `dz` was not met holds from this far beyond its kilometre: the odometer's own doubt."""


NEARBY_M = 4000.0
"""A place so far by the odometer is not looked for with coordinates: no road winds so much, nor is it so wrong."""


class Limit(NamedTuple):
    """What holds at a place. `reason` is "class", "stage", "section" or "zone"; `approaching_m` is the way to the
    next zone, when it is near, and `approaching_kmh` its limit; `free` says that nothing is recorded here."""

    kmh: float | None = None
    reason: str | None = None
    zone: str | None = None
    free: bool = False
    approaching_m: float | None = None
    approaching_kmh: float | None = None


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
        self._rules = rules
        known = [(kmh, reason) for reason, kmh in fixed.items() if kmh is not None]
        kmh, reason = min(known, default=(None, None))
        self._fixed = Limit(kmh, reason)
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
        metres = run.metres(total_m)
        met = [near.mark for near in run.nears]
        for zone in course.zones:
            begin, end = zone.begin, zone.end
            if run.done > end.order or metres > end.metres + OVERRUN_M:
                if run.done == end.order + 1 and _inside(end, metres, position):
                    limit = limit._replace(free=True)
            elif end.order in met:  # in the acceleration area: the zone is over, and nothing is charged yet
                limit = limit._replace(free=True)
            elif _entered(zone, run, met, metres):
                free = limit.free or _inside(begin, metres, position) or _inside(end, metres, position)
                return _lower(limit, zone.kmh, "zone", begin.label)._replace(free=free)
            else:
                away_m = _away(begin, metres, position)
                if away_m <= self._rules.approach_m:
                    return limit._replace(approaching_m=round(away_m), approaching_kmh=zone.kmh)
                break
        return limit

    def leg(self, leg: Leg, limit: Limit, run: Run) -> None:
        """Take a leg and the limit at its end."""
        over = self.over
        if over is not None and (
            not leg.seen or limit.free or limit.kmh != over.limit_kmh or run.section != over.section
        ):
            self._close(over, leg.from_us, leg.from_m)
            over = None
        if limit.kmh is None or limit.free or not leg.seen:
            self.over = None
            return
        if over is None:
            threshold = (limit.kmh + self._rules.tolerance_kmh) / KMH
            if leg.to_mps > threshold:
                over = _opened(leg, limit.kmh, limit.zone, run, threshold)
        if over is not None:
            over = self._followed(over._replace(max_mps=max(over.max_mps, leg.to_mps)), leg)
            if leg.to_mps <= limit.kmh / KMH:
                end_us, end_m = _crossed(leg, limit.kmh / KMH)
                self._close(over, end_us, end_m)
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
            part = min(by_time, by_way)
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
    return Limit(kmh, reason, zone, limit.free) if limit.kmh is None or kmh < limit.kmh else limit


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


def _inside(mark: Mark, metres: float, position: Position | None) -> bool:
    return _away(mark, metres, position) <= mark.clear_m


def _opened(leg: Leg, limit_kmh: float, zone: str | None, run: Run, threshold_mps: float) -> Over:
    """An over-speed begins where the threshold was crossed, and with an impulse."""
    from_us, from_m = (
        _crossed(leg, threshold_mps) if leg.from_mps < threshold_mps else (leg.from_us, leg.from_m)
    )
    km = run.metres(from_m) / 1000
    return Over(run.section, zone, limit_kmh, km, from_us, from_m, leg.to_mps, 1, from_us, from_m)


def _crossed(leg: Leg, mps: float) -> tuple[int, float]:
    """Where on a leg the speed was `mps`, if it changed evenly in time."""
    change = leg.to_mps - leg.from_mps
    part = min(1.0, max(0.0, (mps - leg.from_mps) / change)) if change else 1.0
    way = part * (leg.from_mps + part * change / 2) * (leg.to_us - leg.from_us) / 1e6
    return leg.from_us + round(part * (leg.to_us - leg.from_us)), leg.from_m + way
