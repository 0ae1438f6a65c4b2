"""The three cars of the built-in stage's timed section as logs, at one fix a second: small, and with their times in."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from firmware_bridge.records import Fix
from logger import config as configs
from logger.demo import stages
from tests.logger.review import drives

STAGE = "dakar-2026-11"
TIMED = 1
"""The section, from 0."""


def write_logs(folder: Path) -> list[Path]:
    """A log a car, all cars at once."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        keys = [car.key for car in stages.stage(STAGE).cars]
        return list(pool.map(partial(write_log, folder), keys))


def write_log(folder: Path, key: str) -> Path:
    """One car's log."""
    built_in = stages.stage(STAGE)
    car = built_in.car(key)
    drive = stages.drive(built_in, car, TIMED)
    times_s = np.arange(0, int(drive.end_s))
    seen = drive.sample(times_s)
    columns = (column.tolist() for column in (seen.lat, seen.lon, seen.speed_mps, seen.course_deg))
    fixes = [
        Fix(
            t_s * 1_000_000 + 50_000,
            round((drive.utc_s + t_s) * 1e6),
            lat,
            lon,
            900.0,
            mps,
            course,
            1,
            11,
            0.9,
        )
        for t_s, lat, lon, mps, course in zip(times_s.tolist(), *columns, strict=True)
    ]
    who = configs.Car(car.number, car.name, car.car_class, car.crew)
    return drives.write_log(folder / f"{STAGE}-car-{car.number}-001.db", fixes, who, built_in.itinerary_text)
