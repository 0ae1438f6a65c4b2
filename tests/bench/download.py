"""Downloads: longest commit of the recorder during a copy, memory and rate for a gigabyte."""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.record_columns import FrameColumns
from firmware_bridge.records import CanFrame
from logger.logfile.rows import Rows
from logger.logfile.store import Log
from logger.transfer import copying
from tests.bench.recorder import folder
from tests.logger.crew.serving import serving
from tests.logger.logfile.rows_made import META, START
from tests.logger.transfer.logs_made import large, large_rows
from tests.memory import peak_kb

Row = tuple[str, str]
RATE = 9_000
"""Frame rate of a full 1 Mbit/s bus, per second."""
COMMIT_S = 0.25
GOAL_STALL_MS = 50
COPIER = """
import os, sys, time
from pathlib import Path
from logger.transfer import copying
from logger.transfer.snapshot import snapshot
log, to, max_wal = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
copying.MAX_WAL_BYTES = max_wal
os.nice(19)  # as the server does
while True:
    began = time.monotonic()
    taken = snapshot(log, to)
    print(f"{taken.size} {time.monotonic() - began:.2f}", flush=True)
"""


def downloads(options: argparse.Namespace) -> Iterator[Row]:
    """Copy a log of `--megabytes` while it is written, then fetch it."""
    yield from stalls(options.megabytes, options.minutes * 60)
    yield from gigabyte(options.megabytes)


class Stalls:
    """A durable writer like the recorder's: `rate` frames per second, a commit every 0.25 s."""

    def __init__(self, log: Log, rate: int) -> None:
        self._log, self._rate = log, rate
        self._wal = log.path.with_name(log.path.name + "-wal")
        self._written = 0

    def measure(self, seconds: float) -> tuple[list[float], int]:
        """Sorted commit times in ms, and the maximum size of the write-ahead log in bytes."""
        taken_ms, longest, began = list[float](), 0, time.monotonic()
        first = self._written
        while (now_s := time.monotonic() - began) < seconds:
            due = first + int(now_s * self._rate)
            frames = [
                CanFrame(10**6 + 1000 * n, 0, 0x123, n.to_bytes(8, "big")) for n in range(self._written, due)
            ]
            self._written = due
            at = time.monotonic()
            self._log.write(Rows(frame=FrameColumns.of(frames)))
            self._log.commit()
            taken_ms.append((time.monotonic() - at) * 1000)
            longest = max(longest, self._wal.stat().st_size)
            time.sleep(COMMIT_S)
        return sorted(taken_ms), longest


@contextmanager
def copier(log: Path, to: Path, max_wal: int) -> Iterator[subprocess.Popen[str]]:
    """Another process that takes snapshots one after another."""
    process = subprocess.Popen(
        [sys.executable, "-c", COPIER, str(log), str(to), str(max_wal)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def stalls(megabytes: int, seconds: float) -> Iterator[Row]:
    """Commit times of the writer alone, and with each way of copying."""
    with folder() as place:
        path = large(place / "log.db", megabytes)
        log = Log(path)
        log.begin_session(START, META)
        writer = Stalls(log, RATE)
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        yield (
            "the log",
            f"{path.stat().st_size / 1e6:.0f} MB, {RATE:,} frames/s, {seconds:.0f} s each, {load}",
        )
        writer.measure(3)
        yield "the writer alone", _summary(*writer.measure(seconds))
        for way, max_wal in (("copied as pages", copying.MAX_WAL_BYTES), ("copied as rows", 0)):
            with copier(path, place / "copy", max_wal) as process:
                time.sleep(1)
                measured = writer.measure(seconds)
                process.kill()
                assert process.stdout is not None
                copies = [line.split() for line in process.stdout]
            yield f"while the log is {way}", _summary(*measured)
            if copies:
                took_s = statistics.median(float(took) for _, took in copies)
                rate = int(copies[0][0]) / 1e6 / took_s
                yield (
                    f"the copies as {way.split()[-1]}",
                    f"{len(copies)}, {took_s:.1f} s and {rate:.0f} MB/s each",
                )
        log.close()


def _summary(taken_ms: list[float], longest: int) -> str:
    median, late = statistics.median(taken_ms), sum(ms > GOAL_STALL_MS for ms in taken_ms)
    return (
        f"commit median {median:.1f} ms, max {taken_ms[-1]:.0f} ms ({late} of {len(taken_ms)} over"
        f" {GOAL_STALL_MS} ms), write-ahead log max {longest / 1e6:.1f} MB"
    )


def gigabyte(megabytes: int) -> Iterator[Row]:
    """Memory and rate of the real server when a log is fetched during recording."""
    with folder() as place:
        path = large(place / "logs" / "log.db", megabytes)
        log = Log(path)
        log.begin_session(START, META)
        log.write(large_rows(10, 10**9))
        log.commit()
        with serving(place, place / "live.sock") as server:
            server.ask("/api/logs")
            before_mb = peak_kb(server.process.pid) / 1024
            for what in ("first byte after the copy", "again, from the kept copy"):
                yield what, _fetch(server.port)
            used_mb = peak_kb(server.process.pid) / 1024 - before_mb
        yield "the server", f"{before_mb:.0f} MB at rest, max {used_mb:.1f} MB more"
        log.close()


def _fetch(port: int) -> str:
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    began, hasher, size = time.monotonic(), hashlib.sha256(), 0
    connection.request("GET", "/api/logs/log.db")
    answer = connection.getresponse()
    first_s = time.monotonic() - began
    while block := answer.read(1 << 20):
        hasher.update(block)
        size += len(block)
    assert answer.headers["etag"] == f'"{hasher.hexdigest()}"'
    seconds = time.monotonic() - began - first_s
    connection.close()
    return f"{first_s:.1f} s, then {size / 1e6:.0f} MB at {size / 1e6 / seconds:.0f} MB/s"
