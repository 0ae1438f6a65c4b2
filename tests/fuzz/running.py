"""Run one fuzz target: count inputs, measure memory growth, and keep inputs that crash or hang it."""

from __future__ import annotations

import hashlib
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tests.fuzz import logs, surface, texts, wires
from tests.fuzz.mutation import inputs
from tests.memory import resident_kb

TARGETS = {**wires.TARGETS, **texts.TARGETS, **surface.TARGETS, **logs.TARGETS}
HANG_S = 10
"""CPU time: no input of at most 64 kB may take this long. Independent of the machine's load."""
MAY_GROW_KB = 40_000
"""Allowed growth after the warm-up, when everything is imported and caches are full."""
_WARM_UP = 2000


class Run(NamedTuple):
    """Result of a run. `failures` has one traceback per failing place in the code."""

    inputs: int
    seconds: float
    grown_kb: int
    failures: dict[str, str]


class HangError(Exception):
    """An input took too long."""


@contextmanager
def hang_is_an_error() -> Iterator[None]:
    """Raise HangError if the body uses more than HANG_S of CPU time. Works in the main thread only."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"longer than {HANG_S} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(name: str, *, most: int, seconds: float, seed: int, keep: Path | None = None) -> Run:
    """Run at most `most` inputs and `seconds`. The first input of each failure is kept in the folder `keep`."""
    make_seeds, make_check = TARGETS[name]
    check, began, count, warm_kb = make_check(), time.monotonic(), 0, 0
    failures: dict[str, str] = {}
    for data in inputs(make_seeds(), seed):
        try:
            with hang_is_an_error():
                check(data)
        except Exception as error:  # noqa: BLE001 - every exception is a finding
            where = f"{type(error).__name__} at {traceback.extract_tb(error.__traceback__)[-1]}"
            if where not in failures:
                failures[where] = traceback.format_exc()
                _keep(keep, name, data)
        count += 1
        if count == _WARM_UP:
            warm_kb = resident_kb()
        if count >= most or time.monotonic() - began >= seconds:
            break
    grown_kb = resident_kb() - warm_kb if warm_kb else 0
    if grown_kb >= MAY_GROW_KB:
        failures["growth"] = f"{grown_kb} kB growth after {count} inputs"
    return Run(count, time.monotonic() - began, grown_kb, failures)


def _keep(folder: Path | None, name: str, data: bytes) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
