"""Time, CPU and memory of `review` for a log and for half of it, each in its own process.

Ten hours (`--hours 10`) are fixes at 10 Hz, 12 million frames and 4.7 million readings; the goals are for this size.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from firmware_bridge.records import Fix
from logger.config import configuration as configs
from logger.demo import stages
from logger.judgement.evidence import FIX_COLUMNS, SEEN_COLUMNS, Event, RawRows, Seen, assemble, table
from logger.judgement.recompute import recompute
from logger.logfile.bulk_log import BulkLog
from logger.logfile.rows import EventRow, ProgressRow, Rows
from logger.logfile.store import Log, SessionStart
from logger.recorder import setup, stage_files

Row = tuple[str, str]
FIX_HZ = 10
FRAMES_PER_S = 333
CHANNELS = 13
GOAL_S, GOAL_MB = 8.0, 300.0
REVIEW = """
from logger.review.verbs import review
review(standalone_mode=False)
import pathlib, sys
status = pathlib.Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), file=sys.stderr)
"""
"""Runs the verb and prints its peak memory in kB. (The figure for a finished child includes its parent's memory.)"""


def reviews(options: argparse.Namespace) -> Iterator[Row]:
    """Time, CPU and memory of `review` with a table, JSON and a page as output."""
    with tempfile.TemporaryDirectory() as folder:
        for hours in (options.hours / 2, options.hours):
            log = Path(folder) / f"{hours:g}h.db"
            live_s = make_log(log, hours)
            size_mb = log.stat().st_size / 1e6
            yield f"{hours:g} h, {size_mb:.0f} MB", f"all fixes through LiveStage: {live_s:.1f} s"
            page = Path(folder) / "page.html"
            for name, more in (("table", []), ("json", ["--json"]), ("page", ["--html", str(page)])):
                seconds, cpu_s, megabytes = measure([str(log), *more])
                yield (
                    f"{hours:g} h review, {name}",
                    f"{seconds:.2f} s (goal {GOAL_S:g}), {cpu_s:.2f} s CPU,"
                    f" {megabytes:.0f} MB (goal {GOAL_MB:g})",
                )


def make_log(path: Path, hours: float) -> float:
    """Write a log of the built-in stage. Returns the time of the live computation for its fixes, in seconds."""
    built_in = stages.stage("dakar-2026-11")
    car = built_in.car("price")
    drive = stages.drive(built_in, car)
    times_s = np.arange(0, min(hours * 3600, drive.end_s), 1 / FIX_HZ)
    samples = drive.sample(times_s)
    fixes = [
        Fix(
            round(t * 1e6) + 50_000, round((drive.utc_s + t) * 1e6), lat, lon, 1000.0, mps, course, 1, 12, 0.8
        )
        for t, lat, lon, mps, course in zip(
            *(
                column.tolist()
                for column in (times_s, samples.lat, samples.lon, samples.speed_mps, samples.course_deg)
            ),
            strict=True,
        )
    ]
    stage = stage_files.stage_of(built_in.itinerary_text, built_in.name)
    config = configs.Config(car=configs.Car(car.number, car.name, car.car_class, car.crew))
    meta = setup.describe(config, stage, {})
    raw = RawRows(table(((1, *fix[:10]) for fix in fixes), FIX_COLUMNS), table((), SEEN_COLUMNS), [])
    began = time.monotonic()
    recomputation = recompute(assemble(path.name, meta, stage, raw), stage, lambda _share: None)
    took_s = time.monotonic() - began
    with BulkLog(path) as log:
        log.begin_session(SessionStart("bench", "", "bench", ""), meta)
        log.put(
            Rows(
                fix=fixes,
                progress=list(_progress(recomputation.seen)),
                event=_events(recomputation.events, times_s[-1]),
            )
        )
    _fill(path, float(times_s[-1]))
    return took_s


def _progress(samples: Seen) -> Iterator[ProgressRow]:
    known = [[None if value != value else value for value in column.tolist()] for column in samples[3:]]  # noqa: PLR0124
    for t_us, section, *rest in zip(samples.t_us.tolist(), *known, strict=True):
        yield ProgressRow(round(t_us), None if section is None else round(section), *rest)


def _events(events: Iterable[Event], end_s: float) -> list[EventRow]:
    rows = [EventRow(event.t_us, event.kind, event.detail) for event in events]
    return [*rows, EventRow(round(end_s * 1e6), "session_end", {"reason": "stopped"})]


def _fill(path: Path, seconds: float) -> None:
    """Add frames and readings, generated in SQL."""
    log = Log(path, durable=False)
    run = log._connection.execute
    count = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
    frames, readings = int(seconds * FRAMES_PER_S), int(seconds * FIX_HZ) * CHANNELS
    run("BEGIN")
    run(
        f"{count} INSERT INTO frame SELECT 1, i * {1_000_000 // FRAMES_PER_S}, 0, 256 + i % 20,"
        " x'0011223344556677' FROM n",
        (frames,),
    )
    for number in range(CHANNELS):
        run("INSERT INTO channel VALUES (?, ?, '1/min', 'bench')", (number + 1, f"channel_{number}"))
    run(
        f"{count} INSERT INTO reading SELECT 1, i / {CHANNELS} * {1_000_000 // FIX_HZ}, 1 + i % {CHANNELS},"
        " 800 + (i * 7919) % 6000 FROM n",
        (readings,),
    )
    run("COMMIT")
    log.close()


def measure(arguments: list[str]) -> tuple[float, float, float]:
    """Wall time in s, CPU time in s and peak memory in MB of a review process."""
    began = time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", REVIEW, *arguments], check=True, capture_output=True, text=True
    )
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = usage.ru_utime + usage.ru_stime - used.ru_utime - used.ru_stime
    return time.monotonic() - began, cpu_s, int(done.stderr.split()[-1]) / 1024
