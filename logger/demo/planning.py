"""How a virtual car drives an itinerary: any itinerary, a user's own as well as the built-in stage.

From an itinerary and what one car is ordered to do: the road, what its speed may be where, and (`timetable`)
when it is to be where; from these its drive. It keeps every limit but for the over-speeds it is ordered to
make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.virtual.pace import Pace, Stretch
from logger.demo.route import Place, road
from logger.demo.timetable import (
    BEFORE_DEPARTURE_S,
    SELECTIVE_KMH,
    START_AFTER_S,
    Timetable,
    place_m,
    starts_m,
)
from logger.stage.itinerary import Itinerary, Section, Waypoint

KMH = 1 / 3.6

LIAISON_KMH = 100.0
LIAISON_ROUGHNESS, SELECTIVE_ROUGHNESS = 0.05, 0.3
"""How much the speed varies with the ground, by choice on gravel and hardly on a road."""
ROAD_LIMIT_KMH = 120.0
"""Where neither stage nor section states a limit."""
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
    """A drive, when it first comes to each waypoint, and when it leaves each section's start and reaches its end."""

    drive: Drive
    passages: tuple[Passage, ...]
    sections: tuple[tuple[float, float], ...]


def plan(itinerary: Itinerary, orders: Orders | None = None) -> Plan:
    """One car's drive over the whole day. ConfigurationError where coordinates or times cannot be met."""
    orders = orders or Orders()
    starts = starts_m(itinerary)
    pace = Pace(ground(itinerary), _stretches(itinerary, orders), orders.seed)
    anchors = Timetable(itinerary, pace, orders.start_after_s, orders.elapsed_s).anchors()
    departs = orders.departs_utc_s if orders.departs_utc_s is not None else _departure_utc_s(itinerary)
    drive = pace.drive(anchors, departs - BEFORE_DEPARTURE_S)
    passages = tuple(
        Passage(i, point.kind, point.name, point.km, drive.time_at(place_m(starts[i], point.km)))
        for i, section in enumerate(itinerary.sections)
        for point in section.waypoints
    )
    sections = tuple((drive.leaves_at(a), drive.time_at(b)) for a, b in pairwise(starts))
    return Plan(drive, passages, sections)


@lru_cache(maxsize=4)
def ground(itinerary: Itinerary) -> Path:
    """The road of an itinerary: known coordinates where it has some, made up between and without."""
    starts = starts_m(itinerary)
    places = [
        Place(place_m(start, point.km), *point.position)
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


def _departure_utc_s(itinerary: Itinerary) -> int:
    day = itinerary.stage.date
    return DEFAULT_DAY_UTC_S if day is None else (day.toordinal() - 719_163) * 86_400 + DEPARTURE_UTC_S


def _stretches(itinerary: Itinerary, orders: Orders) -> list[Stretch]:
    stretches = []
    starts = starts_m(itinerary)
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
                stretches.append(Stretch(place_m(start, a), place_m(start, b), kmh * KMH))
        stretches += [
            Stretch(place_m(start, o.from_km), place_m(start, o.to_km), o.speed_kmh * KMH) for o in over
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
