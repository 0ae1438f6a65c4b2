"""Write KML: the track with times where known, and the roadbook's waypoints."""

from __future__ import annotations

import sqlite3
from typing import BinaryIO

import numpy as np

from logger.export import text, track
from logger.logfile.blocks import Mask, Progress
from logger.logfile.meta import meta_of
from logger.logfile.selection import Selection
from logger.stage.itinerary import WAYPOINT_KINDS

KML = "http://www.opengis.net/kml/2.2"
GOOGLE = "http://www.google.com/kml/ext/2.2"
_TIMED_CLOSING = b"</gx:Track></Placemark>\n"
_PLAIN_CLOSING = b"</coordinates></LineString></Placemark>\n"


def write(connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress) -> None:
    """Write the track of a selection, with the waypoints of the log's itinerary. Raises LogError."""
    meta = meta_of(connection)
    stream.write(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="{KML}" xmlns:gx="{GOOGLE}"><Document>'
        f"<name>{track.title(meta)}</name>\n".encode()
    )
    for name, point in track.points(meta):
        stream.write(
            f"<Placemark><name>{name}</name><description>{WAYPOINT_KINDS[point.kind].meaning}, km {point.km:g}"
            f"</description><Point><coordinates>{point.lon:.8f},{point.lat:.8f}</coordinates></Point></Placemark>\n".encode()
        )
    closing = b""
    for points in track.drive(connection, selection, progress):
        timed = ~np.isnat(points.fixes.utc)
        stream.write(_points(points, timed, closing))
        closing = _TIMED_CLOSING if timed[-1] else _PLAIN_CLOSING
    stream.write(closing + b"</Document></kml>\n")


def _points(points: track.Points, timed: Mask, closing: bytes) -> bytes:
    """Format points; where a line begins, close the previous one first. `closing` closes the line before the block.

    A session has times for all of its points or for none: a line with times is a gx:Track, without times a LineString.
    """
    fixes, begins = points.fixes, points.tracks | points.segments
    parts: list[text.Part] = []
    if begins.any():
        follows_timed = np.append(closing == _TIMED_CLOSING, timed[:-1])
        parts += [
            text.where(begins & follows_timed, _TIMED_CLOSING),
            text.where(begins & ~follows_timed, _PLAIN_CLOSING),
            text.where(begins, b"<Placemark><name>session "),
            text.only(begins, text.integers(fixes.session)),
            text.where(begins, b"</name>"),
            text.where(begins & timed, b"<gx:Track><altitudeMode>clampToGround</altitudeMode>\n"),
            text.where(begins & ~timed, b"<LineString><tessellate>1</tessellate><coordinates>\n"),
        ]
    between = text.where(timed, b" "), text.where(~timed, b",")
    parts += [
        *(
            text.where(timed, b"<when>"),
            text.moments(fixes.utc, "ms"),
            text.where(timed, b"</when><gx:coord>"),
        ),
        *(text.fixed(fixes.lon, 8), *between, text.fixed(fixes.lat, 8), *between),
        *(text.fixed(np.nan_to_num(fixes.alt_m), 3), text.where(timed, b"</gx:coord>"), b"\n"),
    ]
    block = text.lines(len(timed), parts)
    return block if closing else block.removeprefix(_PLAIN_CLOSING)  # the first line has no predecessor
