"""The writer: rows in, committed rows out, whatever the card does in between."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logger.recording import writer as writers
from logger.recording.opening import open_log, set_aside
from logger.recording.rows import Rows
from logger.recording.store import Log
from logger.recording.verify import verify
from logger.recording.writer import Writer
from tests.logger.recording.rows_made import META, START, drive, frames


def begun(path: Path) -> Log:
    log, _ = open_log(path)
    log.begin_session(START, META)
    return log


def fresh(path: Path) -> Log:
    set_aside(path)
    return begun(path)


@contextmanager
def running(log: Log, max_loss_s: float = 0.2) -> Iterator[Writer]:
    writer = Writer(log, max_loss_s=max_loss_s, fresh_log=fresh, clock_us=lambda: 0)
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


def test_rows_are_committed_without_being_asked_for(tmp_path: Path) -> None:
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


def test_what_does_not_fit_is_counted_and_said_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_card_that_refuses_is_asked_again_and_nothing_is_lost(
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


def test_a_log_that_turns_out_damaged_is_set_aside_in_mid_drive(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = begun(path)
    log.write(frames(2000))
    log.commit()
    log._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(1024)
        file.write(b"\xa5" * (size - 1024))
    log._connection.execute("PRAGMA cache_size = 0")
    with running(log) as writer:
        for number in range(20):
            writer.put(frames(100, first=100 * number))
            time.sleep(0.02)
        assert eventually(lambda: count(path) == 2000)
    assert (tmp_path / "a.db.damaged-1").exists()
    assert verify(path) == []


def test_another_log_takes_over_and_every_row_is_in_one_of_them(tmp_path: Path) -> None:
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


def test_no_row_waits_longer_than_may_be_lost_however_slow_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worn card in a hot box: inserting and syncing take a second together, again and again."""
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
    settled = waited_s[len(waited_s) // 4 :]  # how slow the card is, it learns from the first round
    assert max(settled) < 3.0 + stood_still_s, (
        "a machine that gave this thread no processor gave the writer's none"
    )
