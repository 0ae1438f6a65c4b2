"""The writer: the one thread that owns the log.

Rows come in through a queue bounded by bytes; what does not fit is counted, said in the log itself and shown,
never dropped in silence. Rows are committed so that none waits longer than `max_loss_s` for the card,
the card's own slowness included. Trouble with the card (full, read-only, pulled) is survived: the rows wait in
the queue and are tried again, by a new connection where the present one is of no more use; a log that turns out
damaged is set aside and a fresh one takes over.
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
from logger.recorder.write_errors import Refusals
from logger.recorder.writer_status import WriterStatus

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


class Writer:
    """Takes rows from any thread, writes them in its own."""

    def __init__(
        self,
        first_log: Log,
        *,
        max_loss_s: float,
        open_again: Callable[[Log, int, int], Log],
        clock_us: Callable[[], int],
    ) -> None:
        """`open_again(lost, called_damaged, begins_us)` is `opening.open_again` for a log that has been abandoned.

        A session that is begun by it begins with the rows that wait, at `begins_us`. It may raise OSError.
        """
        self.max_loss_s = max_loss_s
        self._log = first_log
        self._is_open = True
        self._open_again = open_again
        self._refusals = Refusals()
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
        """Write and commit all that waits. False when the card refused; nothing is lost then.

        True as well when a new connection is there to be asked for the same.
        """
        if not self._is_open and not self._replace_log():
            return False
        taken = self._take_waiting()
        while taken:
            end = next((i for i, (_, item) in enumerate(taken) if isinstance(item, Log)), len(taken))
            gathered = Rows()
            for _, item in taken[:end]:
                if isinstance(item, Rows):
                    gathered.extend(item)
            try:
                self._store(gathered)
            except (OSError, sqlite3.Error) as error:
                self._put_back([(taken[0][0], gathered), *taken[end:]])
                return self._survive(error)
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

    def _take_waiting(self) -> list[tuple[float, Rows | Log]]:
        """The queue, empty from here on; what did not fit into it is told behind the rows of the present log."""
        with self._changed:
            self._taken_at = time.monotonic()
            taken = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            if not taken:
                return taken
            self._oldest = taken[0][0]
            if self._dropped:
                told = Rows(event=[EventRow(self._clock_us(), "dropped", dict(self._dropped))])
                at = next((i for i, (_, item) in enumerate(taken) if isinstance(item, Log)), len(taken))
                taken.insert(at, (self._taken_at, told))
                self._dropped = Counter()
        return taken

    def _store(self, gathered: Rows) -> None:
        if not len(gathered):
            return
        began = time.monotonic()
        self._log.require_place()
        self._log.write(gathered)
        self._log.commit()
        took = time.monotonic() - began
        # The slow rounds are the ones that lose rows: remembered at once, forgotten slowly.
        self._round_s = max(took, 0.9 * self._round_s)
        self._refusals.committed()
        with self._changed:
            self._counts.update(gathered.counts())
            self._commits += 1
            self._moved_at = time.monotonic()

    def _put_back(self, taken: list[tuple[float, Rows | Log]]) -> None:
        with self._changed:
            self._waiting.extendleft(reversed(taken))
            self._waiting_bytes = sum(
                item.weight_bytes for _, item in self._waiting if isinstance(item, Rows)
            )

    def _survive(self, error: Exception) -> bool:
        """Say what the card said, and open again where the connection is of no more use. True when that was done."""
        if is_damage(error):
            self._set_trouble(f"{self._log.path} is said to be damaged ({error}): looking at it once more")
        else:
            why = getattr(error, "strerror", None) or error
            self._set_trouble(
                f"cannot write {self._log.path}: {why}; free the disk or change the card, rows wait"
            )
        given_up = self._refusals.take(error, time.monotonic())
        try:
            self._log.rollback()
        except sqlite3.Error:
            given_up = True  # the rows would go in twice
        if not given_up:
            return False
        self._is_open = False
        self._log.abandon()
        return self._replace_log()

    def _replace_log(self) -> bool:
        """Open again what was given up. False when the card refuses that, too."""
        lost = self._log
        with self._changed:
            begins_us = next((item.begins_us for _, item in self._waiting if isinstance(item, Rows)), None)
        now_us = self._clock_us()
        try:
            found = self._open_again(
                lost, self._refusals.called_damaged, now_us if begins_us is None else begins_us
            )
        except (OSError, sqlite3.Error) as refusal:  # LogError among them
            self._set_trouble(str(refusal))
            return False
        self._log, self._is_open = found, True
        self._refusals.opened_again()
        if found.goes_on:
            self._forget_written(lost, found)
            reopened = Rows(event=[EventRow(now_us, "log_reopened", {"why": self._trouble})])
            with self._changed:
                self._waiting.append((time.monotonic(), reopened))
        return True

    def _forget_written(self, lost: Log, found: Log) -> None:
        """A commit that failed may be on the card all the same: then the first rows that wait are there already."""
        with self._changed:
            first = self._waiting[0][1] if self._waiting else None
            if isinstance(first, Rows) and found.ends in lost.tried:
                first.drop({table: found.ends[table] - end for table, end in lost.ends.items()})

    def _set_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.log(logging.ERROR if trouble else logging.INFO, trouble or "the log is being written again")
        self._trouble = trouble

    def _close_log(self) -> None:
        if not self._is_open:
            return
        try:
            self._log.close()
        except sqlite3.Error as error:
            self._set_trouble(f"{self._log.path} was not closed cleanly: {error}; the next start mends it")
            self._log.abandon()
