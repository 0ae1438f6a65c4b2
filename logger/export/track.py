"""What GPX and KML have in common: where the line of the drive breaks, and the roadbook's points beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import marked
from logger.logfile.blocks import FixBlock, Mask, Progress, fix_blocks
from logger.logfile.meta import car_of
from logger.logfile.selection import Selection
from logger.stage import itinerary
from logger.stage.itinerary import Itinerary, Waypoint

GAP_US = 10_000_000
"""A longer time without a position interrupts the line: what lies between was not seen."""
_POINTS = 2048
"""Points handed on at a time."""


class Points(NamedTuple):
    """Fixes with a position, row for row. `tracks` is true where a track begins, `segments` where another segment."""

    fixes: FixBlock
    tracks: Mask
    segments: Mask


def drive(connection: sqlite3.Connection, selection: Selection, progress: Progress) -> Iterator[Points]:
    """The drive, one track per session, one segment from gap to gap. Raises LogError."""
    last_session = last_us = None
    for block in fix_blocks(connection, selection, progress):
        fixes = block.rows(~(np.isnan(block.lat) | np.isnan(block.lon)))
        if not len(fixes.t_us):
            continue
        # The first point of all has none before it: any other session will do.
        before = fixes.session[0] - 1 if last_session is None else last_session
        tracks = np.diff(fixes.session, prepend=before) != 0
        segments = ~tracks & (np.diff(fixes.t_us, prepend=last_us or 0) > GAP_US)
        last_session, last_us = fixes.session[-1], fixes.t_us[-1]
        for first in range(0, len(tracks), _POINTS):
            rows = slice(first, first + _POINTS)
            yield Points(fixes.rows(rows), tracks[rows], segments[rows])


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
