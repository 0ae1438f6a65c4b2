"""Record for hours with faults, and print the losses per fault: `python -m tests.soak --hours 2`.

Exits with 1 if a loss exceeds its bound. The recorder is killed in the first half only, so that the second half shows
its memory over time.
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
from tests.soak.faults import AFTER_S, COST_NOTHING, GARBAGE_COSTS, MAY_LOSE_S, Fault, RecorderProcess, inject
from tests.soak.sources import CAN_HZ, FRAME_ID, GPS_HZ, Source, frame, number_of, sentence

_KINDS = ("unplug", "garbage", "freeze", "card", "reader", "kill")
_PAUSE_S = (2.0, 6.0)
_WARM_UP_S = 20 * 60.0
"""The odometer keeps 15 minutes of fixes; until then memory grows by design."""
ALLOWED_GROWTH_KB_PER_MIN = 20.0
"""Less than one byte per frame, at 500 frames per second."""
_AROUND_S = 15.0
"""For an unexplained loss, the faults in this time before and after it are printed."""
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
    """Consecutive numbers of a source that are not in the log; `fault` is the cause."""

    source: str
    first: int
    rows: int
    before: int
    """How many of them were sent before the fault began; the others were sent during it."""
    before_s: float
    fault: Fault | None


def main(arguments: list[str]) -> int:
    """Parse the options and run the soak. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="duration")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same order of faults")
    parser.add_argument(
        "--faults", default=",".join(_KINDS), help="kinds of faults, separated by commas; empty for none"
    )
    options = parser.parse_args(arguments)
    kinds = [kind for kind in options.faults.split(",") if kind]
    if unknown := set(kinds) - set(_KINDS):
        parser.error(f"no fault {', '.join(sorted(unknown))}; choose from {', '.join(_KINDS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the recorder is stopped too
    with tempfile.TemporaryDirectory() as folder:
        return soak(Path(folder), options.hours * 3600, random.Random(options.seed), kinds)


def soak(folder: Path, seconds: float, rng: random.Random, kinds: list[str]) -> int:
    """Record, inject faults and count losses. Returns the exit code."""
    (folder / "stagelog.toml").write_text(_CONFIG)
    (folder / "stage.toml").write_text(_STAGE)
    log = folder / "logs" / "soak-1-001.db"
    sources = {
        "engine": Source(folder / "engine", CAN_HZ, frame, b"L\r"),
        "gps": Source(folder / "gps", GPS_HZ, sentence, b""),
    }
    for source in sources.values():
        source.plug()
    recorder = RecorderProcess(folder / "stagelog.toml", log)
    faults: list[Fault] = []
    memory: list[tuple[float, int]] = []
    began = time.monotonic()
    try:
        while (elapsed := time.monotonic() - began) < seconds:
            _watch(recorder, memory, rng.uniform(*_PAUSE_S))
            possible = [kind for kind in kinds if kind != "kill" or elapsed < seconds / 2]
            if not possible:
                continue
            fault = inject(rng.choice(possible), recorder, sources, rng)
            if fault.kind == "kill":
                memory.clear()
            faults.append(fault)
            if len(faults) % 20 == 0:
                print(
                    f"{elapsed:6.0f} s, {len(faults)} faults, {recorder.resident_kb() / 1024:.1f} MB",
                    flush=True,
                )
        time.sleep(2.0)
    finally:
        for source in sources.values():
            source.unplug()
        time.sleep(1.0)
        recorder.process.send_signal(signal.SIGTERM)
        recorder.process.wait(30)
    return _report(recorder, sources, faults, memory, time.monotonic() - began)


def _watch(recorder: RecorderProcess, memory: list[tuple[float, int]], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if recorder.process.poll() is not None:
            raise RuntimeError(f"the recorder ended with {recorder.process.returncode}")
        memory.append((time.monotonic(), recorder.resident_kb()))
        time.sleep(min(1.0, seconds))


def _report(
    recorder: RecorderProcess,
    sources: dict[str, Source],
    faults: list[Fault],
    memory: list[tuple[float, int]],
    took_s: float,
) -> int:
    kept = {"engine": _frames(recorder.log), "gps": _sentences(recorder.log)}
    losses = [loss for name, source in sources.items() for loss in _losses(name, source, kept[name], faults)]
    print(f"\n{'fault':8} {'times':>5} {'lost before it':>20} {'max s':>7} {'lost during':>11}")
    for kind in _KINDS:
        caused = [loss for loss in losses if loss.fault is not None and loss.fault.kind == kind]
        before = sum(loss.before for loss in caused)
        away = sum(loss.rows - loss.before for loss in caused)
        before_s = max((loss.before_s for loss in caused), default=0.0)
        times = sum(fault.kind == kind for fault in faults)
        print(f"{kind:8} {times:>5} {before:>20,} {max(0.0, before_s):>7.2f} {away:>11,}")
    beyond = [loss for loss in losses if _is_beyond(loss)]
    for loss in beyond:
        print(f"LOSS BEYOND THE BOUND: {loss}")
        _print_around(sources[loss.source].sent_at[loss.first : loss.first + loss.rows], faults)
    problems = verify(recorder.log)
    sent = {name: len(source.sent_at) for name, source in sources.items()}
    print(
        f"soak: {took_s / 60:.0f} min, {len(faults)} faults, {sent['engine']:,} frames and {sent['gps']:,} sentences"
        f" sent, {len(beyond)} losses beyond the bound; {recorder.starts} starts, verify {problems or 'ok'}"
    )
    summary, grows = _growth(memory)
    print(summary)
    return 1 if beyond or problems or grows or recorder.sessions() != recorder.starts else 0


def _is_beyond(loss: Loss) -> bool:
    """Whether no fault explains the loss, or it is larger than its fault may cause."""
    return loss.fault is None or (loss.fault.kind == "garbage" and loss.rows > GARBAGE_COSTS)


def _print_around(lost_at: list[float], faults: list[Fault]) -> None:
    """Print the faults shortly before and after a loss, in seconds from its first row."""
    since, until = lost_at[0], lost_at[-1]
    print(f"    last lost row sent at {until - since:+.2f} s")
    for fault in faults:
        if fault.ended > since - _AROUND_S and fault.began < until + _AROUND_S:
            print(
                f"    {fault.kind} {fault.source or ''} {fault.began - since:+.2f} to {fault.ended - since:+.2f} s"
            )


def _losses(name: str, source: Source, kept: list[int], faults: list[Fault]) -> Iterator[Loss]:
    """Every run of missing numbers, with the fault that explains it, or None."""
    mine = [fault for fault in faults if fault.source in (None, name) and fault.kind not in COST_NOTHING]
    for before, after in pairwise([-1, *kept, len(source.sent_at)]):
        if after - before > 1:
            since, until = source.sent_at[before + 1], source.sent_at[after - 1]
            caused = _explaining(mine, since, until)
            fault = min(caused, key=lambda fault: abs(fault.began - since), default=None)
            before_s = 0.0 if fault is None else fault.began - since
            if fault is not None or _within_reach(source, before + 1, after):
                began = source.sent_at[before + 1] if fault is None else fault.began
                earlier = sum(at < began for at in source.sent_at[before + 1 : after])
                yield Loss(name, before + 1, after - before - 1, earlier, before_s, fault)


def _within_reach(source: Source, first: int, after: int) -> bool:
    """Whether a loss counts: not the rows before the recorder's start, nor the last ones at the final unplug."""
    ends = source.sent_at[-1] - 0.5
    return not (first == 0 or (after == len(source.sent_at) and source.sent_at[first] > ends))


def _explaining(faults: list[Fault], since: float, until: float) -> list[Fault]:
    """The faults that explain a loss: one, several in a row before the port was open again, or none."""
    explaining, reached = [], since
    for fault in faults:
        ends = fault.ended + AFTER_S[fault.kind]
        if fault.began - MAY_LOSE_S[fault.kind] <= reached <= ends:
            explaining.append(fault)
            reached = ends
    return explaining if explaining and until <= reached else []


def _frames(log: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT data FROM frame WHERE can_id = ? AND length(data) = 8", (FRAME_ID,))
        numbers = [int.from_bytes(data, "big") for (data,) in rows]
    top = max(numbers[:1], default=0) + len(numbers) * 100  # larger numbers come from noise
    return sorted({number for number in numbers if number < top})


def _sentences(log: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        return sorted({number_of(text) for (text,) in connection.execute("SELECT text FROM sentence")})


def _growth(memory: list[tuple[float, int]]) -> tuple[str, bool]:
    """A summary of the memory since the last start, and whether it grows after the warm-up."""
    warm = [(at, kb) for at, kb in memory if at > memory[0][0] + _WARM_UP_S] if memory else []
    if len(warm) < _WARM_UP_S / 2:
        return (
            f"memory: no figure, too little time without a kill; the first {_WARM_UP_S / 60:.0f} min do not count",
            False,
        )
    at, kb = (np.array(column, dtype=float) for column in zip(*warm, strict=True))
    slope = float(np.polyfit(at - at[0], kb, 1)[0]) * 60
    return (
        f"memory: {memory[0][1] / 1024:.1f} MB at first, {kb[0] / 1024:.1f} MB after {_WARM_UP_S / 60:.0f} min,"
        f" {kb[-1] / 1024:.1f} MB {(at[-1] - at[0]) / 60:.0f} min later, max {kb.max() / 1024:.1f} MB,"
        f" {slope:+.1f} kB/min in that time (allowed: {ALLOWED_GROWTH_KB_PER_MIN:.0f})"
    ), slope > ALLOWED_GROWTH_KB_PER_MIN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
