"""The soak: `python -m tests.soak --hours 2`. A table of faults and what each cost; exit 1 if one cost too much.

The recorder is killed in the first half only, so that the second shows its memory over time.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from logger.logfile.verify import verify
from tests.soak.faults import AFTER_S, COST_NOTHING, GARBAGE_COSTS, MAY_LOSE_S, Fault, Victim, do
from tests.soak.sources import CAN_HZ, FRAME_ID, GPS_HZ, Source, frame, number_of, sentence

_KINDS = ("unplug", "garbage", "freeze", "card", "reader", "kill")
_PAUSE_S = (2.0, 6.0)
_WARM_UP_S = 20 * 60.0
"""The odometer remembers a quarter of an hour: until that is full, memory grows as it is meant to."""
MAY_GROW_KB_A_MIN = 20.0
"""A byte a frame would be more: 500 frames a second are sent."""
_AROUND_S = 15.0
"""A loss that nothing explains is told with what was done so long before and after it."""
_CONFIG = """
[log]
directory = "logs"
min_free_mb = 16
[gps]
port = "gps"
baud = 9600
[[can]]
name = "engine"
port = "engine"
protocol = "slcan"
baud = 2000000
bitrate = 500000
[live]
socket = "live.sock"
[stage]
itinerary = "stage.toml"
"""
_STAGE = """
[stage]
event = "Soak"
number = 1
name = "Day and night"
date = 2026-01-15
[[section]]
kind = "selective"
name = "SS1"
length_km = 100.0
"""


class Loss(NamedTuple):
    """Numbers of a source that are not in the log, one after the other; `fault` is what they are owed to."""

    source: str
    first: int
    rows: int
    before: int
    """Those of them that were sent before the fault began; the others were sent while nobody was there."""
    before_s: float
    fault: Fault | None


def main(arguments: list[str]) -> int:
    """Soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default=",".join(_KINDS), help="which, with commas; none: an empty text")
    options = parser.parse_args(arguments)
    kinds = [kind for kind in options.faults.split(",") if kind]
    if unknown := set(kinds) - set(_KINDS):
        parser.error(f"no fault {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the recorder is stopped then as well
    with tempfile.TemporaryDirectory() as folder:
        return soak(Path(folder), options.hours * 3600, random.Random(options.seed), kinds)


def soak(folder: Path, seconds: float, chance: random.Random, kinds: list[str]) -> int:
    """Record, disturb, count. Returns the exit code."""
    (folder / "stagelog.toml").write_text(_CONFIG)
    (folder / "stage.toml").write_text(_STAGE)
    log = folder / "logs" / "soak-1-001.db"
    sources = {
        "engine": Source(folder / "engine", CAN_HZ, frame, b"L\r"),
        "gps": Source(folder / "gps", GPS_HZ, sentence, b""),
    }
    for source in sources.values():
        source.plug()
    victim = Victim(folder / "stagelog.toml", log)
    faults: list[Fault] = []
    memory: list[tuple[float, int]] = []
    began = time.monotonic()
    try:
        while (elapsed := time.monotonic() - began) < seconds:
            _watch(victim, memory, chance.uniform(*_PAUSE_S))
            possible = [kind for kind in kinds if kind != "kill" or elapsed < seconds / 2]
            if not possible:
                continue
            fault = do(chance.choice(possible), victim, sources, chance)
            if fault.kind == "kill":
                memory.clear()
            faults.append(fault)
            if len(faults) % 20 == 0:
                print(
                    f"{elapsed:6.0f} s, {len(faults)} faults, {victim.resident_kb() / 1024:.1f} MB",
                    flush=True,
                )
        time.sleep(2.0)
    finally:
        for source in sources.values():
            source.unplug()
        time.sleep(1.0)
        victim.process.send_signal(signal.SIGTERM)
        victim.process.wait(30)
    return _judged(victim, sources, faults, memory, time.monotonic() - began)


def _watch(victim: Victim, memory: list[tuple[float, int]], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if victim.process.poll() is not None:
            raise RuntimeError(f"the recorder ended with {victim.process.returncode}")
        memory.append((time.monotonic(), victim.resident_kb()))
        time.sleep(min(1.0, seconds))


def _judged(
    victim: Victim,
    sources: dict[str, Source],
    faults: list[Fault],
    memory: list[tuple[float, int]],
    took_s: float,
) -> int:
    kept = {"engine": _frames(victim.log), "gps": _sentences(victim.log)}
    losses = [loss for name, source in sources.items() for loss in _losses(name, source, kept[name], faults)]
    print(f"\n{'fault':8} {'times':>5} {'lost from before it':>20} {'most s':>7} {'while away':>11}")
    for kind in _KINDS:
        owed = [loss for loss in losses if loss.fault is not None and loss.fault.kind == kind]
        before = sum(loss.before for loss in owed)
        away = sum(loss.rows - loss.before for loss in owed)
        before_s = max((loss.before_s for loss in owed), default=0.0)
        times = sum(fault.kind == kind for fault in faults)
        print(f"{kind:8} {times:>5} {before:>20,} {max(0.0, before_s):>7.2f} {away:>11,}")
    beyond = [loss for loss in losses if _is_beyond(loss)]
    for loss in beyond:
        print(f"BEYOND THE BOUND: {loss}")
        _print_around(sources[loss.source].sent_at[loss.first : loss.first + loss.rows], faults)
    problems = verify(victim.log)
    sent = {name: len(source.sent_at) for name, source in sources.items()}
    print(
        f"soak: {took_s / 60:.0f} min, {len(faults)} faults, {sent['engine']:,} frames and {sent['gps']:,} sentences"
        f" sent, {len(beyond)} losses beyond the bound; {victim.starts} starts, verify {problems or 'ok'}"
    )
    told, grows = _growth(memory)
    print(told)
    return 1 if beyond or problems or grows or victim.sessions() != victim.starts else 0


def _is_beyond(loss: Loss) -> bool:
    """Whether no fault explains it, or one of a kind that may not cost so much."""
    return loss.fault is None or (loss.fault.kind == "garbage" and loss.rows > GARBAGE_COSTS)


def _print_around(lost_at: list[float], faults: list[Fault]) -> None:
    """What was done shortly before and after a loss, in seconds from its first row."""
    since, until = lost_at[0], lost_at[-1]
    print(f"    the last of it sent at {until - since:+.2f} s")
    for fault in faults:
        if fault.ended > since - _AROUND_S and fault.began < until + _AROUND_S:
            print(
                f"    {fault.kind} {fault.source or ''} {fault.began - since:+.2f} to {fault.ended - since:+.2f} s"
            )


def _losses(name: str, source: Source, kept: list[int], faults: list[Fault]) -> Iterator[Loss]:
    """Every run of missing numbers, with the fault that explains it, if one does."""
    mine = [fault for fault in faults if fault.source in (None, name) and fault.kind not in COST_NOTHING]
    for before, after in pairwise([-1, *kept, len(source.sent_at)]):
        if after - before > 1:
            since, until = source.sent_at[before + 1], source.sent_at[after - 1]
            owed = _explaining(mine, since, until)
            fault = min(owed, key=lambda fault: abs(fault.began - since), default=None)
            before_s = 0.0 if fault is None else fault.began - since
            if fault is not None or _within_reach(source, before + 1, after):
                began = source.sent_at[before + 1] if fault is None else fault.began
                earlier = sum(at < began for at in source.sent_at[before + 1 : after])
                yield Loss(name, before + 1, after - before - 1, earlier, before_s, fault)


def _within_reach(source: Source, first: int, after: int) -> bool:
    """Not the first words before the recorder was there, nor the last ones when the cables were pulled at the end."""
    ends = source.sent_at[-1] - 0.5
    return not (first == 0 or (after == len(source.sent_at) and source.sent_at[first] > ends))


def _explaining(faults: list[Fault], since: float, until: float) -> list[Fault]:
    """The faults that a loss is owed to: one, or several that followed before the port was open again; or none."""
    found, reached = [], since
    for fault in faults:
        ends = fault.ended + AFTER_S[fault.kind]
        if fault.began - MAY_LOSE_S[fault.kind] <= reached <= ends:
            found.append(fault)
            reached = ends
    return found if found and until <= reached else []


def _frames(log: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT data FROM frame WHERE can_id = ? AND length(data) = 8", (FRAME_ID,))
        numbers = [int.from_bytes(data, "big") for (data,) in rows]
    top = max(numbers[:1], default=0) + len(numbers) * 100  # a number that noise made is none of ours
    return sorted({number for number in numbers if number < top})


def _sentences(log: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        return sorted({number_of(text) for (text,) in connection.execute("SELECT text FROM sentence")})


def _growth(memory: list[tuple[float, int]]) -> tuple[str, bool]:
    """How the memory went since the last start, and whether it goes on growing once it is warm."""
    warm = [(at, kb) for at, kb in memory if at > memory[0][0] + _WARM_UP_S] if memory else []
    if len(warm) < _WARM_UP_S / 2:
        return (
            f"memory: too short without a kill to tell; {_WARM_UP_S / 60:.0f} min of it do not count",
            False,
        )
    at, kb = (np.array(column, dtype=float) for column in zip(*warm, strict=True))
    slope = float(np.polyfit(at - at[0], kb, 1)[0]) * 60
    return (
        f"memory: {memory[0][1] / 1024:.1f} MB at first, {kb[0] / 1024:.1f} MB after {_WARM_UP_S / 60:.0f} min,"
        f" {kb[-1] / 1024:.1f} MB {(at[-1] - at[0]) / 60:.0f} min later, {kb.max() / 1024:.1f} MB at most,"
        f" {slope:+.1f} kB/min in that time (allowed: {MAY_GROW_KB_A_MIN:.0f})"
    ), slope > MAY_GROW_KB_A_MIN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
