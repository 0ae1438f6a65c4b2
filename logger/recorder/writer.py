"""The writer thread: owns the log, queues rows within a byte limit, and commits them in time.

Rows that do not fit into the queue are dropped, counted, logged and shown. No row waits longer than `max_loss_s` for
the card, including the time of a slow card. While the card fails (full, read-only, unplugged) the rows wait in the
queue and are retried, on a new connection where the old one is unusable. A log that turns out damaged is quarantined
and a new one takes over.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from logger.logfile.open_or_quarantine import is_damage
from logger.logfile.rows import EventRow, Rows
from logger.logfile.store import Log
from logger.recorder.commit_schedule import MIN_INTERVAL_S, CommitSchedule
from logger.recorder.write_errors import WriteErrors
from logger.recorder.writer_status import WriterStatus

log = logging.getLogger(__name__)

QUEUE_BYTES = 32 * 1024 * 1024
"""Maximum size of the queue: about 18 s of a saturated 1 Mbit/s bus, and a third of the recorder's memory limit."""
_RETRY_S = 1.0
"""Interval between tries after an error."""
_STUCK_S = 2.0
"""A card that has stored nothing for this long is stuck, not slow."""
_BATCH_BYTES = 4 * 1024 * 1024
"""Queued rows of this size are written at once: bounds how long a lock is held, and what a retry repeats."""


class Writer:
    """Takes rows from any thread and writes them in its own."""

    def __init__(
        self,
        first_log: Log,
        *,
        max_loss_s: float,
        open_again: Callable[[Log, int, int], Log],
        clock_us: Callable[[], int],
    ) -> None:
        """`open_again(lost, damage_count, begins_us)` is `open_or_quarantine.open_again` for an abandoned log.

        A session that it begins starts with the queued rows, at `begins_us`. It may raise OSError.
        """
        self.max_loss_s = max_loss_s
        self.schedule = CommitSchedule(max_loss_s)
        self._log = first_log
        self._is_open = True
        self._open_again = open_again
        self._errors = WriteErrors()
        self._clock_us = clock_us
        self._waiting: deque[tuple[float, Rows | Log]] = deque()
        self._waiting_bytes = 0
        self._writing_bytes = 0
        """Rows that the thread has taken and not stored yet: they count for the queue's limit, also between tries."""
        self._changed = threading.Condition()
        self._closing = False
        self._dropped: Counter[str] = Counter()
        self._dropped_total = 0
        self._oldest_s: float | None = None
        self._commit_s = 0.0
        self._taken_at_s = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._commits = 0
        self._trouble = ""
        self._stored_at_s = time.monotonic()
        self.rounds = 0
        """Increases while the thread runs, for the watchdog."""

    # -- any thread -------------------------------------------------------------------------------------

    def put(self, rows: Rows) -> bool:
        """Queue rows. False if the queue was full: the rows are dropped and counted."""
        if not len(rows):
            return True
        weight = rows.weight_bytes
        with self._changed:
            if self._waiting_bytes + self._writing_bytes + weight > QUEUE_BYTES:
                self._dropped.update(rows.counts())
                self._dropped_total += len(rows)
                return False
            self._waiting.append((time.monotonic(), rows))
            self._waiting_bytes += weight
            if self._waiting_bytes > _BATCH_BYTES:
                self._changed.notify()
        return True

    def is_crowded(self) -> bool:
        """Whether rows arrive faster than a working card stores them.

        The decoder then waits: undecoded bytes need a tenth of the memory. It does not wait for a stuck card: the
        crew's figures must continue, and rows that do not fit are counted.
        """
        with self._changed:
            is_working = time.monotonic() - self._stored_at_s < _STUCK_S
            return is_working and self._waiting_bytes + self._writing_bytes > QUEUE_BYTES // 2

    def change_log(self, next_log: Log) -> None:
        """Direct rows from now on into another log; rows already queued still go to the present one."""
        with self._changed:
            self._queue_loss()  # in the log that lacks the rows
            self._waiting.append((time.monotonic(), next_log))
            self._changed.notify()

    def close(self) -> None:
        """Make the thread write the queue, close the log and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def status(self) -> WriterStatus:
        """The present state, as one immutable value."""
        with self._changed:
            oldest_s = self._oldest_s
            if oldest_s is None and self._waiting:
                oldest_s = self._waiting[0][0]
            return WriterStatus(
                path=self._log.path,
                session=self._log.session,
                rows=sum(self._counts.values()),
                frames=self._counts["frame"],
                fixes=self._counts["fix"],
                lag_s=0.0 if oldest_s is None else time.monotonic() - oldest_s,
                dropped=self._dropped_total,
                commits=self._commits,
                trouble=self._trouble,
            )

    # -- the writer's own thread ------------------------------------------------------------------------

    def run(self) -> None:
        """The thread's body: until `close`, and then until the queue is empty or the card refuses."""
        while True:
            self.rounds += 1
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or self._has_batch(), timeout=self._commit_delay_s()
                )
                closing = self._closing
            written = self._write_waiting()
            if closing and not (written and (self._waiting or self._dropped)):
                break
        self._close_log()

    def _has_batch(self) -> bool:
        return not self._trouble and self._waiting_bytes > _BATCH_BYTES

    def _commit_delay_s(self) -> float:
        """Time until the next commit."""
        if self._trouble:
            return _RETRY_S
        if not self._commits:
            return MIN_INTERVAL_S  # the first rows prove that the log works: the crew needs to know at once
        return self.schedule.delay_s(self._commit_s, time.monotonic() - self._taken_at_s)

    def _write_waiting(self) -> bool:
        """Write and commit the queue. False if the card refused; no row is lost then.

        True also if a new connection is open and the same rows are to be tried again.
        """
        if not self._is_open and not self._replace_log():
            return False
        taken = self._take_waiting()
        while taken:
            end = next((i for i, (_, item) in enumerate(taken) if isinstance(item, Log)), len(taken))
            rows = Rows()
            for _, item in taken[:end]:
                if isinstance(item, Rows):
                    rows.extend(item)
            try:
                self._store(rows)
            except (OSError, sqlite3.Error) as error:
                self._put_back([(taken[0][0], rows), *taken[end:]])
                return self._handle_error(error)
            if end < len(taken):
                next_log = taken[end][1]
                assert isinstance(next_log, Log)  # noqa: S101 - `end` is the index of a Log
                self._close_log()
                self._log = next_log
            taken = taken[end + 1 :]
        with self._changed:
            self._oldest_s = None
            self._writing_bytes = 0
        self._set_trouble("")
        return True

    def _take_waiting(self) -> list[tuple[float, Rows | Log]]:
        """Take the whole queue."""
        with self._changed:
            if not self._trouble:  # else every try on a card that stays full would add a row
                self._queue_loss()
            self._taken_at_s = time.monotonic()
            taken = list(self._waiting)
            self._waiting.clear()
            self._writing_bytes, self._waiting_bytes = self._waiting_bytes, 0
            if taken:
                self._oldest_s = taken[0][0]
        return taken

    def _queue_loss(self) -> None:
        """Queue the count of the rows dropped so far. The caller holds the lock."""
        if self._dropped:
            loss = Rows(event=[EventRow(self._clock_us(), "dropped", dict(self._dropped))])
            self._waiting.append((time.monotonic(), loss))
            self._waiting_bytes += loss.weight_bytes
            self._dropped = Counter()

    def _store(self, rows: Rows) -> None:
        if not len(rows):
            return
        began_s = time.monotonic()
        self._log.require_same_file()
        self._log.write(rows)
        self._log.commit()
        took_s = time.monotonic() - began_s
        # Slow commits lose rows: remember one at once, forget it slowly.
        self._commit_s = max(took_s, 0.9 * self._commit_s)
        self._errors.committed()
        with self._changed:
            self._counts.update(rows.counts())
            self._commits += 1
            self._stored_at_s = time.monotonic()

    def _put_back(self, taken: list[tuple[float, Rows | Log]]) -> None:
        with self._changed:
            self._waiting.extendleft(reversed(taken))
            self._waiting_bytes = sum(
                item.weight_bytes for _, item in self._waiting if isinstance(item, Rows)
            )
            self._writing_bytes = 0

    def _handle_error(self, error: Exception) -> bool:
        """Report the error, and reopen the log if its connection is unusable. Whether it was reopened."""
        if is_damage(error):
            self._set_trouble(f"{self._log.path} is reported as damaged ({error}): checking it again")
        else:
            why = getattr(error, "strerror", None) or error
            self._set_trouble(
                f"cannot write {self._log.path}: {why}; free the disk or change the card, rows wait"
            )
        is_given_up = self._errors.take(error, time.monotonic())
        try:
            self._log.rollback()
        except sqlite3.Error:
            is_given_up = True  # the rows would go in twice
        if not is_given_up:
            return False
        self._is_open = False
        self._log.abandon()
        return self._replace_log()

    def _replace_log(self) -> bool:
        """Reopen a log that was given up. False if the card still refuses."""
        lost = self._log
        with self._changed:
            begins_us = next((item.begins_us for _, item in self._waiting if isinstance(item, Rows)), None)
        now_us = self._clock_us()
        try:
            reopened = self._open_again(
                lost, self._errors.damage_count, now_us if begins_us is None else begins_us
            )
        except (OSError, sqlite3.Error) as refusal:  # LogError among them
            self._set_trouble(str(refusal))
            return False
        self._log, self._is_open = reopened, True
        self._errors.opened_again()
        if reopened.is_resumed:
            self._forget_written(lost, reopened)
            event = Rows(event=[EventRow(now_us, "log_reopened", {"why": self._trouble})])
            with self._changed:
                self._waiting.append((time.monotonic(), event))
        return True

    def _forget_written(self, lost: Log, reopened: Log) -> None:
        """Drop queued rows that are already in the log: a commit that failed may have reached the card."""
        with self._changed:
            first = self._waiting[0][1] if self._waiting else None
            if isinstance(first, Rows) and reopened.ends in lost.unconfirmed_ends:
                first.drop({table: reopened.ends[table] - end for table, end in lost.ends.items()})

    def _set_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.log(logging.ERROR if trouble else logging.INFO, trouble or "the log can be written again")
        self._trouble = trouble

    def _close_log(self) -> None:
        if not self._is_open:
            return
        try:
            self._log.close()
        except sqlite3.Error as error:
            self._set_trouble(f"{self._log.path} was not closed cleanly: {error}; the next start repairs it")
            self._log.abandon()
