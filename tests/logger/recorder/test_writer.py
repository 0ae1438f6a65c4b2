"""The writer: rows in, committed rows out, whatever the card does."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.records import Channel, Reading
from logger.logfile.open_or_quarantine import open_again, open_log
from logger.logfile.rows import Rows
from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.recorder import write_errors
from logger.recorder import writer as writers
from logger.recorder.writer import Writer
from tests.field_failures.recorder_process import numbers
from tests.logger.logfile.rows_made import META, START, drive, frames


def begun(path: Path) -> Log:
    log, _ = open_log(path)
    log.begin_session(START, META)
    return log


def again(lost: Log, damage_count: int, _begins_us: int) -> Log:
    return open_again(lost, lambda _aside: Rows(), called_damaged=damage_count)[0]


@contextmanager
def running(
    log: Log, max_loss_s: float = 0.2, open_again: Callable[[Log, int, int], Log] = again
) -> Iterator[Writer]:
    writer = Writer(log, max_loss_s=max_loss_s, open_again=open_again, clock_us=lambda: 0)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield writer
    finally:
        writer.close()
        thread.join(10)
        assert not thread.is_alive()


def count(path: Path, table: str = "frame") -> int:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_rows_are_committed_without_a_request(tmp_path: Path) -> None:
    with running(begun(tmp_path / "a.db")) as writer:
        writer.put(frames(10))
        assert eventually(lambda: count(tmp_path / "a.db") == 10)
        assert eventually(lambda: writer.status().lag_s == 0.0)
        assert writer.status().frames == 10
    assert not (tmp_path / "a.db-wal").exists()


def test_closing_drains(tmp_path: Path) -> None:
    with running(begun(tmp_path / "a.db"), max_loss_s=60) as writer:
        for number in range(100):
            assert writer.put(frames(50, first=50 * number))
    assert count(tmp_path / "a.db") == 5000
    assert verify(tmp_path / "a.db") == []


def test_rows_that_do_not_fit_are_counted_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "QUEUE_BYTES", 250_000)
    log = begun(tmp_path / "a.db")
    blocker = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with running(log) as writer:
        accepted = sum(writer.put(frames(100, first=100 * n)) for n in range(100))
        assert accepted < 100
        assert writer.status().dropped == 100 * (100 - accepted)
        blocker.execute("ROLLBACK")
        blocker.close()
        assert eventually(lambda: count(tmp_path / "a.db") == 100 * accepted)
        assert eventually(lambda: count(tmp_path / "a.db", "event") == 1)
    connection = sqlite3.connect(tmp_path / "a.db")
    assert connection.execute("SELECT kind, detail FROM event").fetchall() == [
        ("dropped", f'{{"frame":{100 * (100 - accepted)}}}')
    ]
    connection.close()


def test_writing_is_retried_while_the_card_refuses_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    log = begun(tmp_path / "a.db")
    with running(log) as writer:
        writer.put(drive())
        assert eventually(lambda: count(tmp_path / "a.db") == 3)
        log._connection.execute("PRAGMA max_page_count = 20")  # a full disk, as SQLite reports it
        writer.put(frames(5000, first=3))
        assert eventually(lambda: "full" in writer.status().trouble)
        assert not writer.status().ok
        assert writer.status().lag_s > 0
        log._connection.execute("PRAGMA max_page_count = 1000000")
        assert eventually(lambda: count(tmp_path / "a.db") == 5003)
        assert writer.status().ok
    assert verify(tmp_path / "a.db") == []


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
    log = begun(path)
    scribble(log)
    with running(log) as writer:
        for number in range(20):
            writer.put(frames(100, first=100 * number))
            time.sleep(0.02)
        assert eventually(lambda: count(path) == 2000)
    assert (tmp_path / "a.db.damaged-1").exists()
    assert verify(path) == []


def test_a_sound_log_reported_as_damaged_once_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card returned bad data for a moment; its content is sound."""
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    path = tmp_path / "a.db"
    log = begun(path)
    sound = scribble(log)
    whys = []

    def when_it_has_passed(lost: Log, damage_count: int, begins_us: int) -> Log:
        whys.append(damage_count)
        path.write_bytes(sound)
        return again(lost, damage_count, begins_us)

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

    log = begun(path)
    monkeypatch.setattr(Log, "write", write_in_vain)
    with running(log) as writer:
        writer.put(frames(50))
        assert eventually(lambda: writer.status().frames == 50)
    assert numbers(path) == list(range(50))
    assert verify(tmp_path / "a.db.damaged-1") == []


class Impatient(threading.Thread):
    """A timer that fires immediately, until it is cancelled."""

    def __init__(self, _after_s: float, act: Callable[[], None]) -> None:
        super().__init__()
        self._act, self._cancelled = act, threading.Event()

    def run(self) -> None:
        while not self._cancelled.wait(0.001):
            self._act()

    def cancel(self) -> None:
        self._cancelled.set()


def test_the_check_of_the_pages_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It saw no damage so far; SQLite reaches the first rows of a long log last."""
    log = begun(tmp_path / "a.db")
    for number in range(10):
        log.write(frames(30_000, first=30_000 * number))
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


class Cards:
    """Two folders that alternate at one path, like two cards at a mount point."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second, self.here = folder / "first", folder / "second", folder / "card"
        self.first.mkdir()
        self.here.symlink_to(self.first)

    def change(self) -> None:
        """Copy the first card's present content to the second, and mount the second instead."""
        shutil.copytree(self.first, self.second)
        self.insert(self.second)

    def insert(self, card: Path) -> None:
        """Mount this card from now on."""
        (following := self.here.with_name("following")).symlink_to(card)
        following.rename(self.here)


def test_recording_continues_on_a_replaced_card_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    cards = Cards(tmp_path)
    path = cards.here / "a.db"
    with running(begun(path)) as writer:
        writer.put(frames(100))
        assert eventually(lambda: count(path) == 100)
        assert (cards.first / "a.db-wal").stat().st_size > 0
        cards.change()
        writer.put(frames(400, first=100))
        assert eventually(lambda: count(path) == 500)
        assert writer.status().ok
    assert numbers(path) == list(range(500))
    assert count(path, "session") == 1
    assert count(path, "event") == 1
    assert verify(path) == []
    assert count(cards.first / "a.db") == 100


def test_a_card_without_the_log_gets_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    cards = Cards(tmp_path)
    path = cards.here / "a.db"
    begins_us_seen = []

    def begun_again(lost: Log, damage_count: int, begins_us: int) -> Log:
        begins_us_seen.append(begins_us)
        return again(lost, damage_count, begins_us)

    with running(begun(path), open_again=begun_again) as writer:
        writer.put(frames(100))
        assert eventually(lambda: count(path) == 100)
        cards.first.rename(cards.second)
        cards.first.mkdir()
        other, _ = open_log(path)
        other.begin_session(replace(START, boot_id="boot-0"), META)
        other.write(frames(7))
        other.close()
        writer.put(frames(400, first=100))
        assert eventually(lambda: count(path) == 407)
    assert begins_us_seen == [100_000], "the new session begins with the first row that waited"
    sessions = (
        sqlite3.connect(path).execute("SELECT session, count(*) FROM frame GROUP BY session").fetchall()
    )
    assert sessions == [(1, 7), (2, 400)]
    assert verify(path) == []


def test_a_card_that_was_removed_for_a_while_gets_every_later_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile the log is elsewhere; the card has more rows than that log, and none of those that wait."""
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    monkeypatch.setattr(write_errors, "GIVE_UP_S", 0.3)
    cards = Cards(tmp_path)
    path = cards.here / "a.db"
    with running(begun(path)) as writer:
        writer.put(frames(100))
        assert eventually(lambda: count(path) == 100)
        cards.second.mkdir()
        cards.insert(cards.second)
        writer.put(frames(20, first=100))
        assert eventually(lambda: writer.status().frames == 120)
        cards.insert(cards.first)
        writer.put(frames(30, first=120))
        assert eventually(lambda: writer.status().frames == 150)
    assert numbers(cards.first / "a.db") == [*range(100), *range(120, 150)]
    assert numbers(cards.second / "a.db") == list(range(100, 120))
    assert verify(cards.first / "a.db") == verify(cards.second / "a.db") == []


def test_a_commit_that_failed_but_reached_the_card_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card fails in the sync, after the last row; the repaired card shows what was written."""
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    cards = Cards(tmp_path)
    path = cards.here / "a.db"
    commit = Log.commit

    def dies(log: Log) -> None:
        known = log.ends
        commit(log)
        log.unconfirmed_ends.append(log.ends)
        log.ends = known
        monkeypatch.setattr(Log, "commit", commit)
        cards.change()
        raise sqlite3.OperationalError("disk I/O error")

    log = begun(path)
    with running(log) as writer:
        writer.put(drive())
        assert eventually(lambda: count(path, "event") == 1)
        monkeypatch.setattr(Log, "commit", dies)
        rows = frames(200, first=3)
        rows.reading.append(Reading(1600, Channel("oil_c", "C", "test"), 90.0))
        writer.put(rows)
        assert eventually(lambda: cards.here.readlink() == cards.second)
        writer.put(frames(50, first=203))
        assert eventually(lambda: count(path) == 253)
    assert numbers(path) == list(range(253))
    assert count(path, "reading") == 2
    assert count(path, "fix") == 2
    assert verify(path) == []


@pytest.mark.parametrize("refusal", ["disk I/O error", "database or disk is full"])
def test_a_connection_is_given_up_after_a_while_unless_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    monkeypatch.setattr(write_errors, "GIVE_UP_S", 0.5)
    first = begun(tmp_path / "a.db")
    write = Log.write
    refused = 0

    def refuses(log: Log, rows: Rows) -> None:
        nonlocal refused
        if log is not first or refused > 40:
            return write(log, rows)
        refused += 1
        error = sqlite3.OperationalError(refusal)
        error.sqlite_errorcode = sqlite3.SQLITE_FULL if "full" in refusal else sqlite3.SQLITE_IOERR_WRITE
        raise error

    monkeypatch.setattr(Log, "write", refuses)
    with running(first) as writer:
        writer.put(frames(300))
        assert eventually(lambda: count(tmp_path / "a.db") == 300)
        assert (refused > 40) is ("full" in refusal)
    assert count(tmp_path / "a.db", "event") == (0 if "full" in refusal else 1)


def test_after_a_change_of_log_every_row_is_in_one_of_them(tmp_path: Path) -> None:
    with running(begun(tmp_path / "a.db"), max_loss_s=60) as writer:
        writer.put(frames(500))
        writer.change_log(begun(tmp_path / "b.db"))
        writer.put(frames(300, first=500))
    assert count(tmp_path / "a.db") == 500
    assert count(tmp_path / "b.db") == 300


def test_nothing_queued_is_nothing_written(tmp_path: Path) -> None:
    with running(begun(tmp_path / "a.db")) as writer:
        assert writer.put(Rows())
        assert writer.status().lag_s == 0.0


def test_no_row_waits_longer_than_max_loss_on_a_slow_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worn, hot card: each insert with its sync takes a second."""
    write, commit = Log.write, Log.commit
    waited_s: list[float] = []
    put_at: dict[int, float] = {}

    def slow_write(log: Log, rows: Rows) -> None:
        time.sleep(0.5)
        write(log, rows)

    def slow_commit(log: Log) -> None:
        time.sleep(0.5)
        commit(log)
        known = count(log.path)
        waited_s.extend(time.monotonic() - put_at.pop(number) for number in list(put_at) if number <= known)

    log = begun(tmp_path / "a.db")
    monkeypatch.setattr(Log, "write", slow_write)
    monkeypatch.setattr(Log, "commit", slow_commit)
    with running(log, max_loss_s=3.0) as writer:
        began, number, stood_still_s = time.monotonic(), 0, 0.0
        while (now := time.monotonic()) - began < 9.0:
            number += 1
            put_at[number] = now
            writer.put(frames(1, first=number))
            time.sleep(0.02)
            stood_still_s = max(stood_still_s, time.monotonic() - now - 0.02)
    assert len(waited_s) >= number / 2
    settled = waited_s[len(waited_s) // 4 :]  # it measures the card's speed in the first round
    assert max(settled) < 3.0 + stood_still_s, (
        "a machine that gave this thread no processor gave the writer's none"
    )
