"""How a virtual car drives an itinerary: any itinerary, a user's own as well as the built-in stage.

It drives liaisons at an easy pace and waits at the time controls, lines up a few metres before the start of a
timed section and crosses the line on the second it is given, takes the elapsed times it is ordered to take,
stands through neutralisations, keeps every limit (but for over-speeds it is ordered to make), passes the
finish flying and stops at the stop control. Without orders a timed section takes its target time, or an
average of 100 km/h, as far as bends and limits allow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.virtual.pace import Anchor, Pace, Stretch
from logger.demo.route import Place, road
from logger.stage.itinerary import Itinerary, Section, Waypoint

KMH = 1 / 3.6
M_PER_KM = 1000.0

BEFORE_DEPARTURE_S = 180
"""The car stands this long, engine running, before the day begins: a receiver's cold start fits in."""
AFTER_ARRIVAL_S = 120
"""And this long at the end."""
LINE_UP_M = 15.0
"""Crews wait this far before a start line and cross it moving, so that the crossing is one instant."""
LINE_RUN_S = 3.5
"""From there to the line."""
LINE_SPEED_MPS = 2 * LINE_UP_M / LINE_RUN_S
STOP_CONTROL_M = 300.0
"""The stop control is this far after the flying finish, unless the itinerary has a time control there."""
STOP_CONTROL_WITHIN_M = 1000.0
STOP_CONTROL_S = 240.0
CONTROL_S = 60.0
"""A card is stamped in a minute."""
START_AFTER_S = 600
"""From the last time control to the start of the timed section."""
LIAISON_KMH, LIAISON_ROUGHNESS = 100.0, 0.05
SELECTIVE_KMH, SELECTIVE_ROUGHNESS = 100.0, 0.3
ROAD_LIMIT_KMH = 120.0
"""Where neither stage nor section states a limit."""
TIGHTEST = 1.08
"""Nobody drives a section in less than this times what its bends and limits would allow."""
DEFAULT_DAY_UTC_S = 1_768_446_000
"""When an itinerary without a date begins: 15 January 2026, 03:00 UTC."""
DEPARTURE_UTC_S = 3 * 3600
"""The hour (UTC) at which an itinerary with a date begins."""


class Overspeed(NamedTuple):
    """Drive at `speed_kmh` between two kilometres of section `section` (from 0), whatever its zones say."""

    section: int
    from_km: float
    to_km: float
    speed_kmh: float


@dataclass(frozen=True)
class Orders:
    """What one car is to do. `elapsed_s` are times in the timed section at named waypoints, "ASS" among them.

    Elapsed time does not run in neutralisations. `departs_utc_s` is POSIX seconds; None: the stage's own day.
    """

    departs_utc_s: int | None = None
    start_after_s: int = START_AFTER_S
    elapsed_s: Mapping[str, int] = field(default_factory=dict)
    overspeeds: tuple[Overspeed, ...] = ()
    seed: int = 0


class Passage(NamedTuple):
    """The truth of a waypoint: when the car first comes to it."""

    section: int
    kind: str
    name: str
    km: float
    t_s: float


class Plan(NamedTuple):
    """A drive and when it passes what: every waypoint, and each section from its first to its last metre."""

    drive: Drive
    passages: tuple[Passage, ...]
    sections: tuple[tuple[float, float], ...]


def plan(itinerary: Itinerary, orders: Orders | None = None) -> Plan:
    """One car's drive over the whole day. ConfigurationError where coordinates or times cannot be met."""
    orders = orders or Orders()
    starts = _starts_m(itinerary)
    pace = Pace(ground(itinerary), _stretches(itinerary, orders), orders.seed)
    day = _Day(itinerary, orders, pace)
    for index in range(len(itinerary.sections)):
        day.add(index)
    departs = orders.departs_utc_s if orders.departs_utc_s is not None else _departure_utc_s(itinerary)
    drive = pace.drive(day.finish(), departs - BEFORE_DEPARTURE_S)
    passages = tuple(
        Passage(i, point.kind, point.name, point.km, drive.time_at(starts[i] + point.km * M_PER_KM))
        for i, section in enumerate(itinerary.sections)
        for point in section.waypoints
    )
    sections = tuple((drive.time_at(a), drive.time_at(b)) for a, b in pairwise(starts))
    return Plan(drive, passages, sections)


@lru_cache(maxsize=4)
def ground(itinerary: Itinerary) -> Path:
    """The road of an itinerary: known coordinates where it has some, made up between and without."""
    starts = _starts_m(itinerary)
    places = [
        Place(start + point.km * M_PER_KM, *point.position)
        for start, section in zip(starts, itinerary.sections, strict=False)
        for point in section.waypoints
        if point.position is not None
    ]
    rough = [
        (start, end)
        for start, end, section in zip(starts, starts[1:], itinerary.sections, strict=False)
        if section.kind == "selective"
    ]
    return road(places, starts[-1], rough=rough)


def _starts_m(itinerary: Itinerary) -> list[float]:
    """Where each section starts, in metres of the day, and the end of the last; to the millimetre."""
    starts = [0.0]
    for section in itinerary.sections:
        starts.append(round(starts[-1] + section.length_km * M_PER_KM, 3))
    return starts


def _departure_utc_s(itinerary: Itinerary) -> int:
    day = itinerary.stage.date
    return DEFAULT_DAY_UTC_S if day is None else (day.toordinal() - 719_163) * 86_400 + DEPARTURE_UTC_S


def _stretches(itinerary: Itinerary, orders: Orders) -> list[Stretch]:
    stretches = []
    starts = _starts_m(itinerary)
    for i, (start, end, section) in enumerate(zip(starts, starts[1:], itinerary.sections, strict=False)):
        limits = [kmh for kmh in (itinerary.stage.max_speed_kmh, section.max_speed_kmh) if kmh is not None]
        is_timed = section.kind == "selective"
        limit = min(limits) if limits else ROAD_LIMIT_KMH
        cruise = SELECTIVE_KMH if is_timed else LIAISON_KMH
        roughness = SELECTIVE_ROUGHNESS if is_timed else LIAISON_ROUGHNESS
        stretches.append(Stretch(start, end, limit * KMH, cruise * KMH, roughness))
        over = sorted(o for o in orders.overspeeds if o.section == i)
        for zone_from, zone_to, kmh in _zones(section):
            edges = [zone_from, *(km for o in over for km in o[1:3] if zone_from < km < zone_to), zone_to]
            for a, b in zip(edges[::2], edges[1::2], strict=True):
                stretches.append(Stretch(start + a * M_PER_KM, start + b * M_PER_KM, kmh * KMH))
        stretches += [
            Stretch(start + o.from_km * M_PER_KM, start + o.to_km * M_PER_KM, o.speed_kmh * KMH) for o in over
        ]
    return stretches


def _zones(section: Section) -> list[tuple[float, float, float]]:
    """Speed zones as (from km, to km, km/h)."""
    zones: list[tuple[float, float, float]] = []
    opened: Waypoint | None = None
    for point in section.waypoints:
        if point.kind == "dz":
            opened = point
        elif point.kind == "fz" and opened is not None and opened.speed_kmh is not None:
            zones.append((opened.km, point.km, opened.speed_kmh))
    return zones


class _Day:
    """Writes the anchors of a day, section by section. `_now_s` and `_here_m` are those of the last one."""

    def __init__(self, itinerary: Itinerary, orders: Orders, pace: Pace) -> None:
        self._sections = itinerary.sections
        self._starts_m = _starts_m(itinerary)
        self._orders, self._pace = orders, pace
        self._anchors = [Anchor(0.0, 0.0)]
        self._wait_until(BEFORE_DEPARTURE_S)

    def add(self, index: int) -> None:
        if self._sections[index].kind == "selective":
            self._timed(index)
        else:
            self._road(index)

    def finish(self) -> list[Anchor]:
        self._wait_until(math.ceil(self._now_s) + AFTER_ARRIVAL_S)
        return self._anchors

    @property
    def _now_s(self) -> float:
        return self._anchors[-1].t_s

    @property
    def _here_m(self) -> float:
        return self._anchors[-1].distance_m

    def _wait_until(self, t_s: float) -> None:
        if t_s > self._now_s:
            self._anchors.append(Anchor(float(t_s), self._here_m))

    def _go(self, to_m: float) -> None:
        if to_m > self._here_m:
            self._anchors.append(Anchor(self._now_s + self._pace.natural_s(self._here_m, to_m), to_m))

    def _is_timed(self, index: int) -> bool:
        return 0 <= index < len(self._sections) and self._sections[index].kind == "selective"

    def _road(self, index: int) -> None:
        section, start = self._sections[index], self._starts_m[index]
        begun_s, end = self._now_s, self._starts_m[index + 1]
        controls = [start + point.km * M_PER_KM for point in section.waypoints if point.kind == "tc"]
        if self._is_timed(index - 1):
            near = [m for m in controls if m <= start + STOP_CONTROL_WITHIN_M]
            stop = near[0] if near else start + min(STOP_CONTROL_M, (end - start) / 3)
            self._go(stop)
            self._wait_until(self._now_s + STOP_CONTROL_S)
        last = end - (LINE_UP_M if self._is_timed(index + 1) else 0.0)
        stops = [m for m in controls if self._here_m < m <= last] or [last]
        for stop in stops:
            self._go(stop)
            self._wait_until(math.ceil(self._now_s) + CONTROL_S)
        if section.target_min is not None:
            self._wait_until(begun_s + section.target_min * 60)
        left_s = self._now_s
        self._go(last)
        if self._is_timed(index + 1):
            due_s = max(left_s + self._orders.start_after_s, self._now_s + LINE_RUN_S + 1)
            self._wait_until(math.ceil(due_s) - LINE_RUN_S)

    def _timed(self, index: int) -> None:
        section, start = self._sections[index], self._starts_m[index]
        if self._here_m < start:
            self._anchors.append(Anchor(self._now_s + LINE_RUN_S, start, LINE_SPEED_MPS))
        begun_s, paused_s = self._now_s, 0.0
        elapsed = self._elapsed(section, start)
        pause: Waypoint | None = None
        for point in section.waypoints:
            at = start + point.km * M_PER_KM
            if point.kind == "dn" and point.time_s is not None:
                pause = point
            elif point.kind == "fn" and pause is not None:
                paused_s += self._neutralised(at, pause.time_s or 0.0)
                pause = None
                continue
            if at > self._here_m and point.km in elapsed:
                self._anchors.append(Anchor(begun_s + paused_s + elapsed[point.km], at))
        if self._here_m < self._starts_m[index + 1]:
            self._anchors.append(
                Anchor(begun_s + paused_s + elapsed[section.length_km], self._starts_m[index + 1])
            )
        if index + 1 < len(self._sections) and self._is_timed(index + 1):
            self._wait_until(math.ceil(self._now_s) + self._orders.start_after_s)

    def _neutralised(self, end_m: float, time_s: float) -> float:
        """Drive to the end of a neutralisation and wait; cross it `time_s` after its beginning."""
        begun_s = self._now_s
        self._go(end_m - LINE_UP_M)
        leaves_s = max(begun_s + time_s, math.ceil(self._now_s + LINE_RUN_S) + 1)
        self._wait_until(leaves_s - LINE_RUN_S)
        self._anchors.append(Anchor(leaves_s, end_m, LINE_SPEED_MPS))
        return leaves_s - begun_s

    def _elapsed(self, section: Section, start_m: float) -> dict[float, float]:
        """Elapsed time (whole s) at the kilometres that have one: as ordered, else in proportion."""
        ordered = {
            p.km: self._orders.elapsed_s[p.name]
            for p in section.waypoints
            if p.name in self._orders.elapsed_s
        }
        known: dict[float, float] = {0.0: 0.0, **ordered}
        if section.length_km not in known:
            known[section.length_km] = self._own_time_s(section, start_m)
        for point in section.waypoints:
            if point.kind == "dn" and point.km not in known:
                before, after = (
                    max(km for km in known if km < point.km),
                    min(km for km in known if km > point.km),
                )
                share = (point.km - before) / (after - before)
                known[point.km] = round(known[before] + share * (known[after] - known[before]))
        return known

    def _own_time_s(self, section: Section, start_m: float) -> float:
        """What the car takes when nobody orders a time: the target or 100 km/h, never faster than it can."""
        wanted = section.target_min * 60 if section.target_min else section.length_km / SELECTIVE_KMH * 3600
        return math.ceil(
            max(wanted, TIGHTEST * self._pace.fastest_s(start_m, start_m + section.length_km * M_PER_KM))
        )
