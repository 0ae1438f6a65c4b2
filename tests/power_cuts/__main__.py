"""Power cuts of a whole machine: `python -m tests.power_cuts --cuts 25`. A table; exit 1 if one cost too much.

Needs root, and Debian's qemu-system-x86, debootstrap and e2fsprogs. The first run makes the guest (minutes; kept in
`--guest`); a cut then takes about a minute, because the processor is emulated.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.power_cuts import socketcan
from tests.power_cuts.cuts import MAX_LOSS_S, Car, Outcome
from tests.power_cuts.images import Guest, kept_guest, make_guest, missing_tools
from tests.power_cuts.unplugs import unplug

KEPT_GUEST = Path.home() / ".cache" / "stagelog" / "power-cuts"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_CARD_BYTES = 4_000_000_000
_NICENESS = -10
"""The guest goes before whatever else the machine does: nothing else runs on a car's computer either."""
_TITLES = (
    "cut",
    "at s",
    "sent",
    "kept",
    "lost s",
    "of sent",
    "still s",
    "quiet s",
    "unflushed writes",
    "session",
    "verify",
)
_ROW = "{:>4} {:>7} {:>6} {:>6} {:>7} {:>7} {:>7} {:>7} {:>20} {:>8}  {}"


def main(arguments: list[str]) -> int:
    """Cut as often as asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.power_cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--moments", type=int, default=6, help="further moments of each run to look at")
    parser.add_argument(
        "--unplugs", type=int, default=0, help="F9 before the cuts: pull a USB adapter so often"
    )
    parser.add_argument(
        "--socketcan", action="store_true", help="CAN interfaces of a kernel, before the cuts"
    )
    parser.add_argument("--keep", type=Path, help="where a cut that costs too much leaves its disk")
    parser.add_argument("--guest", type=Path, default=KEPT_GUEST, help="where the guest is kept")
    options = parser.parse_args(arguments)
    if missing := missing_tools():
        print(f"not here: {', '.join(missing)}", file=sys.stderr)
        return 69
    os.nice(_NICENESS)
    guest = kept_guest(options.guest)
    if guest is None:
        print("making the guest: some minutes, once", file=sys.stderr)
        guest = make_guest(options.guest)
    if options.unplugs:
        with tempfile.TemporaryDirectory() as scratch:
            problems = unplug(guest, Path(scratch), options.unplugs, random.Random(options.seed))
        print("\n".join(problems) or "F9: verify ok")
        if problems:
            return 1
    if options.socketcan:
        with tempfile.TemporaryDirectory() as scratch:
            problems = socketcan.run(guest, Path(scratch))
        print("\n".join(problems) or "SocketCAN: verify ok")
        if problems:
            return 1
    return cut(guest, options.cuts, options.seed, options.moments, options.keep) if options.cuts else 0


def cut(guest: Guest, cuts: int, seed: int, moments: int, keep: Path | None) -> int:
    """Cut so often. Returns the exit code."""
    outcomes: list[Outcome] = []
    print(_ROW.format(*_TITLES), flush=True)
    with tempfile.TemporaryDirectory(dir=_card()) as scratch:
        car = Car(guest, Path(scratch), seed, moments, keep)
        for number in range(1, cuts + 1):
            outcome = car.cut()
            outcomes.append(outcome)
            print(_row(number, outcome), flush=True)
    print(_summary(outcomes))
    return 0 if all(outcome.is_sound for outcome in outcomes) else 1


def _card() -> Path | None:
    """Where the guest's disks lie: in memory where there is room, so that no stall of the host's own disk is theirs.

    A card that takes nothing for seconds is another row's (F11): nobody can bring anything to it then.
    """
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _CARD_BYTES else None


def _row(number: int, outcome: Outcome) -> str:
    unflushed = f"{outcome.writes.lost} of {outcome.writes.kept + outcome.writes.lost} lost"
    return _ROW.format(
        number,
        f"{outcome.after_s:.1f}",
        outcome.sent,
        outcome.kept,
        f"{outcome.lost_s:.2f}",
        f"{outcome.since_sent_s:.2f}",
        f"{outcome.still_s:.2f}",
        f"{outcome.quiet_s:.2f}",
        unflushed,
        outcome.sessions,
        "; ".join(outcome.problems) or "ok",
    )


def _summary(outcomes: list[Outcome]) -> str:
    losses = [outcome.lost_s for outcome in outcomes]
    longest_s = max(outcome.still_s for outcome in outcomes)
    rows = sum(outcome.sent - outcome.kept for outcome in outcomes)
    bad = sum(not outcome.is_sound for outcome in outcomes)
    return (
        f"F1: {len(outcomes)} power cuts of a machine, {max(losses):.2f} s lost at most (allowed: {MAX_LOSS_S:.1f} s),"
        f" {statistics.median(losses):.2f} s in the middle; {rows} of {sum(outcome.sent for outcome in outcomes)}"
        f" frames; the guest stood still for {longest_s:.2f} s at most;"
        f" {sum(outcome.moments for outcome in outcomes)} further moments looked at,"
        f" {sum(outcome.repaired for outcome in outcomes)} of all took e2fsck -y;"
        f" {bad} beyond the bound or damaged"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
