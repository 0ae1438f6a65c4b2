"""GPX 1.1: the track, and the roadbook's waypoints that have coordinates; opens in maps, watches and GIS programs.

A session is a track, and a time without a position begins a new segment. GPX itself has no place for speed and course:
they stand in Garmin's TrackPointExtension v2, in m/s and degrees, which most programs read. Written as text, a block of
points at a time: gpxpy holds every point in memory.
"""

from __future__ import annotations

import sqlite3
from typing import BinaryIO

import numpy as np

from firmware_bridge.errors import LogError
from logger.export import text, track
from logger.export.blocks import FixBlock, Numbers, Progress
from logger.export.selection import Selection
from logger.recording.log_meta import meta_of
from logger.stage.itinerary import WAYPOINT_KINDS
from logger.stage.openrally import write as openrally

GPX = "http://www.topografix.com/GPX/1/1"
EXTENSION = "http://www.garmin.com/xmlschemas/TrackPointExtension/v2"


def write(connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress) -> None:
    """The track of a selection, with the waypoints of the log's itinerary. Raises LogError."""
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
    for begins, fixes in track.stretches(connection, selection, progress):
        if begins == "track":
            stream.write(closing)
            stream.write(b"<trk><name>session %d</name><trkseg>\n" % fixes.session[0])
        elif begins == "segment":
            stream.write(b"</trkseg><trkseg>\n")
        stream.write(_points(fixes))
        closing = b"</trkseg></trk>\n"
    stream.write(closing + b"</gpx>\n")


def write_openrally(
    connection: sqlite3.Connection, _selection: Selection, stream: BinaryIO, progress: Progress
) -> None:
    """The log's itinerary as an OpenRally route. Raises LogError where the log has none."""
    route = track.route(meta_of(connection))
    if route is None:
        raise LogError("the log has no itinerary", mend="--format gpx writes the track")
    stream.write(openrally.write(route))
    progress(1.0)


def _points(fixes: FixBlock) -> bytes:
    moving = ~(np.isnan(fixes.speed_mps) & np.isnan(fixes.course_deg))
    parts: list[text.Part] = [
        *(b'<trkpt lat="', text.fixed(fixes.lat, 8), b'" lon="', text.fixed(_western(fixes.lon), 8), b'">'),
        *_element(b"ele", fixes.alt_m, 3),
        *_framed(b"<time>", text.moments(fixes.utc), b"</time>", ~np.isnat(fixes.utc)),
        *_element(b"sat", fixes.satellites, 0),
        *_element(b"hdop", fixes.hdop, 3),
        _where(moving, b"<extensions><x:TrackPointExtension>"),
        *_element(b"x:speed", fixes.speed_mps, 4),
        *_element(b"x:course", fixes.course_deg, 3),
        _where(moving, b"</x:TrackPointExtension></extensions>"),
        b"</trkpt>\n",
    ]
    return text.lines(len(fixes.t_us), parts)


def _element(name: bytes, values: Numbers, decimals: int) -> list[text.Part]:
    number = text.fixed(values, decimals)
    return _framed(b"<" + name + b">", number, b"</" + name + b">", np.isfinite(values))


def _framed(opening: bytes, inner: text.Characters, closing: bytes, known: text.Mask) -> list[text.Part]:
    if known.all():
        return [opening, inner, closing]
    return [_where(known, opening), inner, _where(known, closing)]


def _where(mask: text.Mask, said: bytes) -> text.Characters:
    return text.chosen((b"", said), mask.astype(int))


def _western(lon: Numbers) -> Numbers:
    """GPX counts longitudes up to, not including, 180."""
    return np.where(lon >= 180.0, lon - 360.0, lon)


def _west(lon: float | None) -> float:
    return float(_western(np.array([lon], dtype=np.float64))[0])
