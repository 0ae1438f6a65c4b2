"""A drive past the usual marks whose every instant is known."""

from __future__ import annotations

from typing import Any

from firmware_bridge.virtual.drive import Drive
from logger.stage.events import Event
from logger.stage.itinerary import Itinerary, Section, Stage
from logger.stage.live_stage import LiveStage
from tests.logger.stage import truth
from tests.logger.stage.truth import shown

S = 1_000_000
BEGINS_M = 200.0
"""Distance from the drive's start to the section's."""
MARKS: list[tuple[Any, ...]] = [
    (0, "dss"),
    (2500, "wpm"),
    (4000, "cp", {"name": "CP1"}),
    (6100, "wpp"),
    (8000, "cp", {"name": "CP2"}),
    (11_000, "wpv"),
    (14_000, "ass"),
]
DRIVE = truth.rally(15_500, seed=3)


def instant(drive: Drive, section_m: float) -> float:
    """When the car passes a distance from the section's start, in seconds."""
    return drive.time_at(BEGINS_M + section_m)


def splits(live: LiveStage, t_us: int = 10**10) -> dict[str, float]:
    """Elapsed seconds of each split, by name."""
    return {split["name"]: split["elapsed_s"] for split in shown(live, t_us)["splits"]}


def utc_s(event: Event) -> float:
    """The UTC of an event, in seconds from the drive's start."""
    seconds: float = (event.detail["utc_us"] - truth.START_UTC_US) / 1e6
    return seconds


def sections(drive: Drive, *, target_min: float | None = None) -> Itinerary:
    """Liaison, timed section, neutralisation, timed section: without coordinates but for the first start."""
    return Itinerary(
        Stage("Day"),
        (
            Section("liaison", 0.2, "L1"),
            Section("selective", 5.0, "A", waypoints=(truth.waypoint(drive.path, 200, "dss", from_m=200),)),
            Section("neutralisation", 1.0, "N", target_min=target_min),
            Section("selective", 5.0, "B"),
        ),
    )
