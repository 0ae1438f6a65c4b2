"""Fetch a log from a car: decide whether it is needed, download, verify and put it in place.

A log is fetched if it is not here or has grown. The download must have the SHA-256 that the car announced and pass
`verify`; then it replaces the shorter log of the same name atomically. A local log is never replaced by a shorter one,
nor by another log of that name (the first session identifies a log), which is stored beside it.
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
from logger.transfer.retry import Retry
from logger.transfer.snapshot import DAMAGED_TAIL, digest_of, place, readable_state
from logger.transfer.state import state_of


class Outcome(NamedTuple):
    """The outcome of one log, for people; `ok` is False when something is wrong with it."""

    name: str
    text: str
    ok: bool = True


def fetch(car: Car, log: ListedLog, folder: Path, retry: Retry, watcher: Watcher) -> Outcome:
    """Bring one log of the car's list up to date in `folder`. Raises StagelogError, OSError."""
    name, remote = log.name, log.state
    if log.withheld:
        return Outcome(name, f"{log.withheld}; fetch it then")
    if remote is not None:
        local = readable_state(place(within(folder, name), remote))
        if local is not None and local.rows >= remote.rows:
            return Outcome(name, "nothing new")
    damaged = within(folder, name + DAMAGED_TAIL)
    known_sha256 = digest_of(damaged) if remote is None and damaged.exists() else ""
    arrived = Download(car, name, folder, retry, watcher).run(known_sha256)
    if arrived is None:
        return Outcome(name, "still damaged; nothing new", ok=False)
    part, sha256 = arrived
    size = part.stat().st_size
    if problems := verify(part, lambda done: watcher.checking(name, done)):
        retry.discard_version()
        put_in_place(part, damaged)
        return Outcome(
            name, f"is damaged in the car ({printable(problems[0])}); kept as {damaged.name}", ok=False
        )
    state = state_of(part)
    target = place(within(folder, name), state)
    before = readable_state(target) if target.exists() else None
    if before is not None and before.rows > state.rows:
        part.unlink()
        return Outcome(name, "is shorter than the log here; kept the log here")
    put_in_place(part, target)
    text = f"{size / 1e6:.1f} MB, whole{', grown' if before is not None and before.rows < state.rows else ''}"
    if target.name != name:
        text += f"; {name} here is another log, so stored as {target.name}"
    try:
        retry.run(lambda: car.confirm(name, sha256))
    except LogError as error:
        text += f"; the car did not record the delivery ({error.what})"
    return Outcome(name, text)
