"""The writer with cards that are replaced, removed or fail during a commit."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.records import Channel, Reading
from logger.logfile.open_or_quarantine import open_log
from logger.logfile.rows import Rows
from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.recorder import write_errors
from logger.recorder import writer as writers
from tests.field_failures.recorder_process import numbers, query
from tests.logger.logfile.rows_made import META, START, drive, frames
from tests.logger.recorder.writing import count, eventually, new_log, reopen, running


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
    with running(new_log(path)) as writer:
        writer.put(frames(100))
        assert eventually(lambda: count(path) == 100)
        assert (cards.first / "a.db-wal").stat().st_size > 0
        cards.change()
        writer.put(frames(400, first=100))
        assert eventually(lambda: count(path) == 500)
        assert eventually(lambda: writer.status().ok)
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
        return reopen(lost, damage_count, begins_us)

    with running(new_log(path), open_again=begun_again) as writer:
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
    assert query(path, "SELECT session, count(*) FROM frame GROUP BY session") == [(1, 7), (2, 400)]
    assert verify(path) == []


def test_a_card_that_was_removed_for_a_while_gets_every_later_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile the log is elsewhere; the card has more rows than that log, and none of those that wait."""
    monkeypatch.setattr(writers, "_RETRY_S", 0.05)
    monkeypatch.setattr(write_errors, "GIVE_UP_S", 0.3)
    cards = Cards(tmp_path)
    path = cards.here / "a.db"
    with running(new_log(path)) as writer:
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

    log = new_log(path)
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
    first = new_log(tmp_path / "a.db")
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
