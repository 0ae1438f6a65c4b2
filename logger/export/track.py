"""What GPX and KML have in common: where the line of the drive breaks, and the roadbook's points beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import marked
from logger.export.blocks import FixBlock, Progress, fix_blocks
from logger.export.selection import Selection
from logger.recording.log_meta import car_of
from logger.stage import itinerary
from logger.stage.itinerary import Itinerary, Waypoint

GAP_US = 10_000_000
"""A longer time without a position interrupts the line: what lies between was not seen."""
_POINTS = 2048
"""Points handed on at a time."""


class Stretch(NamedTuple):
    """Fixes with a position, in one line. `begins` says what begins with them: "track", "segment" or nothing new."""

    begins: str
    fixes: FixBlock


def stretches(connection: sqlite3.Connection, selection: Selection, progress: Progress) -> Iterator[Stretch]:
    """The drive, a track a session, a segment from gap to gap. Raises LogError."""
    session, t_us = -1, 0
    for block in fix_blocks(connection, selection, progress):
        positioned = ~(np.isnan(block.lat) | np.isnan(block.lon))
        fixes = block.rows(positioned)
        breaks = np.flatnonzero((np.diff(fixes.session) != 0) | (np.diff(fixes.t_us) > GAP_US)) + 1
        edges = np.unique([0, *breaks, *range(0, len(fixes.t_us), _POINTS), len(fixes.t_us)])
        for first, last in pairwise(edges):
            part = fixes.rows(slice(first, last))
            begins = "segment" if part.t_us[0] - t_us > GAP_US else ""
            yield Stretch("track" if part.session[0] != session else begins, part)
            session, t_us = int(part.session[-1]), int(part.t_us[-1])


def route(meta: Mapping[str, str]) -> Itinerary | None:
    """The itinerary that a log carries, or None. Raises ConfigurationError where it cannot be read."""
    return itinerary.load(meta["itinerary"], "the log's itinerary") if meta.get("itinerary") else None


def points(meta: Mapping[str, str]) -> Iterator[tuple[str, Waypoint]]:
    """The roadbook's waypoints that have coordinates, with what to call each."""
    try:
        found = route(meta)
    except ConfigurationError:
        return  # the drive is worth having without them
    for section in found.sections if found else ():
        for waypoint in section.waypoints:
            if waypoint.position is not None:
                yield xml(waypoint.name or f"{waypoint.kind.upper()} {waypoint.km:g}"), waypoint


def title(meta: Mapping[str, str]) -> str:
    """What to call the drive: stage and car, as far as the log knows them."""
    car = car_of(meta)
    named = [meta.get("stage") or "drive"]
    if car.get("number") is not None:
        named.append(f"car {car['number']}")
    return xml(", ".join(named))


def xml(said: str) -> str:
    """Text for XML, with marks for control characters: most of them XML cannot hold."""
    return escape(marked(said))
