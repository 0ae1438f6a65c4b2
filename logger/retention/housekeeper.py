"""The recorder's housekeeper: looks every few seconds how much room is left, and makes some if need be.

`run` is the body of a thread that the daemon starts; nothing waits for it but a change of the stage. The rule is in
rule.py, the folder in shelf.py. Whatever the card does is survived, and said once.
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

from logger.retention.log_directory import Reach, Shelf, is_protected, name_in_words, size_bytes
from logger.retention.rule import Stored, choose, may_go, room_h
from logger.transfer.slow_delete import REMOVE_PAUSE_S

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""A saturated bus fills 4 MB in this time."""
SURVEY_S = 60.0
"""How often the folder is looked through while nothing presses: what has been downloaded since, what may go."""
COOL_S = 60.0
"""After a removal: the room of a log that somebody is still reading comes back only when they are done."""
MEASURE_S = 20.0
"""So long a log grows before its pace is believed. Its WAL makes the pace look too high at first, never too low."""
BEGIN_BYTES = 16 * 1024 * 1024
"""With less room than this something is removed before a log is begun; otherwise the start does not wait."""


class Removed(NamedTuple):
    """A log that had to go; `why` is "downloaded" or "last resort"."""

    name: str
    size_bytes: int
    why: str


class Housekeeper:
    """Keeps `min_free_bytes` free in `folder`.

    `delivered` tells how far each log has been downloaded, by name; `in_use` names the logs that are being
    recorded; `tell` takes each log that was removed.
    """

    def __init__(
        self,
        folder: Path,
        min_free_bytes: int,
        *,
        last_resort: bool,
        delivered: Callable[[], Mapping[str, Collection[Reach]]],
        in_use: Callable[[], Collection[Path]],
        tell: Callable[[Removed], None],
    ) -> None:
        self.room_h: float | None = None
        """Hours of recording for which there is room, what may be removed included; None: not known yet. Any thread."""
        self._shelf = Shelf(folder)
        self._min_free_bytes, self._last_resort = min_free_bytes, last_resort
        self._delivered, self._in_use, self._tell = delivered, in_use, tell
        self._removing = threading.Lock()
        self._logs: list[Stored] = []
        self._surveyed_s = self._removed_s = float("-inf")
        self._growth: tuple[Path, float, int] | None = None
        self._trouble = ""
        self._stuck: set[Path] = set()  # the card refuses to let go of them; each was said
        self._pause_s = 0.0
        """Between the steps of a removal: nothing is recorded that would need it, until the thread runs."""

    def run(self, stop: threading.Event) -> None:
        """The thread's body, until `stop`."""
        self._pause_s = REMOVE_PAUSE_S
        while not stop.is_set():
            for removed in self.look(self._min_free_bytes):
                self._tell(removed)
            stop.wait(LOOK_S)

    def before_first_log(self) -> list[Removed]:
        """Make room where a log could hardly be begun; a glance and no more on any other day. Returns what went."""
        if _free_bytes(self._shelf.folder) >= BEGIN_BYTES:
            return []
        return self.look(min(BEGIN_BYTES, self._min_free_bytes))

    def look(self, free_bytes_wanted: int) -> list[Removed]:
        """One round: see how much room there is, and make some if it is less than wanted. Returns what went.

        Never raises OSError.
        """
        removed: list[Removed] = []
        trouble = ""
        try:
            self._look(free_bytes_wanted, time.monotonic(), removed)
        except OSError as error:
            trouble = f"{self._shelf.folder}: no room can be made: {error.strerror or error}"
        if trouble and trouble != self._trouble:
            log.error(trouble)
        self._trouble = trouble
        return removed

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Nothing is removed while the body lasts: for whoever chooses a log and opens it."""
        with self._removing:
            yield

    def _look(self, wanted: int, now_s: float, removed: list[Removed]) -> None:
        free = shutil.disk_usage(self._shelf.folder).free
        is_short = free < wanted and now_s - self._removed_s >= COOL_S
        if is_short or now_s - self._surveyed_s >= SURVEY_S:
            self._surveyed_s = now_s
            self._shelf.sweep()
            self._logs = self._shelf.survey(self._delivered())
        if is_short:
            self._make_room(wanted - free, now_s, removed)
            free = shutil.disk_usage(self._shelf.folder).free
        in_use = {*self._in_use(), *self._stuck}
        spare = sum(
            stored.size_bytes for stored in self._logs if stored.is_delivered and may_go(stored, in_use)
        )
        largest = max((stored.size_bytes for stored in self._logs), default=0)
        self.room_h = room_h(free - self._min_free_bytes + spare, self._growth_bytes_h(now_s), largest)

    def _make_room(self, need_bytes: int, now_s: float, removed: list[Removed]) -> None:
        stays: set[Path] = set()
        while chosen := choose(
            self._logs, {*self._in_use(), *stays}, need_bytes, last_resort=self._last_resort
        ):
            for each in chosen:
                if self._remove(each):
                    need_bytes -= each.size_bytes
                    self._removed_s = now_s
                    self._logs.remove(each)
                    removed.append(Removed(name_in_words(each.path), each.size_bytes, _why(each)))
                else:
                    stays.add(each.path)  # another one may go in its stead

    def _remove(self, chosen: Stored) -> bool:
        """False when it stays after all: things may have changed since the choice was made, or the card refuses."""
        try:
            with self._removing:
                if chosen.path in self._in_use() or is_protected(chosen.path):
                    return False
                nameless = self._shelf.remove(chosen.path, _why(chosen))
        except OSError as error:
            if chosen.path not in self._stuck:
                hint = "`lsattr` and `ls -l` say why"
                log.warning(
                    "%s: cannot be removed: %s; %s", name_in_words(chosen.path), error.strerror or error, hint
                )
            self._stuck.add(chosen.path)
            return False
        self._stuck.discard(chosen.path)
        with suppress(OSError):  # closed, it is freed anyhow
            nameless.free(self._pause_s)  # takes seconds, for which a change of the stage need not wait
        log.warning("%s: removed to make room (%s)", name_in_words(chosen.path), _why(chosen))
        return True

    def _growth_bytes_h(self, now_s: float) -> float | None:
        """How fast the present log has grown since it was first looked at."""
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
        return float("inf")  # not there yet: whoever makes it will say what is wrong with it
