"""A season's worth of days into a store, and all of them judged again: by a loop, one worker, two workers.

One day is driven by `simulate` (1 Hz GPS, 20 frames a second); the other cars' logs are that one with another number.
Clusters are up before the clock starts: what is measured is the judging, not Python's imports.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from distributed import Client

from logger.demo import simulate
from logger.fleet import cluster
from logger.fleet.add import Adder
from logger.fleet.catalogue import Entry, entries
from logger.fleet.review import Judge, in_a_loop, review, run_of
from logger.fleet.store import Store

Row = tuple[str, str]
STAGE, CAR, NUMBER = "dakar-2026-11", "baciuska", 501
WANTED_MB_S, WANTED_RATIO, WANTED_OVERHEAD = 5.0, 1.7, 0.10


def fleet(options: argparse.Namespace) -> Iterator[Row]:
    """Megabytes of log a second into a store; seconds to judge them; what a worker holds."""
    with tempfile.TemporaryDirectory() as folder:
        [order] = simulate.orders(STAGE, [CAR], 1, 20, None, Path(folder))
        yield from measure(simulate.simulate_car(order, lambda _done: None), options.logs, Path(folder))


def measure(day: Path, count: int, folder: Path) -> Iterator[Row]:
    """The figures for `count` logs like one of a whole day."""
    logs = [_of_car(day, NUMBER + 100 + number, folder / "logs") for number in range(count)]
    megabytes = sum(log.stat().st_size for log in logs) / 1e6
    store = Store(str(folder / "store"))
    adder = Adder(store)
    seconds = _timed(lambda: [adder.add(log) for log in logs])
    rate = megabytes / seconds
    yield (
        f"add {count} logs of {megabytes / count:.0f} MB",
        f"{rate:.1f} MB/s of log (wanted {WANTED_MB_S:g}), {_size_mb(store) / count:.1f} MB a log in the store",
    )
    found = entries(store)
    loop_s = _judging(store, found, in_a_loop)
    yield "review, plain loop", f"{loop_s:.1f} s, {loop_s / count:.2f} s a log"
    one_s, peaks = _by_workers(store, found, 1)
    yield (
        "review, one worker",
        f"{one_s:.1f} s, {100 * (one_s / loop_s - 1):+.0f} % of the loop (allowed +{100 * WANTED_OVERHEAD:.0f}),"
        f" {peaks[0]:.0f} MB after half of the logs, {peaks[1]:.0f} MB after all",
    )
    two_s, _ = _by_workers(store, found, 2)
    yield "review, two workers", f"{two_s:.1f} s, {one_s / two_s:.2f} times one (wanted {WANTED_RATIO})"


def _by_workers(store: Store, found: list[Entry], count: int) -> tuple[float, list[float]]:
    """Seconds for all logs, and the largest worker's peak after half of them and after all."""
    with (
        cluster.local_cluster(count) as local,
        Client(local) as client,
        cluster.workers(local.scheduler_address, None) as judge,
    ):
        _judging(store, found[:count], judge)  # imports
        peaks, seconds = [], 0.0
        for half in (found[: len(found) // 2], found[len(found) // 2 :]):
            seconds += _judging(store, half, judge)
            peaks.append(max(client.run(_peak_mb).values()))
    return seconds, peaks


def _judging(store: Store, found: list[Entry], judge: Judge) -> float:
    return _timed(lambda: review(run_of(store, None), found, judge, lambda _done: None))


def _timed(work: object) -> float:
    assert callable(work)
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _peak_mb() -> float:
    said = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("VmHWM")) / 1024


def _of_car(day: Path, number: int, folder: Path) -> Path:
    """The same drive as of another car."""
    folder.mkdir(exist_ok=True)
    log = Path(shutil.copy(day, folder / f"{STAGE}-car-{number}-001.db"))
    connection = sqlite3.connect(log)
    with connection:
        for table, column in (("meta", "value"), ("session", "config")):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, 'number = {NUMBER}', 'number = {number}')"
            )
        connection.execute(
            "UPDATE meta SET value = json_set(value, '$.number', ?) WHERE key = 'car'", (number,)
        )
    connection.close()
    return log


def _size_mb(store: Store) -> float:
    return sum(path.stat().st_size for path in Path(store.root).rglob("*") if path.is_file()) / 1e6
