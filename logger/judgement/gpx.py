"""Read a GPX track of another device as fixes: positions, times, and speed if present.

A track longer than a day is split into sessions at its long pauses. Segments are sorted by time; within a segment the
points keep their order, and of points with equal times the first counts. Points left out are counted.

Reads a stream in bounded memory and rejects document types, because a file is untrusted input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from firmware_bridge.errors import LogError
from firmware_bridge.wgs84 import metres_per_degree
from logger.config.input_files import require_file
from logger.judgement.evidence import FIX_COLUMNS, SEEN_COLUMNS, Floats, RawRows, table

HEAD_BYTES = 4096
CHUNK_BYTES = 1 << 16
MAX_TEXT = 100
"""Longer texts are neither numbers nor times."""
SPEEDS = ("speed",)
"""Elements of any namespace that hold m/s: GPX 1.0 and several vendors' extensions."""
GPS = 1
"""Quality of a fix of which only the position is known."""
T_US, UTC_US = 1, 2
"""Columns of a fix."""
YEARS = range(1980, 2200)
"""GPS time begins in 1980: a date outside this range comes from a clock that was never set."""
STAGE_US = 86_400_000_000
"""A track up to this length is one stage and one session, whatever its pauses."""
PAUSE_US = 3_600_000_000
"""In a track longer than a stage, a longer pause ends the session: the car was switched off."""
LONGEST_US = 15 * 86_400_000_000
"""No rally is longer: a point further than this from the median time has a wrong date."""
SESSION, LAT, LON, SPEED = 0, 3, 4, 6
CHORD_US, LONGEST_CHORD_US, SHORTEST_CHORD_M = 2_000_000, 5_000_000, 20.0
"""Chords of this length show how fast the car was: shorter ones are noise, longer ones cut bends."""
FEWEST_CHORDS = 10
"""Fewer of them are no evidence against a file's speeds."""
SPEED_RATIOS = (2 / 3, 3 / 2)
"""Speed of a file divided by that of its positions. Beyond these it is always 0, or not in m/s (mph 2.2, km/h 3.6)."""
Row = tuple[int | float | None, ...]


def is_gpx(path: Path) -> bool:
    """Whether a file looks like GPX; False if it cannot be read."""
    if not path.is_file():  # opening a pipe would block
        return False
    try:
        require_file(path)
        with path.open("rb") as file:
            return b"<gpx" in file.read(HEAD_BYTES).replace(b"\0", b"")  # UTF-16 too
    except OSError:
        return False


def rows(path: Path) -> tuple[RawRows, tuple[str, ...]]:
    """Read the track points that have a time, split into sessions, and remarks. Raises LogError if there are none."""
    points = _Points(path)
    try:
        track = table(_fixes(points), 1 + FIX_COLUMNS)
    except expat.ExpatError as error:
        raise LogError(
            f"not a complete GPX file: {error}", where=str(path), hint="export the track again"
        ) from error
    fix = _in_order(track)
    if not len(fix):
        raise LogError(
            "no track point with a time in it",
            where=str(path),
            hint="export the driven track with times, not the planned route",
        )
    events = _cut(fix)
    remarks = []
    if (ratio := _disagreement(fix)) is not None:
        fix[:, SPEED] = np.nan
        remarks.append(f"the file's speeds are {ratio:.1f} times those of its positions: not used")
    if points.damage:
        remarks.append(
            f"the file is damaged behind {points.count} track points ({points.damage}): the rest is left out"
        )
    if untimed := points.count - len(track):
        remarks.append(f"{untimed} of {points.count} track points have no time or no position: left out")
    if repeated := len(track) - len(fix):
        what = "have a time that is repeated, runs backwards or is weeks apart"
        remarks.append(f"{repeated} of {points.count} track points {what}: left out")
    return RawRows(fix, table((), SEEN_COLUMNS), events), tuple(remarks)


def _cut(fix: Floats) -> list[tuple[int, int, str, dict[str, Any]]]:
    """Number the sessions, fill in session times, and return the events that begin all but the first."""
    utc_us = fix[:, UTC_US]
    is_longer = utc_us[-1] - utc_us[0] > STAGE_US
    begins = np.flatnonzero(np.diff(utc_us) > PAUSE_US) + 1 if is_longer else np.empty(0, dtype=int)
    fix[:, SESSION] += np.searchsorted(begins, np.arange(len(fix)), side="right")
    fix[:, T_US] = utc_us - utc_us[np.concatenate(([0], begins))][fix[:, SESSION].astype(int) - 1] + 1
    gaps_s = (utc_us[begins] - utc_us[begins - 1]) / 1e6
    return [
        (session, 0, "resumed", {"ok": True, "gap_s": gap_s})
        for session, gap_s in enumerate(gaps_s.tolist(), 2)
    ]


def _disagreement(fix: Floats) -> float | None:
    """Return how many times faster the file's speeds are than its positions; None if they agree, or are too few."""
    later = np.searchsorted(fix[:, UTC_US], fix[:, UTC_US] + CHORD_US)
    a, b = fix[later < len(fix)], fix[later[later < len(fix)]]
    dt_us = b[:, UTC_US] - a[:, UTC_US]
    per_lat, per_lon = metres_per_degree(a[:, LAT])
    chord_m = np.hypot((b[:, LAT] - a[:, LAT]) * per_lat, (b[:, LON] - a[:, LON]) * per_lon)
    driven_m = (a[:, SPEED] + b[:, SPEED]) / 2 * dt_us / 1e6
    counts = (dt_us <= LONGEST_CHORD_US) & (chord_m >= SHORTEST_CHORD_M) & np.isfinite(driven_m)
    ratios = driven_m[counts] / chord_m[counts]
    if len(ratios) < FEWEST_CHORDS:
        return None
    ratio = float(np.median(ratios))
    return None if SPEED_RATIOS[0] <= ratio <= SPEED_RATIOS[1] else ratio


def _in_order(track: Floats) -> Floats:
    """Sort rows by segment and time, keep increasing times, and drop the segment column."""
    if not len(track):
        return track[:, 1:]
    segment, utc_us = track[:, 0].astype(int), track[:, 1 + UTC_US]
    middle_us = np.sort(utc_us)[len(utc_us) // 2]
    track = track[np.abs(utc_us - middle_us) <= LONGEST_US]
    segment, utc_us = track[:, 0].astype(int), track[:, 1 + UTC_US]
    begins_us = np.full(segment.max() + 1, np.inf)
    np.minimum.at(begins_us, segment, utc_us)
    track = track[np.lexsort((utc_us, segment, begins_us[segment]))]
    utc_us = track[:, 1 + UTC_US]
    newer = np.concatenate([[True], utc_us[1:] > np.maximum.accumulate(utc_us)[:-1]])
    return track[newer, 1:]


def _fixes(points: _Points) -> Iterator[Row]:
    for segment, lat, lon, children in points:
        utc_us = _utc_us(children.get("time", ""))
        if utc_us is None or not (abs(lat) <= 90 and math.isfinite(lon)):
            continue
        speed = _number(children.get("speed"))
        if speed is not None and speed < 0:  # a phone's mark of an unknown speed
            speed = None
        yield (
            segment,
            1,
            0,
            utc_us,
            lat,
            lon,
            _number(children.get("ele")),
            speed,
            None,
            GPS,
            None,
            _number(children.get("hdop")),
        )


def _utc_us(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        return None
    if moment.year not in YEARS:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6)


def _number(text: str | None) -> float | None:
    try:
        number = float((text or "").replace(",", "."))  # some programs write a decimal comma
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class _Points:
    """Iterate over the track points of a file: segment, latitude, longitude, short child texts by their names in small
    letters. Counts in `count`; stops at `damage`, such as the end of a file that its device could not close."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0
        self.damage = ""
        self._segment = 0
        self._ready: list[tuple[int, float, float, dict[str, str]]] = []
        self._point: tuple[float, float, dict[str, str]] | None = None
        self._text: list[str] | None = None

    def __iter__(self) -> Iterator[tuple[int, float, float, dict[str, str]]]:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self._parse(parser, chunk)
                ready, self._ready = self._ready, []
                yield from ready
                if self.damage:
                    return
        self._parse(parser, b"")

    def _parse(self, parser: expat.XMLParserType, chunk: bytes) -> None:
        """Parse a piece of the file, the last one if it is empty."""
        try:
            parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            if not self.count:
                raise
            self.damage = str(error)

    def _refuse(self, *_: object) -> None:
        raise LogError(
            "a GPX file with a document type", where=str(self._path), hint="export the track again"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local == "trkseg":
            self._segment += 1
        elif local == "trkpt":
            lat, lon = _number(attributes.get("lat")), _number(attributes.get("lon"))
            self._point = (math.nan if lat is None else lat, math.nan if lon is None else lon, {})
        elif self._point is not None:
            self._text = []

    def _characters(self, text: str) -> None:
        if self._text is not None and len(self._text) < MAX_TEXT:
            self._text.append(text[:MAX_TEXT])

    def _end(self, name: str) -> None:
        local = name.rpartition(":")[2]
        if self._point is None:
            return
        if local == "trkpt":
            self._ready.append((self._segment, *self._point))
            self._point = None
            self.count += 1
        elif self._text is not None:
            self._point[2].setdefault(local.lower(), "".join(self._text))
            self._text = None
