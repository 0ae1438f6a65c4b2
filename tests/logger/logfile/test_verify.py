"""The result of `verify` for whole and for damaged logs."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.logfile.open_or_quarantine import open_log
from logger.logfile.reader import info
from logger.logfile.verify import verify
from tests.logger.logfile.rows_made import META, START, drive, frames, write_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "a.db", drive(), frames(2000, first=3))


def spoil(log: Path, sql: str) -> None:
    connection = sqlite3.connect(log)
    connection.execute(sql)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_a_whole_log(log: Path) -> None:
    steps: list[float] = []
    assert verify(log, steps.append) == []
    assert steps == sorted(steps)
    assert steps[-1] == 1.0


def test_a_log_cut_off_is_whole(tmp_path: Path) -> None:
    opened, _ = open_log(tmp_path / "cut.db")
    opened.begin_session(START, META)
    opened.write(drive())
    opened.commit()
    assert verify(tmp_path / "cut.db") == []
    opened.close()


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DELETE FROM meta WHERE key = 'buses'", "meta has no 'buses'"),
        ("ALTER TABLE progress RENAME COLUMN limit_kmh TO limit_kmx", "progress has no column limit_kmh"),
        ("DROP TABLE rejected", "there is no table rejected"),
        (
            "ALTER TABLE _sqlite_migrations RENAME COLUMN applied_at TO applied_xx",
            "the table of migrations has no",
        ),
        ("UPDATE frame SET session = 9 WHERE rowid = 7", "frame: rows of session 9"),
        ("UPDATE frame SET t_us = 1 WHERE rowid = 7", "frame: time runs backwards in session 1"),
        ("UPDATE sentence SET text = '$GPGLL,5057.971,N,00146.110,E,142451,A*27'", "wrong checksum"),
        ("UPDATE fix SET lat = 91 WHERE rowid = 1", "fix: 1 rows that are not a valid position"),
        ("UPDATE fix SET lat = 0, lon = 0 WHERE quality = 0", "fix: 1 rows that are not a valid position"),
        ("UPDATE reading SET channel = 12", "reading: rows of channel 12"),
        ("UPDATE event SET detail = '{'", "event: row 1 holds no JSON object"),
        ("UPDATE frame SET data = 'text' WHERE rowid = 3", "frame: 1 rows that are not a valid CAN frame"),
        (
            "UPDATE frame SET data = zeroblob(65) WHERE rowid = 3",
            "frame: 1 rows that are not a valid CAN frame",
        ),
        ("UPDATE frame SET can_id = -1 WHERE rowid = 3", "frame: 1 rows that are not a valid CAN frame"),
        ("UPDATE frame SET can_id = -0.5 WHERE rowid = 3", "frame: 1 rows that are not a valid CAN frame"),
        ("UPDATE reading SET t_us = 'noon'", "reading: a row of session 1 has no time"),
        ("UPDATE sentence SET text = NULL", "sentence: 1 rows with a wrong checksum"),
        ("UPDATE sentence SET text = x'2447'", "sentence: 1 rows with a wrong checksum"),
        ("DROP TABLE channel", "there is no table channel"),
        ("DELETE FROM session", "it has no session"),
    ],
)
def test_impossible_rows(log: Path, sql: str, reason: str) -> None:
    spoil(log, sql)
    assert any(reason in problem for problem in verify(log))


@pytest.mark.parametrize("size", [0, 1, 99, 100, 511, 5000, 30_000])
def test_a_truncated_file(log: Path, size: int) -> None:
    log.write_bytes(log.read_bytes()[:size])
    assert verify(log) != []


def test_damaged_pages(log: Path) -> None:
    data = bytearray(log.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2048] = b"\x00" * 2048
    log.write_bytes(data)
    assert any("damaged" in problem or "cannot be read" in problem for problem in verify(log))


def test_a_missing_file_and_a_foreign_database(tmp_path: Path) -> None:
    assert verify(tmp_path / "none.db") == ["no such log"]
    (tmp_path / "theirs.db").write_bytes(b"hello" * 100)
    assert "cannot be read" in verify(tmp_path / "theirs.db")[0]
    connection = sqlite3.connect(tmp_path / "foreign.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert verify(tmp_path / "foreign.db") == ["not a stagelog log"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "INSERT INTO clock VALUES (1, 9, NULL, NULL, 'gps')",
            "clock: 1 rows with a strange value as utc_us",
        ),
        ("UPDATE event SET kind = x'00' WHERE rowid = 1", "event: 1 rows with a strange value as kind"),
        ("UPDATE channel SET unit = NULL WHERE id = 1", "channel: 1 rows with a strange value as unit"),
        ("UPDATE session SET boot_id = NULL", "session: 1 rows with a strange value as boot_id"),
        (
            "UPDATE _sqlite_migrations SET name = x'0102' WHERE rowid = 1",
            "the table of migrations has a name that is not text",
        ),
    ],
)
def test_values_that_no_recorder_writes_are_reported_and_no_reader_fails(
    log: Path, statement: str, expected: str
) -> None:
    with closing(sqlite3.connect(log)) as connection:
        connection.execute(statement)
        connection.commit()
    assert any(expected in problem for problem in verify(log)), verify(log)
    with suppress(LogError):
        info(log)
