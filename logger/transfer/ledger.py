"""Ledger of delivered logs: `delivered.jsonl`, one line per complete, verified delivery.

Lines are only appended, and each is synced to the disk before anyone relies on it. A line that a power cut or an
editor damaged is skipped: its log then counts as not delivered, which costs space but no data.
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
"""The recorder's user is in the crew server's group; it reads the ledger before it removes an old log."""


class Delivered(NamedTuple):
    """A delivered log: session and time of its newest row, and the arrival by the car's clock, which may be wrong."""

    name: str
    session: int
    t_us: int
    size: int
    sha256: str
    utc: str

    @classmethod
    def now(cls, name: str, state: LogState, size: int, sha256: str) -> Self:
        """A log that has just arrived up to `state`; `size` in bytes, `sha256` in hexadecimal."""
        utc = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(name, state.session, state.t_us, size, sha256, utc)


_KINDS = (str, int, int, int, str, str)


def add(folder: Path, delivered: Delivered) -> None:
    """Record a delivery durably. Raises OSError."""
    line = json.dumps(delivered._asdict(), separators=(",", ":")).encode()
    # Root changes the file's owner below; without O_NOFOLLOW a link could redirect that to another file.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder / FILE, flags, MODE)
    try:
        _give_to_owner(descriptor, folder)
        os.fchmod(descriptor, MODE)
        # The leading newline ends a torn line; readers skip empty lines.
        if os.write(descriptor, whole := b"\n" + line + b"\n") < len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / FILE))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_to_owner(descriptor: int, folder: Path) -> None:
    """Give a file that root created to the folder's owner, so that the services can append. Raises OSError."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def reaches(folder: Path) -> dict[str, set[tuple[int, int]]]:
    """The extents of each log's deliveries, by name: session and t_us of the newest row. Never raises.

    A log counts as delivered while its `LogState` has one of these extents; one more row ends that.
    """
    extents: dict[str, set[tuple[int, int]]] = {}
    for delivered in read(folder):
        extents.setdefault(delivered.name, set()).add((delivered.session, delivered.t_us))
    return extents


def read(folder: Path) -> list[Delivered]:
    """Every delivery, the earliest first. Never raises: an unreadable line counts as not delivered."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except OSError:
        return []
    deliveries = []
    for line in lines:
        with suppress(ValueError, TypeError):
            delivered = Delivered(**loads(line, surrogates="keep"))
            if all(type(value) is kind for value, kind in zip(delivered, _KINDS, strict=True)):
                deliveries.append(delivered)
    return deliveries
