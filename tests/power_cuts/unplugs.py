"""USB unplugs in a virtual machine (F9): one of two adapters disappears and returns during recording."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

from logger.logfile.verify import verify
from tests.power_cuts import disk
from tests.power_cuts.cuts import ITINERARY, LOG, RATE
from tests.power_cuts.images import CONFIG, SECOND_ADAPTER, Guest, make_blank, make_program
from tests.power_cuts.machine import FRAME_ID, Adapter, Machine, running

BODY_ID = 0x321
IN_THE_CABLE_S = 0.5
"""Allowed loss at a pull: frames sent but not yet read."""
_BOOT_S, _BACK_S = 600.0, 60.0
_AWAY_S, _BETWEEN_S = (0.5, 4.0), (2.0, 5.0)
_COMMITTED_S = 3.0


def unplug(guest: Guest, folder: Path, times: int, rng: random.Random) -> list[str]:
    """Unplug and plug an adapter `times` times. Prints a line for each; returns the problems."""
    program, logs = folder / "program.ext4", folder / "logs.ext4"
    make_program(program, ITINERARY, CONFIG + SECOND_ADAPTER)
    make_blank(logs)
    sockets = {name: folder / f"{name}.socket" for name in ("engine", "body")}
    engine, body = Adapter(sockets["engine"], RATE), Adapter(sockets["body"], RATE, BODY_ID)
    pulled: list[float] = []
    with running(guest, program, logs, folder / "journal", sockets) as machine:
        engine.plug()
        body.plug()
        try:
            for adapter in (engine, body):
                _await_open(machine, adapter, _BOOT_S)
            for number in range(1, times + 1):
                time.sleep(rng.uniform(*_BETWEEN_S))
                engine.unplug()
                pulled.append(time.monotonic())  # after it: the adapter sends to the end
                time.sleep(rng.uniform(*_AWAY_S))
                engine.plug()
                plugged = time.monotonic()
                _await_open(machine, engine, _BACK_S)
                print(
                    f"unplug {number}: open again {(engine.opened_at or 0.0) - plugged:.2f} s after the plug",
                    flush=True,
                )
            time.sleep(rng.uniform(*_BETWEEN_S))
        finally:
            engine.unplug()
            body.unplug()
        time.sleep(_COMMITTED_S)
        machine.cut_power()
    checked = disk.check(logs, folder / "checked")
    log = checked.logs / LOG
    problems = verify(log) if checked.is_clean else [checked.output]
    return problems + _losses(log, engine, body, pulled)


def _await_open(machine: Machine, adapter: Adapter, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while adapter.opened_at is None:
        if not machine.is_running() or time.monotonic() > deadline:
            raise RuntimeError(f"the bus was not opened:\n{machine.console_text()[-2000:]}")
        time.sleep(0.01)


def _losses(log: Path, engine: Adapter, body: Adapter, pulled: list[float]) -> list[str]:
    lost, before_s, problems = 0, 0.0, []
    ends = [*pulled, engine.sent_at[-1]]
    for last, following in pairwise([-1, *_numbers(log, FRAME_ID), len(engine.sent_at)]):
        if following - last > 1:
            lost += following - last - 1
            since = engine.sent_at[last + 1]
            before = min((end - since for end in ends if end >= since), default=0.0)
            before_s = max(before_s, before)
            if before > IN_THE_CABLE_S:
                problems.append(
                    f"frames {last + 1} to {following - 1}, sent {before:.2f} s before a plug was pulled"
                )
    others = _numbers(log, BODY_ID)
    missing = len(body.sent_at) - len(others)
    if others != list(range(len(others))) or missing > IN_THE_CABLE_S * RATE:
        problems.append(f"the other adapter lost {missing} frames")
    print(
        f"F9: a USB adapter pulled {len(pulled)} times from a machine: {lost} of its {len(engine.sent_at)} frames lost,"
        f" sent at most {before_s:.2f} s before a pull; the other adapter lost {missing} of {len(body.sent_at)} frames"
    )
    return problems


def _numbers(log: Path, can_id: int) -> list[int]:
    with contextlib.closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT data FROM frame WHERE can_id = ? ORDER BY rowid", (can_id,))
        return [int.from_bytes(data, "big") for (data,) in rows]
