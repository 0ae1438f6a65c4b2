"""A writer with its thread and a real log."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from logger.logfile.open_or_quarantine import open_again, open_log
from logger.logfile.rows import Rows
from logger.logfile.store import Log
from logger.recorder.writer import Writer
from tests.logger.logfile.rows_made import META, START


def new_log(path: Path) -> Log:
    """A log with a session."""
    log, _ = open_log(path)
    log.begin_session(START, META)
    return log


def reopen(lost: Log, damage_count: int, _begins_us: int) -> Log:
    """The writer's `open_again`, without first rows."""
    return open_again(lost, lambda _quarantined: Rows(), called_damaged=damage_count)[0]


@contextmanager
def running(
    log: Log, max_loss_s: float = 0.2, open_again: Callable[[Log, int, int], Log] = reopen
) -> Iterator[Writer]:
    """A writer whose thread runs during the body."""
    writer = Writer(log, max_loss_s=max_loss_s, open_again=open_again, clock_us=lambda: 0)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield writer
    finally:
        writer.close()
        thread.join(60)
        assert not thread.is_alive()


def count(path: Path, table: str = "frame") -> int:
    """Number of committed rows."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> bool:
    """Wait for a condition; return whether it holds in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False
