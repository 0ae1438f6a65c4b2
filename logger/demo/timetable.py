"""Timetable of a virtual car: the day of an itinerary as anchors (instants at distances).

The car stands before the departure, drives liaisons at an easy speed and waits at the time controls. It lines up a
few metres before the start of a timed section and crosses the line on a whole second, reaches waypoints at the
ordered elapsed times, stands in neutralisations, crosses the flying finish and stops at the stop control. Without
orders a timed section takes its target time, or an average of 100 km/h, as far as bends and limits allow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from firmware_bridge.virtual.pace import Anchor, Pace
from logger.stage.itinerary import Itinerary, Section, Waypoint

M_PER_KM = 1000.0

BEFORE_DEPARTURE_S = 180
"""Standing time, engine running, before the day begins: long enough for a receiver's cold start."""
AFTER_ARRIVAL_S = 120
"""Standing time at the end."""
LINE_UP_M = 15.0
"""Crews wait this far before a start line and cross it moving, so that the crossing is one instant."""
LINE_RUN_S = 4.5
"""Time from there to the line on firm ground."""
LINE_SPARE_S = 0.8
"""In sand or uphill this much more than the car needs, even if it has to stop on the line."""
REACTION_S = 0.4
"""From the end of a neutralisation until the car is on its line. Leaving early is penalised, and at low speed a
position error of two metres is a third of a second, so crews leave a margin."""
STOP_CONTROL_M = 300.0
"""The stop control is this far after the flying finish, unless the itinerary has a time control there."""
STOP_CONTROL_WITHIN_M = 1000.0
STOP_CONTROL_S = 240.0
CONTROL_S = 60.0
"""A card is stamped in a minute."""
START_AFTER_S = 600
"""Time from the last time control to the start of the timed section."""
TIGHTEST = 1.08
"""Shortest time of a section, as a multiple of the time that its bends and limits allow."""
SELECTIVE_KMH = 100.0
"""Average speed of a timed section without a target time."""


def place_m(start_m: float, km: float) -> float:
    """Return a kilometre of a section that starts at `start_m`, in metres of the day, to the millimetre."""
    return round(start_m + km * M_PER_KM, 3)


def starts_m(itinerary: Itinerary) -> list[float]:
    """Return the start of each section in metres of the day, and the end of the last."""
    starts = [0.0]
    for section in itinerary.sections:
        starts.append(place_m(starts[-1], section.length_km))
    return starts


class Timetable:
    """Builder of the anchors of one car's day. `elapsed_s`: ordered times of the timed section at named waypoints."""

    def __init__(
        self, itinerary: Itinerary, pace: Pace, start_after_s: int, elapsed_s: Mapping[str, int]
    ) -> None:
        self._sections, self._starts_m = itinerary.sections, starts_m(itinerary)
        self._pace, self._start_after_s, self._ordered_s = pace, start_after_s, elapsed_s
        self._anchors = [Anchor(0.0, 0.0)]

    def anchors(self) -> list[Anchor]:
        """Return the anchors, from standing before the departure to standing after the arrival."""
        self._anchors = [Anchor(0.0, 0.0)]
        self._wait_until(BEFORE_DEPARTURE_S)
        for index in range(len(self._sections)):
            if self._is_timed(index):
                self._timed(index)
            else:
                self._road(index)
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

    def _run_s(self, line_m: float) -> float:
        """Return the time from standing before a line to the line."""
        return max(LINE_RUN_S, self._pace.fastest_s(line_m - LINE_UP_M, line_m) + LINE_SPARE_S)

    def _cross(self, line_m: float, at_s: float) -> None:
        """Cross a line from standing before it, at the speed of an even acceleration."""
        self._anchors.append(Anchor(at_s, line_m, 2 * (line_m - self._here_m) / (at_s - self._now_s)))

    def _is_timed(self, index: int) -> bool:
        return 0 <= index < len(self._sections) and self._sections[index].kind == "selective"

    def _road(self, index: int) -> None:
        section, start = self._sections[index], self._starts_m[index]
        begun_s, end = self._now_s, self._starts_m[index + 1]
        controls = [place_m(start, point.km) for point in section.waypoints if point.kind == "tc"]
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
            run_s = self._run_s(end)
            due_s = max(left_s + self._start_after_s, self._now_s + run_s + 1)
            self._wait_until(math.ceil(due_s) - run_s)

    def _timed(self, index: int) -> None:
        section, start = self._sections[index], self._starts_m[index]
        if self._here_m < start:
            self._cross(start, self._now_s + self._run_s(start))
        begun_s, paused_s = self._now_s, 0.0
        elapsed = self._elapsed(section, start)
        pause: Waypoint | None = None
        for point in section.waypoints:
            at = place_m(start, point.km)
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
            self._wait_until(math.ceil(self._now_s) + self._start_after_s)

    def _neutralised(self, end_m: float, time_s: float) -> float:
        """Drive to the end of a neutralisation and leave after its `time_s`; return how long it lasted."""
        begun_s = self._now_s
        self._go(end_m - LINE_UP_M)
        run_s = self._run_s(end_m)
        ends_s = max(begun_s + time_s, math.ceil(self._now_s + run_s) + 1)
        self._wait_until(ends_s + REACTION_S - run_s)
        self._cross(end_m, ends_s + REACTION_S)
        return ends_s - begun_s

    def _elapsed(self, section: Section, start_m: float) -> dict[float, float]:
        """Return the elapsed time (whole s) at the kilometres that have one: as ordered, else in proportion."""
        ordered = {p.km: self._ordered_s[p.name] for p in section.waypoints if p.name in self._ordered_s}
        known: dict[float, float] = {0.0: 0.0, **ordered}
        if section.length_km not in known:
            known[section.length_km] = self._own_time_s(section, start_m)
        for point in section.waypoints:
            if point.kind == "dn" and point.km not in known:
                before = max(km for km in known if km < point.km)
                after = min(km for km in known if km > point.km)
                share = (point.km - before) / (after - before)
                known[point.km] = round(known[before] + share * (known[after] - known[before]))
        ends = {dn.km: fn.km for dn, fn in pairwise(p for p in section.waypoints if p.kind in ("dn", "fn"))}
        for before, km in pairwise(sorted(known)):
            if km not in ordered:  # without an order, at least the shortest possible time
                least_s = self._least_s(place_m(start_m, ends.get(before, before)), place_m(start_m, km))
                known[km] = max(known[km], known[before] + least_s)
        return known

    def _own_time_s(self, section: Section, start_m: float) -> float:
        """Return the time without an order: the target or 100 km/h, but at least the shortest possible time."""
        target_s = section.target_min * 60 if section.target_min else section.length_km / SELECTIVE_KMH * 3600
        return max(math.ceil(target_s), self._least_s(start_m, place_m(start_m, section.length_km)))

    def _least_s(self, from_m: float, to_m: float) -> int:
        """Return the shortest time, in whole seconds, from one place to another, standing at both."""
        return math.ceil(TIGHTEST * self._pace.fastest_s(from_m, to_m)) + 1 if to_m > from_m else 0
