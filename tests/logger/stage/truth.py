"""Drives with known truth, as seen by a receiver and a wheel with realistic errors.

The road is one long winding line; the plan of speeds is random but fixed by a seed. Noise is what a good
receiver shows: Doppler to 0.1 m/s, positions that wander slowly over metres, and a cable that delays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from firmware_bridge.records import Channel, Fix, Reading
from firmware_bridge.virtual.drive import Drive, Path
from firmware_bridge.wgs84 import metres_per_degree
from logger.live.document import document
from logger.stage.events import Event
from logger.stage.itinerary import Itinerary, Section, Stage, Waypoint
from logger.stage.live_stage import LiveStage
from logger.stage.rules import Rules, default_rules

START_UTC_US = 1_768_464_000_000_000
"""15 January 2026, 08:00 UTC: t_s = 0 of every drive here."""
WHEEL = Channel("wheel_kmh", "km/h", "test")
OBD = Channel("speed_kmh", "km/h", "test")


def road(length_m: float, lat: float = 21.6, lon: float = 41.6) -> Path:
    """A winding road that heads north-east."""
    distance = np.arange(0.0, length_m + 50.0, 5.0)
    course = np.radians(45 + 35 * np.sin(distance / 700) + 15 * np.sin(distance / 190))
    step = np.diff(distance, prepend=0.0)
    north, east = np.cumsum(step * np.cos(course)), np.cumsum(step * np.sin(course))
    per_lat, _ = metres_per_degree(lat)
    lats = lat + north / per_lat
    _, per_lon = metres_per_degree(lats)
    return Path(
        lats, lon + np.cumsum(np.diff(east, prepend=0.0) / per_lon), np.zeros_like(distance), distance
    )


def planned(path: Path, speeds_kmh: Sequence[tuple[float, float]]) -> Drive:
    """A drive of stretches (seconds, km/h at the stretch's end): even changes of speed between."""
    t, v, s = [0.0], [0.0], [0.0]
    for seconds, kmh in speeds_kmh:
        t.append(t[-1] + seconds)
        v.append(kmh / 3.6)
        s.append(s[-1] + (v[-1] + v[-2]) / 2 * seconds)
    return Drive(path, t, s, v)


def rally(length_m: float, seed: int = 1, *, wait_s: float = 30.0) -> Drive:
    """A drive over `length_m` as a stage is driven: never steady, with a stop now and then."""
    rng = np.random.default_rng(seed)
    path = road(length_m + 2000)
    plan: list[tuple[float, float]] = [(wait_s, 0.0)]
    metres, last = 0.0, 0.0
    while metres < length_m:
        kmh = 0.0 if rng.random() < 0.02 else float(rng.uniform(40, 165))
        seconds = abs(kmh - last) / 3.6 / float(rng.uniform(2, 5)) + 0.5
        plan.append((seconds, kmh))
        steady = float(rng.uniform(2, 15))
        plan.append((steady, kmh))
        metres += (last + kmh) / 7.2 * seconds + kmh / 3.6 * steady
        last = kmh
    plan += [(10.0, 0.0), (60.0, 0.0)]
    return planned(path, plan)


def fixes(
    drive: Drive,
    hz: float,
    *,
    seed: int = 7,
    noise: bool = True,
    from_s: float = 0.0,
    to_s: float | None = None,
    lost: Sequence[tuple[float, float]] = (),
    delay_s: float = 0.08,
    utc: bool = True,
) -> list[Fix]:
    """Return a receiver's fixes of the drive, without GPS in the `lost` intervals."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(from_s * hz), round((drive.end_s if to_s is None else to_s) * hz)) / hz
    truth = drive.sample(t)
    count = len(t)
    speed = truth.speed_mps.copy()
    wander = np.zeros((2, count))
    if noise:
        speed = np.abs(speed + rng.normal(0, 0.1, count))
        keep = np.exp(-1 / hz / 30.0)  # positions wander over half a minute
        kicks = rng.normal(0, 1.5 * np.sqrt(1 - keep**2), (2, count))
        for i in range(1, count):
            wander[:, i] = wander[:, i - 1] * keep + kicks[:, i]
    per_lat, per_lon = metres_per_degree(truth.lat)
    lat, lon = truth.lat + wander[0] / per_lat, truth.lon + wander[1] / per_lon
    late = delay_s + (rng.uniform(0, 0.04, count) if noise else np.zeros(count))
    out = []
    for i in range(count):
        utc_us = START_UTC_US + round(t[i] * 1e6) if utc else None
        t_us = round((t[i] + late[i]) * 1e6)
        if any(first <= t[i] < last for first, last in lost):
            out.append(Fix(t_us, utc_us, None, None, None, None, None, 0, 0, None))
        else:
            out.append(
                Fix(t_us, utc_us, float(lat[i]), float(lon[i]), 600.0, float(speed[i]), 45.0, 1, 12, 0.8)
            )
    return out


def wheel(
    drive: Drive, hz: float = 10.0, *, scale: float = 1.03, channel: Channel = WHEEL, step_kmh: float = 0.1
) -> Iterator[Reading]:
    """Return the readings of a wheel-speed unit: some per cent wrong, and in steps."""
    t = np.arange(round(drive.end_s * hz)) / hz
    _, speed = drive.motion(t)
    kmh = np.round(speed * 3.6 * scale / step_kmh) * step_kmh
    for moment, value in zip(t, kmh, strict=True):
        yield Reading(round((moment + 0.05) * 1e6), channel, float(value))


def waypoint(
    path: Path, at_m: float, kind: str, *, from_m: float = 0.0, hidden: bool = False, **more: Any
) -> Waypoint:
    """A waypoint on the road at a distance from its beginning; its km counts from `from_m`."""
    lat, lon, _ = path.position(np.array([at_m]))
    position: dict[str, Any] = {} if hidden else {"lat": float(lat[0]), "lon": float(lon[0])}
    return Waypoint((at_m - from_m) / 1000, kind, more.pop("name", kind.upper()), **position, **more)


def one_section(
    path: Path,
    marks: Iterable[tuple[Any, ...]],
    length_m: float,
    *,
    begins_m: float = 200.0,
    hidden: bool = False,
    **section: Any,
) -> Itinerary:
    """A stage of one timed section that begins at `begins_m` of the road: marks are (metres in it, kind, more)."""
    points = tuple(
        waypoint(path, begins_m + metres, kind, from_m=begins_m, hidden=hidden, **(more[0] if more else {}))
        for metres, kind, *more in marks
    )
    timed = Section("selective", length_m / 1000, "SS", waypoints=points, **section)
    return Itinerary(Stage("Test"), (timed,))


def follow(
    live: LiveStage, fixes: Iterable[Fix], readings: Iterable[Reading] = (), tick_s: float = 0.5
) -> list[Event]:
    """Feed a live stage in order of arrival, ticking in between; returns all its events."""
    inputs: list[Fix | Reading] = sorted([*fixes, *readings], key=lambda record: record.t_us)
    due_us = inputs[0].t_us if inputs else 0
    for record in inputs:
        while due_us <= record.t_us:
            live.tick(due_us)
            due_us += round(tick_s * 1e6)
        if isinstance(record, Reading):
            live.readings([record])
        else:
            live.fix(record)
    return live.take_events()


def live_stage(itinerary: Itinerary | None, rules: Rules | None = None, **options: Any) -> LiveStage:
    """A live stage with the default rules, without alarms."""
    return LiveStage(itinerary, rules or default_rules(), **options)


def shown(live: LiveStage, t_us: int) -> dict[str, Any]:
    """What the crew sees at a moment."""
    return document(live.snapshot(t_us))


def of_kind(events: Iterable[Event], kind: str, **detail: Any) -> list[Event]:
    """The events of a kind whose details are as given."""
    return [
        e for e in events if e.kind == kind and all(e.detail[key] == value for key, value in detail.items())
    ]
