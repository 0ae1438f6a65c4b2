"""Track segments and waypoints of a log, shared by the GPX and KML writers."""

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
"""A longer time without a position starts a new segment."""
_POINTS = 2048
"""Points per block."""


class Points(NamedTuple):
    """Fixes with a position. `tracks` is true where a track begins, `segments` where a further segment begins."""

    fixes: FixBlock
    tracks: Mask
    segments: Mask


def drive(connection: sqlite3.Connection, selection: Selection, progress: Progress) -> Iterator[Points]:
    """Yield the drive: one track per session, one segment between gaps. Raises LogError."""
    last_session = last_us = None
    for block in fix_blocks(connection, selection, progress):
        fixes = block.rows(~(np.isnan(block.lat) | np.isnan(block.lon)))
        if not len(fixes.t_us):
            continue
        # The very first point begins a track: compare it with a session number other than its own.
        before = fixes.session[0] - 1 if last_session is None else last_session
        tracks = np.diff(fixes.session, prepend=before) != 0
        segments = ~tracks & (np.diff(fixes.t_us, prepend=last_us or 0) > GAP_US)
        last_session, last_us = fixes.session[-1], fixes.t_us[-1]
        for first in range(0, len(tracks), _POINTS):
            rows = slice(first, first + _POINTS)
            yield Points(fixes.rows(rows), tracks[rows], segments[rows])


def route(meta: Mapping[str, str]) -> Itinerary | None:
    """The log's itinerary, or None. Raises ConfigurationError if it cannot be read."""
    return itinerary.load(meta["itinerary"], "the log's itinerary") if meta.get("itinerary") else None


def points(meta: Mapping[str, str]) -> Iterator[tuple[str, Waypoint]]:
    """Yield name and waypoint of each roadbook waypoint with coordinates; none if the itinerary cannot be read."""
    try:
        stage = route(meta)
    except ConfigurationError:
        return  # the track is useful without waypoints
    for section in stage.sections if stage else ():
        for waypoint in section.waypoints:
            if waypoint.position is not None:
                yield xml(waypoint.name or f"{waypoint.kind.upper()} {waypoint.km:g}"), waypoint


def title(meta: Mapping[str, str]) -> str:
    """Title of the drive for XML: stage and car, as far as known."""
    return xml(plain_title(meta))


def plain_title(meta: Mapping[str, str]) -> str:
    """Title of the drive as recorded."""
    car = car_of(meta)
    parts = [meta.get("stage") or "drive"]
    if car.get("number") is not None:
        parts.append(f"car {car['number']}")
    return ", ".join(parts)


def xml(text: str) -> str:
    """Escape text for XML, with visible marks for control characters, most of which XML does not allow."""
    return escape(marked(text))
