"""The writer: the one thread that owns the log.

Rows come in through a queue bounded by bytes; what does not fit is counted, said in the log itself and shown,
never dropped in silence. Rows are committed so that none waits longer than `max_loss_s` for the card,
the card's own slowness included. Trouble with the card (full, read-only, pulled) is survived: the rows wait in
the queue and are tried again; a log that turns out damaged is set aside and a fresh one takes over.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from logger.recording.opening import is_damage
from logger.recording.rows import EventRow, Rows
from logger.recording.store import Log

log = logging.getLogger(__name__)

QUEUE_BYTES = 32 * 1024 * 1024
"""Rows that may wait: about 18 s of a saturated 1 Mbit/s bus, and a third of what the recorder may occupy."""
_RETRY_S = 1.0
"""A card that refuses is asked again this often."""
_SYNC_SHARE = 0.9
"""Share of `max_loss_s` within which rows are on the card; the rest is for the way to the writer. How long writing
takes is measured and taken off, and so is what has passed since the first of the rows can have come."""
_SOONEST_S = 0.1
"""However slow the card, rows are gathered this long: committing more often would only make it slower."""
_STUCK_S = 2.0
"""A card that has taken nothing for so long is stuck, not slow."""
_BATCH_BYTES = 4 * 1024 * 1024
"""Rows inserted at a time: bounds the time that the queue's lock and a retry cover."""


@dataclass(frozen=True, slots=True)
class WriterStatus:
    """The writer as others see it. `lag_s` is the age of the oldest row that is not on the card."""

    path: Path
    session: int
    rows: int
    frames: int
    fixes: int
    lag_s: float
    dropped: int
    commits: int
    trouble: str

    @property
    def ok(self) -> bool:
        """Whether rows reach the card."""
        return not self.trouble


class Writer:
    """Takes rows from any thread, writes them in its own."""

    def __init__(
        self,
        first_log: Log,
        *,
        max_loss_s: float,
        fresh_log: Callable[[Path], Log],
        clock_us: Callable[[], int],
    ) -> None:
        """`fresh_log(path)` sets a damaged log aside and returns a new one with its session begun."""
        self.max_loss_s = max_loss_s
        self._log = first_log
        self._fresh_log = fresh_log
        self._clock_us = clock_us
        self._waiting: deque[tuple[float, Rows | Log]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._dropped: Counter[str] = Counter()
        self._dropped_total = 0
        self._oldest: float | None = None
        self._round_s = 0.0
        self._taken_at = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._commits = 0
        self._trouble = ""
        self._moved_at = time.monotonic()
        self.rounds = 0
        """Grows as long as the thread goes round; a watchdog looks at it."""

    # -- any thread -------------------------------------------------------------------------------------

    def put(self, rows: Rows) -> bool:
        """Queue rows; False when the queue was full and they were counted as dropped instead."""
        if not len(rows):
            return True
        weight = rows.weight_bytes
        with self._changed:
            if self._waiting_bytes + weight > QUEUE_BYTES:
                self._dropped.update(rows.counts())
                self._dropped_total += len(rows)
                return False
            self._waiting.append((time.monotonic(), rows))
            self._waiting_bytes += weight
            if self._waiting_bytes > _BATCH_BYTES:
                self._changed.notify()
        return True

    def is_crowded(self) -> bool:
        """Whether rows come faster than the card takes them, though it does take them.

        Whoever decodes had better wait then: undecoded bytes need a tenth of the memory. A card that takes nothing
        at all is another matter: the crew's figures must go on, and what does not fit is counted.
        """
        with self._changed:
            moving = time.monotonic() - self._moved_at < _STUCK_S
            return moving and self._waiting_bytes > QUEUE_BYTES // 2

    def change_log(self, log_to_follow: Log) -> None:
        """From here on rows go to another log; those already queued still go to the present one."""
        with self._changed:
            self._waiting.append((time.monotonic(), log_to_follow))
            self._changed.notify()

    def close(self) -> None:
        """Ask the thread to write what is queued, close the log and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def status(self) -> WriterStatus:
        """The present state, as one immutable value."""
        with self._changed:
            first = (
                self._oldest if self._oldest is not None else (self._waiting[0][0] if self._waiting else None)
            )
            return WriterStatus(
                path=self._log.path,
                session=self._log.session,
                rows=sum(self._counts.values()),
                frames=self._counts["frame"],
                fixes=self._counts["fix"],
                lag_s=0.0 if first is None else time.monotonic() - first,
                dropped=self._dropped_total,
                commits=self._commits,
                trouble=self._trouble,
            )

    # -- the writer's own thread ------------------------------------------------------------------------

    def run(self) -> None:
        """The thread's body: until `close`, and then until nothing waits or the card refuses for good."""
        while True:
            self.rounds += 1
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._heavy(), timeout=self._patience_s())
                closing = self._closing
            written = self._write_waiting()
            if closing and (not self._waiting or not written):
                break
        self._close_log()

    def _heavy(self) -> bool:
        return not self._trouble and self._waiting_bytes > _BATCH_BYTES

    def _patience_s(self) -> float:
        """How long rows may gather before the next commit."""
        if self._trouble:
            return _RETRY_S
        if not self._commits:
            return _SOONEST_S  # the first rows prove that the log is there: the crew wants to know at once
        waited_s = time.monotonic() - self._taken_at
        return max(_SOONEST_S, self.max_loss_s * _SYNC_SHARE - self._round_s - waited_s)

    def _write_waiting(self) -> bool:
        """Write and commit all that waits. False when the card refused; nothing is lost then."""
        taken: list[tuple[float, Rows | Log]] = []
        with self._changed:
            self._taken_at = time.monotonic()
            taken.extend(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            if taken:
                self._oldest = taken[0][0]
            dropped = self._dropped if taken else Counter()
            self._dropped = Counter() if taken else self._dropped
        while taken:
            end = next((i for i, (_, item) in enumerate(taken) if isinstance(item, Log)), len(taken))
            rows = [item for _, item in taken[:end] if isinstance(item, Rows)]
            try:
                self._store(rows, dropped)
            except sqlite3.Error as error:
                self._put_back(taken, dropped)
                self._survive(error)
                return False
            dropped = Counter()
            if end < len(taken):
                follower = taken[end][1]
                assert isinstance(follower, Log)  # noqa: S101 - `end` was found by this very test
                self._close_log()
                self._log = follower
            taken = taken[end + 1 :]
        with self._changed:
            self._oldest = None
        self._set_trouble("")
        return True

    def _store(self, batches: list[Rows], dropped: Counter[str]) -> None:
        gathered = Rows()
        for rows in batches:
            gathered.extend(rows)
        if dropped:
            gathered.event.append(EventRow(self._clock_us(), "dropped", dict(dropped)))
        if not len(gathered):
            return
        began = time.monotonic()
        self._log.write(gathered)
        self._log.commit()
        took = time.monotonic() - began
        # The slow rounds are the ones that lose rows: remembered at once, forgotten slowly.
        self._round_s = max(took, 0.9 * self._round_s)
        with self._changed:
            self._counts.update(gathered.counts())
            self._commits += 1
            self._moved_at = time.monotonic()

    def _put_back(self, taken: list[tuple[float, Rows | Log]], dropped: Counter[str]) -> None:
        with self._changed:
            self._waiting.extendleft(reversed(taken))
            self._waiting_bytes = sum(
                item.weight_bytes for _, item in self._waiting if isinstance(item, Rows)
            )
            self._dropped += dropped

    def _survive(self, error: sqlite3.Error) -> None:
        try:
            self._log.rollback()
        except sqlite3.Error as further:
            error = error if is_damage(error) else further
        if is_damage(error):
            self._set_trouble(f"the log is damaged ({error}): setting it aside")
            self._log.abandon()
            try:
                self._log = self._fresh_log(self._log.path)
            except (OSError, sqlite3.Error) as refusal:  # LogError among them
                self._set_trouble(str(refusal))
            return
        self._set_trouble(
            f"cannot write {self._log.path}: {error}; free the disk or change the card, rows wait"
        )

    def _set_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.log(logging.ERROR if trouble else logging.INFO, trouble or "the log is being written again")
        self._trouble = trouble

    def _close_log(self) -> None:
        try:
            self._log.close()
        except sqlite3.Error as error:
            self._set_trouble(f"{self._log.path} was not closed cleanly: {error}; the next start mends it")
            self._log.abandon()
