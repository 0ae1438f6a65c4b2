"""Save and restore the state of the live computation across a power cut.

The recorder stores the state in the log's `meta` with every progress row; the next session restores it. Within one
boot the kernel's monotonic clock gives the length of the gap; after a power cycle only GPS can, with its first fix.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from logger.boundary.untrusted_json import loads
from logger.logfile.store import Log
from logger.recorder.pipeline import Pipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Position of a session's t_us = 0 on the clock that runs from power-on."""

    boot_id: str
    zero_us: int

    @classmethod
    def now(cls) -> Origin:
        """The origin of a session that begins now."""
        return cls(_boot_id(), time.monotonic_ns() // 1000)

    def t_us(self) -> int:
        """Session time: microseconds of the monotonic clock since the session began."""
        return time.monotonic_ns() // 1000 - self.zero_us


def state_text(pipeline: Pipeline, origin: Origin, t_us: int) -> str:
    """The state as text, for the log."""
    saved = {"boot_id": origin.boot_id, "boot_us": origin.zero_us + t_us, "live": pipeline.live.state()}
    return json.dumps(saved, separators=(",", ":"))


def resume(pipeline: Pipeline, opened: Log, origin: Origin) -> None:
    """Resume from the state of the log's last session and log an event. An unreadable state costs nothing else."""
    pipeline.begin_log(opened.channels)
    try:
        text = opened.state()
        if text is None:
            return
        saved = loads(text)
        gap_s = _gap_s(saved["boot_us"], origin) if saved["boot_id"] == origin.boot_id else None
        live = saved["live"]
        is_restored = pipeline.live.restore(live, gap_s)
    except (ValueError, TypeError, KeyError, RecursionError, sqlite3.Error):
        log.warning("%s: its state cannot be read: the stage begins again, all rows are kept", opened.path)
        return
    # A refused state is not repeated: it may hold anything, of any size.
    pipeline.event(0, "resumed", {"ok": is_restored, "gap_s": gap_s, "live": live if is_restored else None})


def _gap_s(boot_us: object, origin: Origin) -> float:
    """Seconds from a moment of this power-on to the session's t_us = 0; negative for a moment of the session.

    Raises ValueError for a moment outside this power-on.
    """
    if type(boot_us) is not int or not 0 <= boot_us <= origin.zero_us + origin.t_us():
        raise ValueError(f"{boot_us!r} is not a time of this power-on")
    return (origin.zero_us - boot_us) / 1e6


def _boot_id() -> str:
    """The kernel's identifier of this boot, which distinguishes a restart from a power cycle."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
