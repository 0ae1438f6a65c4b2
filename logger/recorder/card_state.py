"""What the crew must know about the card: its free space, and rows that wait too long for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from logger.recorder.writer import Writer
from logger.recorder.writer_status import WriterStatus

_FREE_SPACE_EVERY_US = 5_000_000
"""Interval at which the card's free space is looked up: a full bus writes about 1 MB per second."""
_OVERDUE_S = 1.0
"""Rows that wait this much longer than `max_loss_s` are in danger even without a write error: the card may hang in a
sync."""


class CardState:
    """The card that a writer writes to."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._free_bytes: int | None = None
        self._free_bytes_due_us = 0
        self.room_h: Callable[[], float | None] = lambda: None
        """Returns the hours of recording that fit on the card; None while unknown. Set by the daemon."""

    def overdue_s(self, status: WriterStatus) -> float:
        """How much longer than `max_loss_s` rows have waited for the card."""
        return max(0.0, status.lag_s - self._writer.max_loss_s)

    def free_bytes(self, now_us: int, log: Path) -> int | None:
        """Free space on the disk of a log, some seconds old; None if it cannot be read."""
        if now_us >= self._free_bytes_due_us:
            self._free_bytes_due_us = now_us + _FREE_SPACE_EVERY_US
            try:
                self._free_bytes = shutil.disk_usage(log.parent).free
            except OSError:
                self._free_bytes = None
        return self._free_bytes

    def recording(self, now_us: int, status: WriterStatus) -> dict[str, Any]:
        """The group `recording` of the live state."""
        is_overdue = self.overdue_s(status) > _OVERDUE_S
        free_bytes, room_h = self.free_bytes(now_us, status.path), self.room_h()
        return {
            "path": _absolute(status.path),
            "rows": status.rows,
            "frames": status.frames,
            "lag_s": round(status.lag_s, 3),
            "dropped": status.dropped,
            "free_bytes": free_bytes,
            "free_mb": megabytes(free_bytes),
            "room_h": None if room_h is None else round(room_h, 1),
            "ok": status.ok and not is_overdue,
            "trouble": status.trouble
            or (f"nothing written for {status.lag_s:.0f} s" if is_overdue else None),
        }


def megabytes(size_bytes: int | None) -> int | None:
    """A size in whole megabytes."""
    return None if size_bytes is None else size_bytes // 1_000_000


@lru_cache(maxsize=1)
def _absolute(path: Path) -> str:
    return str(path.absolute())
