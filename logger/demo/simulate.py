"""Simulate the logs of a whole stage faster than real time, through the recorder's own pipeline.

One process per car; each writes its own log and reports its progress.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, MutableSequence, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.errors import LogError
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols import protocol
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.simulation import simulate_bytes
from logger.boundary import own_process
from logger.boundary.os_errors import named
from logger.boundary.whole_file import remove_unfinished
from logger.config import configuration as configs
from logger.config.sources import Can, Gps
from logger.demo import stages
from logger.demo.stages import BuiltInStage, CarPlan
from logger.logfile import naming
from logger.logfile.bulk_log import BulkLog
from logger.logfile.directory_lock import require_free
from logger.logfile.store import SessionStart
from logger.recorder import setup, stage_files
from logger.recorder.pipeline import Pipeline
from logger.recorder.restart_state import Origin, state_text
from logger.recorder.sources import Source
from logger.version import SOFTWARE

DBC_NAME = "demo_engine.dbc"
MAX_AT_ONCE = max(4, os.cpu_count() or 1)
"""Parallel processes, of some 200 MB each. More than cores, so that the built-in stage's three cars end together."""
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where Linux keeps what processes share; only for an error
_TAKE_EVERY_US = 5_000_000
"""Drive time between writes of rows to the log."""


@dataclass(frozen=True, slots=True)
class Order:
    """One car's log to simulate. `stage` is a built-in stage's name or the path of an itinerary."""

    stage: str
    car: str
    gps_hz: int
    can_rate: int
    section: int | None
    folder: Path


def orders(
    stage: str, cars: Sequence[str], gps_hz: int, can_rate: int, section: int | None, folder: Path
) -> list[Order]:
    """Return an order for each named car, or for every car of the stage. Raises ConfigurationError."""
    built_in = stages.find(stage)
    plans = [built_in.car(key) for key in cars] if cars else list(built_in.cars)
    return [Order(stage, car.key, gps_hz, can_rate, section, folder) for car in plans]


@own_process.safe_path()
def simulate(work: Sequence[Order], progress: Callable[[float], None]) -> list[Path]:
    """Simulate the logs of all orders, one process each. Raises StagelogError."""
    for folder in {order.folder for order in work}:
        require_free(folder, "choose another folder with -o")
    with named(_SHARED_MEMORY):
        shares = multiprocessing.Array("d", len(work), lock=False)
        is_over = multiprocessing.Event()
    # Three cars on two cores: in parallel they end together; a third one at the end would leave a core idle.
    with ProcessPoolExecutor(
        max_workers=min(len(work), MAX_AT_ONCE), initializer=_share, initargs=(shares, is_over)
    ) as pool:
        results = [pool.submit(_simulate_numbered, number, order) for number, order in enumerate(work)]
        try:
            while not all(result.done() for result in results):
                progress(sum(shares) / len(work))
                time.sleep(0.1)
            return [result.result() for result in results]
        except BrokenProcessPool as error:
            hint = "free some memory, or make fewer cars' logs at once with --car"
            raise LogError("a car's process was killed", where=str(work[0].folder), hint=hint) from error
        finally:
            is_over.set()  # otherwise the pool waits for the other logs
            # Wait for the pool's thread: when Python exits, it writes to the pipe that this thread closes.
            pool.shutdown(cancel_futures=True)


def log_path(order: Order) -> Path:
    """Return the path of an order's log."""
    built_in = stages.find(order.stage)
    key = stage_files.stage_key(built_in.itinerary)
    name = naming.stem(key, built_in.car(order.car).number)
    return order.folder / f"{name}-001.db"


def simulate_car(order: Order, progress: Callable[[float], None]) -> Path:
    """Drive one car and record it; return the path of the log."""
    built_in = stages.find(order.stage)
    car = built_in.car(order.car)
    drive = stages.drive(built_in, car, order.section)
    path = log_path(order)
    record_drive(
        path, built_in, car, drive, order.gps_hz, order.can_rate, drive.end_s, progress, replaces=True
    )
    progress(1.0)
    return path


def record_drive(
    path: Path,
    built_in: BuiltInStage,
    car: CarPlan,
    drive: Drive,
    gps_hz: int,
    can_rate: int,
    until_s: float,
    progress: Callable[[float], None],
    *,
    replaces: bool = False,
) -> None:
    """Write the log of a drive from its beginning to `until_s`, as the recorder would.

    With `replaces`, an existing log stays until the new one is complete.
    """
    config = configs.Config(
        car=configs.Car(car.number, car.name, car.car_class, car.crew),
        gps=Gps("virtual"),
        can=(Can("engine", "virtual", "slcan", dbc=(Path(DBC_NAME),)),),
    )
    stage = stage_files.stage_of(built_in.itinerary_text, built_in.name)
    dbc_texts = {DBC_NAME: built_in.dbc_text}
    pipeline = Pipeline(
        [
            Source("gps", protocol("nmea").decoder(0), FixBuilder()),
            Source("engine", protocol("slcan").decoder(0)),
        ],
        EngineReadings(setup.engine_decoders(dbc_texts, [])),
        stage.live(car.car_class),
    )
    start = SessionStart(
        boot_id="simulated",
        started_utc=datetime.fromtimestamp(drive.utc_s, UTC).isoformat(timespec="seconds"),
        software=SOFTWARE,
        config=configs.for_log(config),
    )
    with BulkLog(path, replaces=replaces) as log:
        log.begin_session(start, setup.describe(config, stage, dbc_texts) | {"simulated": built_in.name})
        pipeline.event(0, "session_begin", {"log": path.name})
        t_us = take_at_us = 0
        for port, t_us, data in simulate_bytes(drive, gps_hz=gps_hz, can_rate=can_rate, t1_s=until_s):
            pipeline.feed(port, t_us, data)
            if t_us >= take_at_us:
                log.put(pipeline.take())
                take_at_us = t_us + _TAKE_EVERY_US
                progress(t_us / 1e6 / until_s)
        pipeline.finish(t_us)
        pipeline.event(t_us, "session_end", {"reason": "stopped"})
        rows = pipeline.take()
        rows.state = state_text(pipeline, Origin("simulated", 0), t_us)
        log.put(rows)


_shares: MutableSequence[float]
_is_over: Event


def _share(shares: MutableSequence[float], is_over: Event) -> None:
    global _shares, _is_over
    _shares, _is_over = shares, is_over
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the parent handles Ctrl-C and ends this process by `is_over`
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # rows have no reference cycles, and collection would take 5 % of the time


def _end_with_parent() -> None:
    """End this process with its parent: a pool's process otherwise waits for orders after the parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        remove_unfinished()
        os._exit(1)


def _simulate_numbered(number: int, order: Order) -> Path:
    def progress(done: float) -> None:
        _shares[number] = done
        if _is_over.is_set():
            sys.exit()  # the log is not needed any more; exiting removes its part file

    return simulate_car(order, progress)
