"""Which logs are taken from a car, and how one that has arrived gets its place.

Taken is what is not here, or has grown since. What arrived has to have the SHA-256 that the car announced and to
pass `verify`; then it replaces the shorter log of the same name, in one step. A log here is never replaced by
another one (the first session tells them apart), which is put beside it, nor by a shorter one.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import within
from logger.boundary.whole_file import put_in_place
from logger.logfile.verify import verify
from logger.transfer.car import Car
from logger.transfer.download import Download, Watcher
from logger.transfer.listed import ListedLog
from logger.transfer.retry import Patience
from logger.transfer.snapshot import DAMAGED_TAIL, digest_of, place, readable_state
from logger.transfer.state import state_of


class Outcome(NamedTuple):
    """What became of one log, for people; `ok` is False when something is wrong with it."""

    name: str
    text: str
    ok: bool = True


def fetch(car: Car, log: ListedLog, folder: Path, patience: Patience, watcher: Watcher) -> Outcome:
    """Bring one log of the car's list up to date in `folder`. Raises StagelogError, OSError."""
    name, there = log.name, log.state
    if log.withheld:
        return Outcome(name, f"{log.withheld}; fetch it then")
    if there is not None:
        here = readable_state(place(within(folder, name), there))
        if here is not None and here.rows >= there.rows:
            return Outcome(name, "nothing new")
    damaged = within(folder, name + DAMAGED_TAIL)
    known_sha256 = digest_of(damaged) if there is None and damaged.exists() else ""
    arrived = Download(car, name, folder, patience, watcher).run(known_sha256)
    if arrived is None:
        return Outcome(name, "damaged, as it was; nothing new", ok=False)
    part, sha256 = arrived
    size = part.stat().st_size
    if problems := verify(part, lambda done: watcher.checking(name, done)):
        put_in_place(part, damaged)
        return Outcome(
            name, f"is damaged in the car ({printable(problems[0])}); kept as {damaged.name}", ok=False
        )
    state = state_of(part)
    target = place(within(folder, name), state)
    before = readable_state(target) if target.exists() else None
    if before is not None and before.rows > state.rows:
        part.unlink()
        return Outcome(name, "goes less far than what is here; left as it is")
    put_in_place(part, target)
    text = f"{size / 1e6:.1f} MB, whole{', grown' if before is not None and before.rows < state.rows else ''}"
    if target.name != name:
        text += f"; {name} here is another log, so it is in {target.name}"
    try:
        patience.through(lambda: car.confirm(name, sha256))
    except LogError as error:
        text += f"; the car did not note that it was delivered ({error.what})"
    return Outcome(name, text)
