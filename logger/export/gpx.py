"""Write GPX 1.1: the track, and the roadbook's waypoints with coordinates.

One track per session; a time without a position begins a new segment. GPX 1.1 has no speed and course: they use
Garmin's TrackPointExtension v2, in m/s and degrees, which most programs read. Written as text in blocks of points,
because gpxpy keeps every point in memory.
"""

from __future__ import annotations

import sqlite3
from typing import BinaryIO

import numpy as np

from firmware_bridge.errors import LogError
from logger.export import text, track
from logger.logfile.blocks import Numbers, Progress
from logger.logfile.meta import meta_of
from logger.logfile.selection import Selection
from logger.stage.itinerary import WAYPOINT_KINDS
from logger.stage.openrally import write as openrally

GPX = "http://www.topografix.com/GPX/1/1"
EXTENSION = "http://www.garmin.com/xmlschemas/TrackPointExtension/v2"
_CLOSING = b"</trkseg></trk>\n"


def write(connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress) -> None:
    """Write the track of a selection, with the waypoints of the log's itinerary. Raises LogError."""
    meta = meta_of(connection)
    stream.write(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="stagelog" xmlns="{GPX}"'
        f' xmlns:x="{EXTENSION}">\n<metadata><name>{track.title(meta)}</name></metadata>\n'.encode()
    )
    for name, point in track.points(meta):
        stream.write(
            f'<wpt lat="{point.lat:.8f}" lon="{_west(point.lon):.8f}"><name>{name}</name>'
            f"<desc>{WAYPOINT_KINDS[point.kind].meaning}, km {point.km:g}</desc>"
            f"<type>{point.kind}</type></wpt>\n".encode()
        )
    closing = b""
    for points in track.drive(connection, selection, progress):
        block = _points(points)
        stream.write(block if closing else block.removeprefix(_CLOSING))  # the first track has no predecessor
        closing = _CLOSING
    stream.write(closing + b"</gpx>\n")


def write_openrally(
    connection: sqlite3.Connection, _selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """Write the log's itinerary as an OpenRally route. Raises LogError if it has none."""
    route = track.route(meta_of(connection))
    if route is None:
        raise LogError("the log has no itinerary", hint="use --format gpx to export the track")
    stream.write(openrally.write(route))
    progress(1.0)


def _points(points: track.Points) -> bytes:
    """Format points; where a track or segment begins, close the previous one first."""
    fixes = points.fixes
    moving = ~(np.isnan(fixes.speed_mps) & np.isnan(fixes.course_deg))
    parts: list[text.Part] = [
        *_beginnings(points),
        *(b'<trkpt lat="', text.fixed(fixes.lat, 8), b'" lon="', text.fixed(_western(fixes.lon), 8), b'">'),
        *_element(b"ele", fixes.alt_m, 3),
        *_framed(b"<time>", text.moments(fixes.utc), b"</time>", ~np.isnat(fixes.utc)),
        *_element(b"sat", fixes.satellites, 0),
        *_element(b"hdop", fixes.hdop, 3),
        text.where(moving, b"<extensions><x:TrackPointExtension>"),
        *_element(b"x:speed", fixes.speed_mps, 4),
        *_element(b"x:course", fixes.course_deg, 3),
        text.where(moving, b"</x:TrackPointExtension></extensions>"),
        b"</trkpt>\n",
    ]
    return text.lines(len(fixes.t_us), parts)


def _beginnings(points: track.Points) -> list[text.Part]:
    parts: list[text.Part] = [text.where(points.segments, b"</trkseg><trkseg>\n")]
    if points.tracks.any():
        session = text.only(points.tracks, text.integers(points.fixes.session))
        opening = text.where(points.tracks, _CLOSING + b"<trk><name>session ")
        parts += [opening, session, text.where(points.tracks, b"</name><trkseg>\n")]
    return parts


def _element(name: bytes, values: Numbers, decimals: int) -> list[text.Part]:
    number = text.fixed(values, decimals)
    return _framed(b"<" + name + b">", number, b"</" + name + b">", np.isfinite(values))


def _framed(opening: bytes, inner: text.Characters, closing: bytes, known: text.Mask) -> list[text.Part]:
    return [text.where(known, opening), inner, text.where(known, closing)]


def _western(lon: Numbers) -> Numbers:
    """Wrap longitudes to below 180, as GPX requires."""
    return np.where(lon >= 180.0, lon - 360.0, lon)


def _west(lon: float | None) -> float:
    return float(_western(np.array([lon], dtype=np.float64))[0])
