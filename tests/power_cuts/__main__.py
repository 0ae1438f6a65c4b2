"""Cut the power of a virtual machine, print the losses: `python -m tests.power_cuts --cuts 25`.

Exits with 1 if a loss exceeds `max_loss_s` or a log is damaged. Needs root, and Debian's qemu-system-x86, debootstrap
and e2fsprogs. The first run creates the guest in some minutes and keeps it in `--guest`; a cut takes about a minute,
because the processor is emulated.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.power_cuts import socketcan
from tests.power_cuts.cuts import Car, Outcome
from tests.power_cuts.images import Guest, kept_guest, make_guest, missing_tools
from tests.power_cuts.loss import MAX_LOSS_S
from tests.power_cuts.machine import take_priority
from tests.power_cuts.unplugs import unplug

KEPT_GUEST = Path.home() / ".cache" / "stagelog" / "power-cuts"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a temporary folder is created in it
_CARD_BYTES = 4_000_000_000
_TITLES = (
    "cut",
    "at s",
    "sent",
    "kept",
    "lost s",
    "sent ago",
    "pause s",
    "idle s",
    "unflushed writes",
    "session",
    "verify",
)
_ROW = "{:>4} {:>7} {:>6} {:>6} {:>7} {:>8} {:>7} {:>7} {:>20} {:>8}  {}"


def main(arguments: list[str]) -> int:
    """Parse the options and run the tests. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.power_cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=25, help="number of power cuts")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--moments", type=int, default=6, help="further moments of each run to check")
    parser.add_argument(
        "--unplugs", type=int, default=0, help="F9 before the cuts: how often to pull a USB adapter"
    )
    parser.add_argument(
        "--socketcan", action="store_true", help="test CAN interfaces of the guest's kernel before the cuts"
    )
    parser.add_argument("--keep", type=Path, help="folder for the disks of cuts that fail")
    parser.add_argument("--guest", type=Path, default=KEPT_GUEST, help="folder of the guest")
    options = parser.parse_args(arguments)
    if missing := missing_tools():
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 69
    take_priority()
    guest = kept_guest(options.guest)
    if guest is None:
        print("creating the guest, once; this takes some minutes", file=sys.stderr)
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
    """Cut the power of a guest that records this checkout. Returns the exit code."""
    with tempfile.TemporaryDirectory(dir=card()) as scratch:
        return report(Car.of_checkout(guest, Path(scratch), seed, moments, keep), cuts)


def report(car: Car, cuts: int) -> int:
    """Cut the power `cuts` times and print a row each. Returns the exit code."""
    outcomes: list[Outcome] = []
    print(_ROW.format(*_TITLES), flush=True)
    for number in range(1, cuts + 1):
        outcome = car.cut()
        outcomes.append(outcome)
        print(_row(number, outcome), flush=True)
    if outcomes:
        print(_summary(outcomes))
    return 0 if all(outcome.is_sound for outcome in outcomes) else 1


def card() -> Path | None:
    """Folder for the guest's disks: in memory if there is space, so that stalls of the host's disk have no effect.

    F11 tests a card that stalls for seconds.
    """
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _CARD_BYTES else None


def _row(number: int, outcome: Outcome) -> str:
    unflushed = f"{outcome.writes.lost} of {outcome.writes.kept + outcome.writes.lost} lost"
    return _ROW.format(
        number,
        f"{outcome.after_s:.1f}",
        outcome.loss.sent,
        outcome.loss.kept,
        f"{outcome.loss.lost_s:.2f}",
        f"{outcome.loss.since_sent_s:.2f}",
        f"{outcome.still_s:.2f}",
        f"{outcome.quiet_s:.2f}",
        unflushed,
        outcome.sessions,
        "; ".join(outcome.problems) or "ok",
    )


def _summary(outcomes: list[Outcome]) -> str:
    losses = [outcome.loss.lost_s for outcome in outcomes]
    longest_s = max(outcome.still_s for outcome in outcomes)
    rows = sum(outcome.loss.sent - outcome.loss.kept for outcome in outcomes)
    bad = sum(not outcome.is_sound for outcome in outcomes)
    return (
        f"F1: {len(outcomes)} power cuts of a machine, loss max {max(losses):.2f} s (allowed: {MAX_LOSS_S:.1f} s),"
        f" median {statistics.median(losses):.2f} s; {rows} of {sum(outcome.loss.sent for outcome in outcomes)}"
        f" frames lost; longest pause of the guest {longest_s:.2f} s;"
        f" {sum(outcome.moments for outcome in outcomes)} further moments checked,"
        f" {sum(outcome.repaired for outcome in outcomes)} of all needed e2fsck -y;"
        f" {bad} beyond the bound or damaged"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
