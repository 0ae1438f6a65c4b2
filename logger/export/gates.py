"""Timing gates of a VBO file: start, splits and finish of the timed sections.

A gate is a line across the course at the place where the car was when the log records the crossing, so other programs
find the log's own splits, on every stage: organisers hide coordinates. `+longitude +latitude` of both ends in minutes,
as in [data]: longitude is positive to the west.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import numpy as np

from logger.export.marks import Mark, marks_of
from logger.export.time_axis import TimeAxis
from logger.logfile.blocks import Numbers, fix_blocks
from logger.logfile.selection import Integers, Selection

MAX_GATES = 200
"""A stage has some ten splits."""
_HALF_WIDTH_M = 25.0
"""Wider than a track and the error of a receiver, narrower than a loop of the course."""
_AROUND_US = (1_000_000, 3_000_000, 10_000_000, 60_000_000)
"""Times around a crossing from which its direction follows: the first one in which the car moves far enough."""
_FAR_M = 5.0
_METRES_PER_DEGREE = 111_320.0
_LEAST_COS = 1e-6


class _Places(NamedTuple):
    at_us: Integers
    lat: Numbers
    lon: Numbers

    def at(self, at_us: int) -> tuple[float, float]:
        lat, lon = (float(np.interp(at_us, self.at_us, column)) for column in (self.lat, self.lon))
        return lat, lon


def lines(connection: sqlite3.Connection, selection: Selection, axis: TimeAxis) -> list[str]:
    """Lines of [laptiming]; none where no fix shows the place of a crossing."""
    timed = [
        mark for mark in marks_of(connection, selection, axis) if mark.in_timed and mark.what != "waypoint"
    ]
    # The finish of a section is also its last split: one gate per moment.
    marks = list({mark.at_us: mark for mark in timed}.values())[:MAX_GATES]
    places = _places(connection, selection, axis, marks)
    starts, finishes = ([mark for mark in marks if mark.what == what] for what in ("start", "finish"))
    result = []
    for mark in marks:
        word = "Start" if mark in starts[:1] else "Finish" if mark in finishes[-1:] else "Split"
        gate = _gate(places, mark.at_us)
        if gate:
            result.append(f"{word} {gate} ¬ {mark.label}")
    return result


def _places(
    connection: sqlite3.Connection, selection: Selection, axis: TimeAxis, marks: list[Mark]
) -> _Places:
    """The fixes around the marks, in order of time."""
    wanted_us = np.array([mark.at_us for mark in marks], dtype=np.int64)
    parts = [_Places(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))]
    for block in fix_blocks(connection, selection, lambda _done: None) if marks else ():
        at_us = axis.at(block.session, block.t_us, block.utc)
        after = np.searchsorted(wanted_us, at_us - _AROUND_US[-1])
        near = wanted_us[np.minimum(after, len(marks) - 1)]
        keep = (np.abs(at_us - near) <= _AROUND_US[-1]) & np.isfinite(block.lat) & np.isfinite(block.lon)
        parts.append(_Places(at_us[keep], block.lat[keep], block.lon[keep]))
    at_us, lat, lon = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(at_us, kind="stable")
    return _Places(at_us[order], lat[order], np.unwrap(lon[order], period=360.0))


def _gate(places: _Places, at_us: int) -> str:
    """Both ends of a gate; empty if the place or the direction is not known."""
    known_us = places.at_us
    if not len(known_us) or not known_us[0] <= at_us <= known_us[-1]:
        return ""
    lat, lon = places.at(at_us)
    east_m = _METRES_PER_DEGREE * max(np.cos(np.radians(lat)), _LEAST_COS)
    for around_us in _AROUND_US:
        (lat_0, lon_0), (lat_1, lon_1) = places.at(at_us - around_us), places.at(at_us + around_us)
        north, east = (lat_1 - lat_0) * _METRES_PER_DEGREE, (lon_1 - lon_0) * east_m
        moved_m = float(np.hypot(north, east))
        if moved_m >= _FAR_M:
            across = _HALF_WIDTH_M / moved_m
            d_lat, d_lon = -east * across / _METRES_PER_DEGREE, north * across / east_m
            ends = ((lat - d_lat, lon - d_lon), (lat + d_lat, lon + d_lon))
            return " ".join(f"{-60 * _wrapped(lon):+014.8f} {60 * lat:+014.8f}" for lat, lon in ends)
    return ""


def _wrapped(lon: float) -> float:
    return (lon + 180.0) % 360.0 - 180.0
