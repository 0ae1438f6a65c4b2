"""Build a small log with every kind of row that an export handles."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from firmware_bridge.record_columns import FrameColumns
from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    FD_FLAG,
    RTR_FLAG,
    CanFrame,
    Channel,
    Fix,
    Reading,
)
from logger.export import formats
from logger.export.formats import Content
from logger.logfile.border import open_log_readonly
from logger.logfile.rows import ClockRow, EventRow, ProgressRow, Rows
from logger.logfile.selection import Selection, select
from logger.logfile.store import Log, SessionStart

BEGIN_US = 1_768_461_600_000_000
"""15 January 2026, 07:20:00 UTC: session 1's time 0 by its first clock row."""
SECOND_BEGIN_US = BEGIN_US + 3_600_000_000
SECONDS = 200
RPM, ODD = Channel("rpm", "1/min", "a.dbc:M"), Channel('oil, "hot"', "°C", "a.dbc:N")
DBC = """
BO_ 256 M: 8 X
 SG_ rpm : 0|16@1+ (0.25,0) [0|8000] "1/min" X
 SG_ temperature : 16|8@1- (1,-40) [0|0] "degC" X
"""
ITINERARY = """
[stage]
name = "A < B & C"
event = "Test"
number = 1
date = 2026-01-15
[[section]]
kind = "liaison"
length_km = 10.0
  [[section.waypoint]]
  km = 1.0
  kind = "tc"
  name = "Start <&>"
  lat = 20.5
  lon = 180.0
  [[section.waypoint]]
  km = 5.0
  kind = "wpm"
"""
META = {
    "format": "1",
    "software": "stagelog test",
    "buses": '{"0": "engine"}',
    "ports": "[]",
    "car": '{"number": 7}',
    "stage": "Test 1 A < B & C",
    "dbc:a.dbc": DBC,
    "itinerary": ITINERARY,
}


def frames() -> list[CanFrame]:
    """Frames of each kind and length, on two buses, with microsecond times."""
    rng = random.Random(7)
    can_frames: list[CanFrame] = []
    kinds = (
        (0, range(9)),
        (EFF_FLAG, range(9)),
        (RTR_FLAG, range(9)),
        (RTR_FLAG | EFF_FLAG, range(9)),
        (ERR_FLAG | EFF_FLAG, (8,)),
        *((flags | FD_FLAG, (1, 8, 12, 48, 64)) for flags in (0, BRS_FLAG, EFF_FLAG | ESI_FLAG | BRS_FLAG)),
    )
    for flags, lengths in kinds:
        for length in lengths:
            number = rng.getrandbits(29) if flags & EFF_FLAG else rng.getrandbits(11)
            data = bytes(length) if flags & RTR_FLAG else rng.randbytes(length)
            t_us = 1_000_001 + 1_234_567 * len(can_frames)
            can_frames.append(CanFrame(t_us, rng.choice((0, 1, 16)), number | flags, data))
    return can_frames


def session(*, timed: bool = True) -> Rows:
    """A drive of 200 s: fixes at 1 Hz with two gaps, readings, progress, frames, one clock correction."""
    rows = Rows(frame=FrameColumns.of(frames()))
    for second in range(SECONDS):
        t_us = second * 1_000_000 + 250_000
        seen = second >= 3 and not 100 <= second < 120
        # The clock's first row is 20 ms off until the second one.
        utc_us = BEGIN_US + second * 1_000_000 if timed and seen else None
        place = (20.0 + second * 1e-4, -179.99 - second * 1e-5, 900.0 + second / 8)
        fix = Fix(t_us, utc_us, *place, speed_mps=33.25, course_deg=359.5, quality=1, satellites=9, hdop=0.9)
        fix = fix._replace(accuracy_m=1.25, speed_accuracy_mps=0.1)
        rows.fix.append(fix if seen else Fix(t_us, None, None, None, None, None, None, 0, 0, None))
        if second % 2:
            rows.reading.append(Reading(t_us - 100_000, RPM, 800.25 + second))
        if second < 50:
            rows.reading.append(Reading(t_us - 100_000, ODD, -second * 1.5e-7))
        started = 20 <= second < 150
        section = 0 if second < 150 else 1
        rows.progress.append(
            ProgressRow(
                second * 1_000_000,
                section,
                33.25 * second,
                second - 20.5 if started or section else None,
                None,
                120.0,
                33.25,
            )
        )
    if timed:
        rows.clock += [
            ClockRow(3_250_000, BEGIN_US + 3_250_000, 150_000, "gps"),
            ClockRow(63_250_000, BEGIN_US + 63_270_000, 150_000, "gps"),
        ]
    rows.event.append(EventRow(19_600_000, "section", {"state": "started", "index": 0}))
    rows.event.append(EventRow(149_300_000, "section", {"state": "finished", "index": 0}))
    return rows


def make(path: Path, *, timed: bool = True) -> Path:
    """Write a log with two sessions; the second one has no UTC."""
    log = Log(path, durable=False)
    start = SessionStart("boot", "1970-01-01T00:00:12+00:00", "stagelog test", "")
    for number in (1, 2):
        log.begin_session(start, META)
        log.write(session(timed=timed and number == 1))
    log.close()
    return path


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with open_log_readonly(path) as connection:
        yield connection


def exported(
    path: Path,
    name: str,
    content: Content | None = None,
    *,
    only: Selection | None = None,
    section: int | None = None,
) -> bytes:
    """Export a log in a format."""
    stream = BytesIO()
    with opened(path) as connection:
        formats.write(connection, only or select(connection, section=section), name, stream, content=content)
    return stream.getvalue()
