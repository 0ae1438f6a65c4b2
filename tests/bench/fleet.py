"""Add a season of logs to a store and review them in a loop, with one worker and with two.

`simulate` drives one day (1 Hz GPS, 20 frames per second); the other cars' logs are copies with another number.
The clusters start before the measurement, so it contains the review but not Python's imports.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

from logger.demo import simulate
from logger.fleet import cluster
from logger.fleet.add import Adder
from logger.fleet.catalogue import Entry, entries
from logger.fleet.review import Judge, judge_in_loop, review, run_of
from logger.fleet.store import Store
from tests.memory import peak_kb

Row = tuple[str, str]
STAGE, CAR, NUMBER = "dakar-2026-11", "baciuska", 501
ROUND = 10
"""Logs that loop, one worker and two workers review in turn, so that other load affects all three alike."""
GOAL_MB_PER_S, GOAL_RATIO, GOAL_OVERHEAD = 5.0, 1.7, 0.10


def fleet(options: argparse.Namespace) -> Iterator[Row]:
    """Rate of adding logs to a store, time to review them, and a worker's memory."""
    with tempfile.TemporaryDirectory() as folder:
        [order] = simulate.orders(STAGE, [CAR], 1, 20, None, Path(folder))
        yield from measure(simulate.simulate_car(order, lambda _done: None), options.logs, Path(folder))


def measure(day: Path, count: int, folder: Path) -> Iterator[Row]:
    """Figures for `count` copies of a day's log."""
    logs = [_of_car(day, NUMBER + 100 + number, folder / "logs") for number in range(count)]
    megabytes = sum(log.stat().st_size for log in logs) / 1e6
    store = Store(str(folder / "store"))
    adder = Adder(store)
    seconds = _seconds(lambda: [adder.add(log) for log in logs])
    rate = megabytes / seconds
    yield (
        f"add {count} logs of {megabytes / count:.0f} MB",
        f"{rate:.1f} MB/s of log (goal {GOAL_MB_PER_S:g}), {_size_mb(store) / count:.1f} MB per log in the store",
    )
    yield from _reviews(store)


def _reviews(store: Store) -> Iterator[Row]:
    """Review a round of logs in each way in turn, until all are reviewed."""
    logs = entries(store)
    with _cluster(1) as (one, judge_one), _cluster(2) as (two, judge_two):
        for judge, some in ((judge_one, logs[:1]), (judge_two, logs[:2])):
            _review_s(store, some, judge)  # the workers import the modules
        rounds, peaks = [], []
        for first in range(0, len(logs), ROUND):
            round_logs = logs[first : first + ROUND]
            rounds.append(
                [_review_s(store, round_logs, judge) for judge in (judge_in_loop, judge_one, judge_two)]
            )
            peaks.append(max([*one.run(peak_kb).values(), *two.run(peak_kb).values()]) / 1024)
    loop_s, one_s, two_s = (sum(column) for column in zip(*rounds, strict=True))
    overhead = statistics.median(one / loop - 1 for loop, one, _ in rounds)
    ratio = statistics.median(one / two for _, one, two in rounds)
    yield "review, plain loop", f"{loop_s:.1f} s, {loop_s / len(logs):.2f} s per log"
    yield (
        "review, one worker",
        f"{one_s:.1f} s, {100 * overhead:+.0f} % against the loop (goal +{100 * GOAL_OVERHEAD:.0f} %),"
        f" median of {len(rounds)} rounds of {ROUND} logs",
    )
    yield (
        "review, two workers",
        f"{two_s:.1f} s, {ratio:.2f} times the speed of one (goal {GOAL_RATIO}), median of the same rounds",
    )
    half = peaks[(len(peaks) - 1) // 2]
    yield (
        "peak memory of a worker",
        f"{peaks[0]:.0f} MB after {ROUND} logs, {half:.0f} after half, {peaks[-1]:.0f} after all",
    )


@contextmanager
def _cluster(count: int) -> Iterator[tuple[Client, Judge]]:
    with (
        cluster.local_cluster(count) as local,
        Client(local) as client,
        cluster.workers(local.scheduler_address, None) as judge,
    ):
        yield client, judge


def _review_s(store: Store, logs: list[Entry], judge: Judge) -> float:
    return _seconds(lambda: review(run_of(store, None), logs, judge, lambda _done: None))


def _seconds(work: object) -> float:
    assert callable(work)
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _of_car(day: Path, number: int, folder: Path) -> Path:
    """Copy the log as another car's."""
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
