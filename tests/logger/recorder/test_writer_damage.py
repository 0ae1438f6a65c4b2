"""The writer with a log that SQLite reports as damaged: checked, resumed or quarantined."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from logger.logfile.rows import Rows
from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.recorder import writer as writers
from tests.field_failures.recorder_process import numbers
from tests.logger.logfile.rows_made import frames
from tests.logger.recorder.writing import count, eventually, new_log, reopen, running


def scribble(log: Log) -> bytes:
    """Overwrite every page but the first behind the connection's back; returns the earlier content."""
    log.write(frames(2000))
    log.commit()
    log._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = log.path.read_bytes()
    with log.path.open("r+b") as file:
        file.seek(1024)
        file.write(b"\xa5" * (len(sound) - 1024))
    log._connection.execute("PRAGMA cache_size = 0")
    return sound


def test_a_log_that_turns_out_damaged_is_quarantined_in_mid_drive(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = new_log(path)
    scribble(log)
    with running(log) as writer:
        for number in range(20):
            writer.put(frames(100, first=100 * number))
            time.sleep(0.02)
        assert eventually(lambda: writer.status().frames == 2000)
    assert count(path) == 2000
    assert (tmp_path / "a.db.damaged-1").exists()
    assert verify(path) == []


def test_a_sound_log_reported_as_damaged_once_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card returned bad data for a moment; its content is sound."""
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    path = tmp_path / "a.db"
    log = new_log(path)
    sound = scribble(log)
    whys = []

    def when_it_has_passed(lost: Log, damage_count: int, begins_us: int) -> Log:
        whys.append(damage_count)
        path.write_bytes(sound)
        return reopen(lost, damage_count, begins_us)

    with running(log, open_again=when_it_has_passed) as writer:
        writer.put(frames(500, first=2000))
        assert eventually(lambda: writer.status().frames == 500)
    assert whys == [1]
    assert numbers(path) == list(range(2500))
    assert not (tmp_path / "a.db.damaged-1").exists()
    assert count(path, "session") == 1
    assert verify(path) == []


def test_a_sound_log_reported_as_damaged_twice_is_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check finds nothing wrong, and a large log is not checked to its end: this would repeat forever."""
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    path = tmp_path / "a.db"
    write = Log.write

    def write_in_vain(log: Log, rows: Rows) -> None:
        if not (tmp_path / "a.db.damaged-1").exists():
            raise sqlite3.DatabaseError("database disk image is malformed")
        write(log, rows)

    log = new_log(path)
    monkeypatch.setattr(Log, "write", write_in_vain)
    with running(log) as writer:
        writer.put(frames(50))
        assert eventually(lambda: writer.status().frames == 50)
    assert numbers(path) == list(range(50))
    assert verify(tmp_path / "a.db.damaged-1") == []


class Impatient:
    """A timer that interrupts a connection as soon as it works, however fast the machine is."""

    def __init__(self, _after_s: float, interrupt: Any) -> None:
        self._connection: sqlite3.Connection = interrupt.__self__
        assert interrupt == self._connection.interrupt

    def start(self) -> None:
        self._connection.set_progress_handler(lambda: 1, 1)

    def cancel(self) -> None:
        self._connection.set_progress_handler(None, 1)

    def join(self) -> None:
        pass


def test_the_check_of_the_pages_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It saw no damage so far; SQLite reaches the first rows of a long log last."""
    log = new_log(tmp_path / "a.db")
    log.write(frames(10_000))
    log.commit()
    log._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with log.path.open("r+b") as file:
        file.seek(100 * 1024)
        file.write(b"\xa5" * 50 * 1024)
    log._connection.execute("PRAGMA cache_size = 0")
    with monkeypatch.context() as impatient:
        impatient.setattr(threading, "Timer", Impatient)
        log.refuse_damaged()
    with pytest.raises(sqlite3.DatabaseError):
        log.refuse_damaged()
    log.abandon()
