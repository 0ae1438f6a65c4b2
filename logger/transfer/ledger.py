"""Which logs were delivered, whole and checked, and how far they had come then: `delivered.jsonl` in a folder.

Lines are only ever added, each brought to the disk before anybody relies on it. A line that a power cut tore, or
that somebody wrote into by hand, is passed over: the log it spoke of then counts as undelivered, which costs room
and not data.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from logger.boundary.untrusted_json import loads
from logger.transfer.state import LogState

FILE = "delivered.jsonl"
MODE = 0o640
"""The recorder is of the crew server's group, and asks it before it removes an old log."""


class Delivered(NamedTuple):
    """A log as it arrived: its newest row's session and time, and the arrival by the car's clock, not to be trusted."""

    name: str
    session: int
    t_us: int
    size: int
    sha256: str
    utc: str

    @classmethod
    def now(cls, name: str, state: LogState, size: int, sha256: str) -> Self:
        """A log that has just arrived as far as `state`: its size in bytes, its SHA-256 in hexadecimal."""
        utc = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(name, state.session, state.t_us, size, sha256, utc)


_KINDS = (str, int, int, int, str, str)


def add(folder: Path, delivered: Delivered) -> None:
    """Note a delivery, durably. Raises OSError."""
    line = json.dumps(delivered._asdict(), separators=(",", ":")).encode()
    # Root changes its owner below: never that of a file elsewhere, which the folder's owner has put a link to here.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder / FILE, flags, MODE)
    try:
        _give_to_owner(descriptor, folder)
        os.fchmod(descriptor, MODE)
        # The newline before it ends a line that was torn; readers pass over the empty ones.
        if os.write(descriptor, whole := b"\n" + line + b"\n") < len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / FILE))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_to_owner(descriptor: int, folder: Path) -> None:
    """What root began by hand is to be gone on with by the services. Raises OSError."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def reaches(folder: Path) -> dict[str, set[tuple[int, int]]]:
    """How far each log, by its name, went in each of its deliveries: session and t_us of the newest row. Never raises.

    A log is delivered as long as its `LogState` has one of these; a row more, and it is not.
    """
    found: dict[str, set[tuple[int, int]]] = {}
    for delivered in read(folder):
        found.setdefault(delivered.name, set()).add((delivered.session, delivered.t_us))
    return found


def read(folder: Path) -> list[Delivered]:
    """Every delivery, the earliest first. Never raises: what cannot be read was not delivered."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError):
            delivered = Delivered(**loads(line))
            if all(type(value) is kind for value, kind in zip(delivered, _KINDS, strict=True)):
                found.append(delivered)
    return found
