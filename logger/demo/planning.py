"""Plan a virtual car's drive through an itinerary, built-in or the user's own.

From an itinerary and the orders of one car it derives the road, the speed limits along it, and (`timetable`) the
times at places; from these the drive. The car keeps every limit, except in over-speeds that are ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from firmware_bridge.virtual.course import Stretch
from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.virtual.pace import Pace
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
"""How much the speed varies with the ground: a little on a road, more on gravel."""
GROUND_SEED = 194
"""With this ground each part of the built-in stage takes about its published time at the driver's usual push."""
DUST_EVERY_KM = 60.0
"""Mean distance between slower cars whose dust one has to follow in a timed section."""
DUST_KM, DUST_KMH = (0.4, 1.5), (45.0, 70.0)
"""For how far, and how fast."""
ROAD_LIMIT_KMH = 120.0
"""Limit where neither stage nor section states one."""
DEFAULT_DAY_UTC_S = 1_768_446_000
"""Start of an itinerary without a date: 15 January 2026, 03:00 UTC."""
DEPARTURE_UTC_S = 3 * 3600
"""Time of day (UTC) at which an itinerary with a date begins."""


class Overspeed(NamedTuple):
    """Drive at `speed_kmh` between two kilometres of section `section` (from 0), regardless of its limits."""

    section: int
    from_km: float
    to_km: float
    speed_kmh: float


@dataclass(frozen=True)
class Orders:
    """The orders of one car. `elapsed_s`: times in the timed section at named waypoints, including "ASS".

    Elapsed time does not run in neutralisations. `departs_utc_s` is POSIX seconds; None: on the stage's own date.
    """

    departs_utc_s: int | None = None
    start_after_s: int = START_AFTER_S
    elapsed_s: Mapping[str, int] = field(default_factory=dict)
    overspeeds: tuple[Overspeed, ...] = ()
    seed: int = 0


class Passage(NamedTuple):
    """Ground truth of a waypoint: when the car first reaches it."""

    section: int
    kind: str
    name: str
    km: float
    t_s: float


class Plan(NamedTuple):
    """A drive, when it first reaches each waypoint, and when it leaves each section's start and reaches its end."""

    drive: Drive
    passages: tuple[Passage, ...]
    sections: tuple[tuple[float, float], ...]


def plan(itinerary: Itinerary, orders: Orders | None = None) -> Plan:
    """Plan one car's whole day. Raises ConfigurationError if coordinates or times are impossible."""
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
    """Return the road of an itinerary: through its known coordinates, invented between them."""
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
    return road(places, starts[-1], rough=rough, seed=GROUND_SEED)


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
        if is_timed:
            stretches += _dust(start, end, orders.seed + i)
        stretches += [
            Stretch(place_m(start, o.from_km), place_m(start, o.to_km), o.speed_kmh * KMH) for o in over
        ]
    return stretches


def _dust(from_m: float, to_m: float, seed: int) -> list[Stretch]:
    """Return where the car is held up in the dust of a slower one, at random places that `seed` fixes."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(from_m, to_m, rng.poisson((to_m - from_m) / 1000 / DUST_EVERY_KM))
    return [
        Stretch(
            at,
            min(to_m, at + 1000 * float(rng.uniform(*DUST_KM))),
            cruise_mps=float(rng.uniform(*DUST_KMH)) * KMH,
        )
        for at in starts.tolist()
    ]


def _zones(section: Section) -> list[tuple[float, float, float]]:
    """Return the speed zones as (from km, to km, km/h)."""
    zones: list[tuple[float, float, float]] = []
    opened: Waypoint | None = None
    for point in section.waypoints:
        if point.kind == "dz":
            opened = point
        elif point.kind == "fz" and opened is not None and opened.speed_kmh is not None:
            zones.append((opened.km, point.km, opened.speed_kmh))
    return zones
