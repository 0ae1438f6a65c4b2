"""KML: the drive on a globe, with its times where they are known, and the roadbook's waypoints."""

from __future__ import annotations

import sqlite3
from typing import BinaryIO

import numpy as np

from logger.export import text, track
from logger.export.blocks import FixBlock, Progress
from logger.export.selection import Selection
from logger.recording.log_meta import meta_of
from logger.stage.itinerary import WAYPOINT_KINDS

KML = "http://www.opengis.net/kml/2.2"
GOOGLE = "http://www.google.com/kml/ext/2.2"


def write(connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress) -> None:
    """The track of a selection, with the waypoints of the log's itinerary. Raises LogError."""
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
    for begins, fixes in track.stretches(connection, selection, progress):
        if begins:
            timed = not np.isnat(fixes.utc).any()
            opening, last = (
                (b"<gx:Track><altitudeMode>clampToGround</altitudeMode>\n", b"</gx:Track>")
                if timed
                else (
                    b"<LineString><tessellate>1</tessellate><coordinates>\n",
                    b"</coordinates></LineString>",
                )
            )
            stream.write(closing + b"<Placemark><name>session %d</name>" % fixes.session[0] + opening)
            closing = last + b"</Placemark>\n"
        stream.write(_timed(fixes) if closing.startswith(b"</gx") else _plain(fixes))
    stream.write(closing + b"</Document></kml>\n")


def _timed(fixes: FixBlock) -> bytes:
    return text.lines(
        len(fixes.t_us),
        [
            b"<when>",
            text.moments(fixes.utc, "ms"),
            b"</when><gx:coord>",
            *_place(fixes, b" "),
            b"</gx:coord>\n",
        ],
    )


def _plain(fixes: FixBlock) -> bytes:
    return text.lines(len(fixes.t_us), [*_place(fixes, b","), b"\n"])


def _place(fixes: FixBlock, between: bytes) -> list[text.Part]:
    altitude = text.fixed(np.nan_to_num(fixes.alt_m), 3)
    return [text.fixed(fixes.lon, 8), between, text.fixed(fixes.lat, 8), between, altitude]
