"""CPU time of exports, compared with cantools, `sqlite3 -csv` and gpxpy.

The log is synthetic: fixes at 10 Hz, 13 channels at 10 Hz, and 333 frames per second of four messages, three of them
the virtual car's engine messages. Times are CPU time of the whole process, because the machine may be shared.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cantools.database
import numpy as np

import firmware_bridge.virtual
from firmware_bridge.records import CanFrame, Channel, Fix, Reading
from logger.export import formats
from logger.export.signals import BulkDecoder
from logger.logfile.blocks import FrameBlock, frame_blocks
from logger.logfile.rows import ClockRow, Rows
from logger.logfile.selection import select
from logger.logfile.store import Log, SessionStart

Row = tuple[str, str]
DBC = Path(firmware_bridge.virtual.__file__).with_name("demo_engine.dbc")
MORE_CHANNELS = """
BO_ 600 MORE: 8 ECU
 SG_ b0 : 7|12@0- (0.1,0) [0|0] "" X
 SG_ b1 : 11|12@0+ (0.5,-3) [0|0] "" X
 SG_ b2 : 31|8@0+ (1,0) [0|0] "" X
 SG_ b3 : 32|10@1- (0.01,0) [0|0] "" X
 SG_ b4 : 42|14@1+ (1,0) [0|0] "" X
 SG_ b5 : 56|4@1+ (2,1) [0|0] "" X
 SG_ b6 : 60|4@1+ (1,0) [0|0] "" X
"""
"""Seven channels; with the virtual car's 13 there are 20."""
IDS = ((256, 8), (272, 4), (288, 6), (600, 8))
BEGIN_US = 1_768_458_155_000_000


def exports(options: argparse.Namespace) -> Iterator[Row]:
    """Export a log of `--hours` in every format."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "bench.db"
        make(log, options.hours)
        yield "the log", f"{options.hours:g} h, {log.stat().st_size / 1e6:.0f} MB, numpy {np.__version__}"
        for measure in (csv, gpx, signals, others):
            yield from measure(log, options.runs)


def make(path: Path, hours: float) -> None:
    """Write the log of a drive."""
    log = Log(path, durable=False)
    meta = {
        "format": "1",
        "software": "bench",
        "buses": "{}",
        "ports": "[]",
        "dbc:demo.dbc": DBC.read_text() + MORE_CHANNELS,
    }
    log.begin_session(SessionStart("boot", "", "bench", ""), meta)
    rng = random.Random(4)
    channels = [Channel(f"channel_{number}", "unit", "bench") for number in range(13)]
    for second in range(int(hours * 3600)):
        rows = Rows()
        begin_us = second * 1_000_000
        for t_us in range(begin_us, begin_us + 1_000_000, 100_000):
            place = (20 + t_us * 1e-11 + rng.random() * 1e-7, 42.6 + t_us * 1.3e-11, 1100 + rng.random())
            rows.fix.append(
                Fix(t_us + 5000, BEGIN_US + t_us, *place, 27.5 + rng.random(), rng.random() * 360, 1, 12, 0.8)
            )
            rows.reading.extend(Reading(t_us, channel, rng.randrange(4000) * 0.25) for channel in channels)
        for number in range(333):
            can_id, length = IDS[number % len(IDS)]
            rows.frame.append(CanFrame(begin_us + number * 3000, 0, can_id, rng.randbytes(length)))
        if second % 60 == 0:
            rows.clock.append(ClockRow(begin_us, BEGIN_US + begin_us + second, 150_000, "gps"))
        log.write(rows)
    log.close()


def processor_s() -> float:
    """CPU time of this process and of the children it waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def cost_s(runs: int, work: Callable[[], object]) -> float:
    """CPU time in seconds, the median of `runs`."""
    taken = []
    for _ in range(runs):
        began = processor_s()
        work()
        taken.append(processor_s() - began)
    return statistics.median(taken)


def signals(log: Path, runs: int) -> Iterator[Row]:
    """Decode 20 channels from arrays of frames to arrays of values, compared with cantools, frame by frame."""
    text = DBC.read_text() + MORE_CHANNELS
    connection = sqlite3.connect(log)
    blocks = list(frame_blocks(connection, select(connection), lambda _done: None))
    connection.close()
    count = sum(len(block.t_us) for block in blocks)
    decoder = BulkDecoder({"demo.dbc": text})

    def in_bulk() -> None:
        for block in blocks:
            list(decoder.decode(block))

    database: Any = cantools.database.load_string(text, "dbc")
    frames = [frame for block in blocks[: max(1, len(blocks) // 10)] for frame in frames_of(block)]

    def one_by_one() -> None:
        for can_id, data in frames:
            database.decode_message(can_id, data, decode_choices=False)

    ours, theirs = cost_s(runs, in_bulk) / count, cost_s(runs, one_by_one) / len(frames)
    yield (
        "decode, 20 channels",
        f"{1e-6 / ours:.1f} M frames/s, {theirs / ours:.0f} x cantools ({theirs * 1e6:.1f} us)",
    )


def frames_of(block: FrameBlock) -> Iterator[tuple[int, bytes]]:
    data = block.data.tobytes()
    ends = block.start + block.length
    for can_id, start, end in zip(block.can_id.tolist(), block.start.tolist(), ends.tolist(), strict=True):
        yield can_id, data[start:end]


def export(log: Path, name: str, content: formats.Content | None = None) -> None:
    """Export a log to a temporary file."""
    connection = sqlite3.connect(log)
    with tempfile.TemporaryFile() as stream:
        formats.write(connection, select(connection), name, stream, content=content)
    connection.close()


def shell(log: Path, *tables: str) -> None:
    """Print the same rows with the SQLite shell."""
    program = shutil.which("sqlite3") or "sqlite3"
    for table in tables:
        subprocess.run(
            [program, "-csv", str(log), f"SELECT * FROM {table}"], stdout=subprocess.DEVNULL, check=True
        )


def csv(log: Path, runs: int) -> Iterator[Row]:
    """CSV compared with the shell on the same tables: fix and reading, or frame."""
    ours, theirs = (
        cost_s(runs, partial(export, log, "csv")),
        cost_s(runs, partial(shell, log, "fix", "reading")),
    )
    alone = cost_s(runs, partial(shell, log, "fix"))
    yield (
        "csv, fixes with the engine",
        f"{ours:.2f} s, {theirs / ours:.1f} x sqlite3 -csv of both tables ({theirs:.2f} s; of fix {alone:.2f} s)",
    )
    ours, theirs = (
        cost_s(runs, partial(export, log, "csv", "frames")),
        cost_s(runs, partial(shell, log, "frame")),
    )
    yield "csv, frames", f"{ours:.2f} s, {theirs / ours:.1f} x sqlite3 -csv ({theirs:.2f} s)"


def gpx(log: Path, runs: int) -> Iterator[Row]:
    """GPX compared with gpxpy, which gets the rows as tuples, and with the shell's CSV of the table."""
    from datetime import UTC, datetime

    import gpxpy.gpx

    def by_gpxpy() -> None:
        connection = sqlite3.connect(log)
        document = gpxpy.gpx.GPX()
        document.tracks.append(gpxpy.gpx.GPXTrack())
        segment = gpxpy.gpx.GPXTrackSegment()
        document.tracks[0].segments.append(segment)
        for lat, lon, alt_m, utc_us, satellites, hdop in connection.execute(
            "SELECT lat, lon, alt_m, utc_us, satellites, hdop FROM fix"
        ):
            at = datetime.fromtimestamp(utc_us / 1e6, UTC)
            point = gpxpy.gpx.GPXTrackPoint(lat, lon, alt_m, at, horizontal_dilution=hdop)
            point.satellites = satellites
            segment.points.append(point)
        document.to_xml()
        connection.close()

    ours, theirs = cost_s(runs, partial(export, log, "gpx")), cost_s(1, by_gpxpy)
    alone = cost_s(runs, partial(shell, log, "fix"))
    yield (
        "gpx",
        f"{ours:.2f} s, {theirs / ours:.1f} x gpxpy ({theirs:.2f} s), {alone / ours:.1f} x sqlite3 -csv of fix",
    )


def others(log: Path, _runs: int) -> Iterator[Row]:
    """The other formats, once each."""
    work: tuple[tuple[str, formats.Content], ...] = (
        ("motec", "fixes"),
        ("motec", "signals"),
        ("vbo", "fixes"),
        ("kml", "fixes"),
        ("candump", "frames"),
        ("asc", "frames"),
        ("blf", "frames"),
        ("csv", "signals"),
        ("parquet", "frames"),
        ("mf4", "frames"),
    )
    for name, content in work:
        yield f"{name}, {content}", f"{cost_s(1, partial(export, log, name, content)):.2f} s"
    yield (
        "peak memory",
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, the benchmark included",
    )
