"""Room on this machine's disk for what another one announces, and for everybody else."""

from __future__ import annotations

import shutil
from pathlib import Path

from firmware_bridge.errors import LogError

KEEP_FREE_BYTES = 32_000_000
"""Left on the disk for others: a system without any room loses what it works on."""


class NoRoomError(LogError):
    """A log that this machine has not the room for."""


def require_room(folder: Path, need_bytes: int, where: str) -> None:
    """Raise NoRoomError unless a folder has the room for so many bytes more."""
    if shutil.disk_usage(folder).free < need_bytes + KEEP_FREE_BYTES:
        mend = "make room, and try again"
        raise NoRoomError(f"too little room for {need_bytes / 1e6:,.0f} MB here", where=where, mend=mend)
