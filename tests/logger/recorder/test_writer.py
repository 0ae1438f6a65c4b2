"""The writer: rows in, committed rows out, dropped rows counted."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logger.logfile.rows import Rows
from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.recorder import writer as writers
from tests.field_failures.recorder_process import query
from tests.logger.logfile.rows_made import drive, frames
from tests.logger.recorder.writing import count, eventually, new_log, running


def test_rows_are_committed_without_a_request(tmp_path: Path) -> None:
    with running(new_log(tmp_path / "a.db")) as writer:
        writer.put(frames(10))
        assert eventually(lambda: count(tmp_path / "a.db") == 10)
        assert eventually(lambda: writer.status().lag_s == 0.0)
        assert writer.status().frames == 10
    assert not (tmp_path / "a.db-wal").exists()


def test_closing_drains(tmp_path: Path) -> None:
    with running(new_log(tmp_path / "a.db"), max_loss_s=60) as writer:
        for number in range(100):
            assert writer.put(frames(50, first=50 * number))
    assert count(tmp_path / "a.db") == 5000
    assert verify(tmp_path / "a.db") == []


def test_rows_that_do_not_fit_are_counted_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "QUEUE_BYTES", 250_000)
    log = new_log(tmp_path / "a.db")
    blocker = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with running(log) as writer:
        accepted = sum(writer.put(frames(100, first=100 * n)) for n in range(100))
        assert accepted < 100
        assert writer.status().dropped == 100 * (100 - accepted)
        blocker.execute("ROLLBACK")
        blocker.close()
        assert eventually(lambda: count(tmp_path / "a.db") == 100 * accepted)
        assert eventually(lambda: count(tmp_path / "a.db", "event") > 0)
    dropped = query(tmp_path / "a.db", "SELECT kind, json_extract(detail, '$.frame') FROM event")
    assert {kind for kind, _ in dropped} == {"dropped"}
    assert sum(int(str(number)) for _, number in dropped) == 100 * (100 - accepted)


def test_rows_that_are_being_written_count_for_the_limit_of_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each try on a full card, which takes its time, would let the queue grow by what arrives meanwhile."""
    monkeypatch.setattr(writers, "QUEUE_BYTES", 250_000)
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    write, begun, is_free = Log.write, threading.Event(), threading.Event()

    def full_at_first(log: Log, rows: Rows) -> None:
        if not begun.is_set():
            begun.set()
            is_free.wait(60)
            raise sqlite3.OperationalError("database or disk is full")
        write(log, rows)

    monkeypatch.setattr(Log, "write", full_at_first)
    with running(new_log(tmp_path / "a.db")) as writer:
        accepted = 0
        while writer.put(frames(100, first=100 * accepted)):
            accepted += 1
        assert begun.wait(60)
        assert not writer.put(frames(100))
        is_free.set()
        assert eventually(lambda: count(tmp_path / "a.db") == 100 * accepted)
        assert eventually(lambda: writer.put(frames(1)), 10.0), "there is room again"


@pytest.mark.parametrize("is_closed_meanwhile", [False, True])
def test_a_card_that_stays_full_adds_no_row_per_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_closed_meanwhile: bool
) -> None:
    monkeypatch.setattr(writers, "QUEUE_BYTES", 250_000)
    monkeypatch.setattr(writers, "_RETRY_S", 0.001)
    write, tries, is_free = Log.write, threading.Semaphore(0), threading.Event()

    def full_at_first(log: Log, rows: Rows) -> None:
        if not is_free.is_set():
            tries.release()
            raise sqlite3.OperationalError("database or disk is full")
        write(log, rows)

    monkeypatch.setattr(Log, "write", full_at_first)
    with running(new_log(tmp_path / "a.db")) as writer:
        while writer.put(frames(100)):
            pass
        for _ in range(30):
            assert not writer.put(frames(100))
            assert tries.acquire(timeout=60)
        is_free.set()
        if not is_closed_meanwhile:
            assert eventually(lambda: count(tmp_path / "a.db", "event") > 0)
    dropped = query(tmp_path / "a.db", "SELECT json_extract(detail, '$.frame') FROM event")
    assert len(dropped) <= 2, "those before the first try, and those after it"
    assert sum(int(str(number)) for (number,) in dropped) == writer.status().dropped


def test_dropped_rows_are_counted_in_the_log_that_lacks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(new_log(tmp_path / "a.db"), max_loss_s=60) as writer:
        monkeypatch.setattr(writers, "QUEUE_BYTES", 1)
        assert not writer.put(frames(7))
        writer.change_log(new_log(tmp_path / "b.db"))
        assert not writer.put(frames(5))
    for name, number in (("a.db", 7), ("b.db", 5)):
        found = query(tmp_path / name, "SELECT sum(json_extract(detail, '$.frame')) FROM event")
        assert found == [(number,)], name


def test_dropped_rows_are_counted_though_no_others_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(new_log(tmp_path / "a.db")) as writer:
        monkeypatch.setattr(writers, "QUEUE_BYTES", 1)
        assert not writer.put(frames(7))
        assert eventually(lambda: count(tmp_path / "a.db", "event") == 1)


def test_writing_is_retried_while_the_card_refuses_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    log = new_log(tmp_path / "a.db")
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
        assert eventually(lambda: writer.status().ok)
    assert verify(tmp_path / "a.db") == []


def test_after_a_change_of_log_every_row_is_in_one_of_them(tmp_path: Path) -> None:
    with running(new_log(tmp_path / "a.db"), max_loss_s=60) as writer:
        writer.put(frames(500))
        writer.change_log(new_log(tmp_path / "b.db"))
        writer.put(frames(300, first=500))
    assert count(tmp_path / "a.db") == 500
    assert count(tmp_path / "b.db") == 300


def test_nothing_queued_is_nothing_written(tmp_path: Path) -> None:
    with running(new_log(tmp_path / "a.db")) as writer:
        assert writer.put(Rows())
        assert writer.status().lag_s == 0.0


def test_no_row_waits_longer_than_max_loss_on_a_slow_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worn, hot card: each insert with its sync takes a second."""
    write, commit = Log.write, Log.commit
    waited_s: list[float] = []
    late_s = [0.0]
    put_at: dict[int, float] = {}

    def takes_half_a_second(work: Callable[[], None]) -> None:
        began = time.monotonic()
        time.sleep(0.5)
        work()
        late_s.append(time.monotonic() - began - 0.5)

    def slow_commit(log: Log) -> None:
        takes_half_a_second(lambda: commit(log))
        known = count(log.path)
        waited_s.extend(time.monotonic() - put_at.pop(number) for number in list(put_at) if number <= known)

    log = new_log(tmp_path / "a.db")
    monkeypatch.setattr(Log, "write", lambda log, rows: takes_half_a_second(lambda: write(log, rows)))
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
    assert max(settled) < 3.0 + stood_still_s + 2 * max(late_s), (
        "the machine gave neither this thread nor the writer's more processor, or a disk that is slower than the card"
    )
