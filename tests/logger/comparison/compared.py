"""Logs of the short stage to compare: fast, slow, at another rate, stopped, broken down, on the next day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from firmware_bridge.records import Fix
from logger.config import configuration as configs
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from tests.logger import drives

STOP_KM, STOP_S = 7.0, 60
DAY_S = 86_400
FAST, SLOW = (drives.plan(seconds, over=False) for seconds in (600, 660))
"""Of the section's 14 km."""
_S_US = 1_000_000


def car(number: int) -> configs.Car:
    """A car, whose driver has its number."""
    return configs.Car(number, "", "Stock", (f"Driver {number}",))


def later(fixes: Sequence[Fix], seconds: float, utc_s: float | None = None) -> list[Fix]:
    """Fixes that arrive later, by default by as much in UTC."""
    more_us, more_utc_us = round(seconds * _S_US), round((seconds if utc_s is None else utc_s) * _S_US)
    return [fix._replace(t_us=fix.t_us + more_us, utc_us=(fix.utc_us or 0) + more_utc_us) for fix in fixes]


def stopped(fixes: list[Fix], at: int, seconds: int) -> list[Fix]:
    """A drive that stands for some seconds at a fix."""
    still = [later([fixes[at]._replace(speed_mps=0.0)], second)[0] for second in range(seconds)]
    return [*fixes[:at], *still, *later(fixes[at:], seconds)]


def review_of(path: Path) -> Report:
    """The review of a log."""
    with open_evidence(path, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


def write_logs(folder: Path) -> Path:
    """Write the logs into a folder, each with the name of what it is."""
    fast, slow = (drives.fixes(plan, hz=1) for plan in (FAST, SLOW))
    drives.write_log(folder / "fast.db", fast, car(81))
    drives.write_log(folder / "slow.db", slow, car(82))
    drives.write_log(folder / "often.db", drives.fixes(FAST, hz=10), car(83))
    places = review_of(folder / "fast.db").places
    at = int(np.flatnonzero((places.run == 0) & (places.metres >= 1000 * STOP_KM))[0])
    drives.write_log(folder / "stopped.db", stopped(fast, at, STOP_S), car(84))
    drives.write_log(folder / "broken.db", fast[:at], car(85))
    drives.write_log(folder / "nextday.db", later(slow, 0, DAY_S), car(82))
    return folder
