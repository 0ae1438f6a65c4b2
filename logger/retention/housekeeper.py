"""Keep free space on the card: check it every few seconds and remove old logs when it runs low.

`run` is the body of a thread that the daemon starts; only a change of stage waits for it. The rule is in rule.py, the
directory in log_directory.py. Disk errors never stop it; each is logged once.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from logger.retention.log_directory import LogDirectory, Reach, is_protected, printable_name, size_bytes
from logger.retention.rule import Stored, choose, may_go, room_h
from logger.transfer.slow_delete import REMOVE_PAUSE_S

log = logging.getLogger(__name__)

CHECK_S = 5.0
"""Interval between checks: a saturated bus fills 4 MB in this time."""
SURVEY_S = 60.0
"""Interval between surveys of the directory while space suffices: what has been downloaded, what may be removed."""
COOL_S = 60.0
"""Pause after a removal: the space of a log that a process still reads is freed only when it closes the log."""
MEASURE_S = 20.0
"""Time over which a log's growth is measured. Its WAL makes the rate look too high at first, never too low."""
BEGIN_BYTES = 16 * 1024 * 1024
"""With less space than this a log is removed before a new one begins; otherwise the start does not wait."""


class Removed(NamedTuple):
    """A log that was removed; `why` is "downloaded" or "last resort"."""

    name: str
    size_bytes: int
    why: str


class Housekeeper:
    """Keeps `min_free_bytes` free in `folder`.

    `delivered` returns how far each log has been downloaded, by name; `in_use` the paths of the logs that are being
    recorded; `on_removed` takes each log that was removed.
    """

    def __init__(
        self,
        folder: Path,
        min_free_bytes: int,
        *,
        last_resort: bool,
        delivered: Callable[[], Mapping[str, Collection[Reach]]],
        in_use: Callable[[], Collection[Path]],
        on_removed: Callable[[Removed], None],
    ) -> None:
        self.room_h: float | None = None
        """Hours of recording that still fit, counting what may be removed; None while unknown. Any thread."""
        self._directory = LogDirectory(folder)
        self._min_free_bytes, self._last_resort = min_free_bytes, last_resort
        self._delivered, self._in_use, self._on_removed = delivered, in_use, on_removed
        self._removing = threading.Lock()
        self._logs: list[Stored] = []
        self._surveyed_s = self._removed_s = float("-inf")
        self._growth: tuple[Path, float, int] | None = None
        self._trouble = ""
        self._stuck: set[Path] = set()  # logs that cannot be removed; each was logged
        self._pause_s = 0.0
        """Pause between the steps of a removal: 0 until the thread runs, because nothing is recorded before."""

    def run(self, stop: threading.Event) -> None:
        """The thread's body, until `stop`."""
        self._pause_s = REMOVE_PAUSE_S
        while not stop.is_set():
            for removed in self.check(self._min_free_bytes):
                self._on_removed(removed)
            stop.wait(CHECK_S)

    def before_first_log(self) -> list[Removed]:
        """Make room if a log could hardly be begun; otherwise only checks the free space. Returns the removed logs."""
        if _free_bytes(self._directory.folder) >= BEGIN_BYTES:
            return []
        return self.check(min(BEGIN_BYTES, self._min_free_bytes))

    def check(self, free_bytes_wanted: int) -> list[Removed]:
        """One round: check the free space, and remove logs if it is less than wanted. Returns the removed logs."""
        removed: list[Removed] = []
        trouble = ""
        try:
            self._check(free_bytes_wanted, time.monotonic(), removed)
        except OSError as error:
            trouble = f"{self._directory.folder}: cannot free space: {error.strerror or error}"
        if trouble and trouble != self._trouble:
            log.error(trouble)
        self._trouble = trouble
        return removed

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Suspend removals during the body, for choosing and opening a log."""
        with self._removing:
            yield

    def _check(self, wanted: int, now_s: float, removed: list[Removed]) -> None:
        free = shutil.disk_usage(self._directory.folder).free
        is_short = free < wanted and now_s - self._removed_s >= COOL_S
        if is_short or now_s - self._surveyed_s >= SURVEY_S:
            self._surveyed_s = now_s
            self._directory.sweep()
            self._logs = self._directory.survey(self._delivered())
        if is_short:
            self._make_room(wanted - free, now_s, removed)
            free = shutil.disk_usage(self._directory.folder).free
        in_use = {*self._in_use(), *self._stuck}
        spare = sum(
            stored.size_bytes for stored in self._logs if stored.is_delivered and may_go(stored, in_use)
        )
        largest = max((stored.size_bytes for stored in self._logs), default=0)
        self.room_h = room_h(free - self._min_free_bytes + spare, self._growth_bytes_h(now_s), largest)

    def _make_room(self, need_bytes: int, now_s: float, removed: list[Removed]) -> None:
        kept: set[Path] = set()
        while chosen := choose(
            self._logs, {*self._in_use(), *kept}, need_bytes, last_resort=self._last_resort
        ):
            for stored in chosen:
                if self._remove(stored):
                    need_bytes -= stored.size_bytes
                    self._removed_s = now_s
                    self._logs.remove(stored)
                    removed.append(Removed(printable_name(stored.path), stored.size_bytes, _why(stored)))
                else:
                    kept.add(stored.path)  # choose another one

    def _remove(self, chosen: Stored) -> bool:
        """Remove a log. False if it must stay after all: its state changed since the choice, or the card refuses."""
        try:
            with self._removing:
                if chosen.path in self._in_use() or is_protected(chosen.path):
                    return False
                unlinked = self._directory.remove(chosen.path, _why(chosen))
        except OSError as error:
            if chosen.path not in self._stuck:
                hint = "`lsattr` and `ls -l` show why"
                log.warning(
                    "%s: cannot be removed: %s; %s",
                    printable_name(chosen.path),
                    error.strerror or error,
                    hint,
                )
            self._stuck.add(chosen.path)
            return False
        self._stuck.discard(chosen.path)
        with suppress(OSError):  # closing the file frees it anyway
            unlinked.free(
                self._pause_s
            )  # takes seconds; outside the lock, so a change of stage does not wait
        log.warning("%s: removed to make room (%s)", printable_name(chosen.path), _why(chosen))
        return True

    def _growth_bytes_h(self, now_s: float) -> float | None:
        """Growth of the present log in bytes per hour; None until MEASURE_S after its first measurement."""
        paths = self._in_use()
        if self._growth is None or self._growth[0] not in paths:
            path = next(iter(paths), None)
            self._growth = None if path is None else (path, now_s, size_bytes(path))
        if self._growth is None or now_s - self._growth[1] < MEASURE_S:
            return None
        path, since_s, size = self._growth
        return (size_bytes(path) - size) / (now_s - since_s) * 3600


def _why(chosen: Stored) -> str:
    return "downloaded" if chosen.is_delivered else "last resort"


def _free_bytes(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return float("inf")  # not created yet: creating it reports what is wrong
