"""Summaries of logs: live, closed and left by a power cut; reading never writes."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.logfile import border, reader, schema
from logger.logfile.open_or_quarantine import open_log
from logger.logfile.rows import ClockRow, EventRow, Rows
from logger.logfile.store import Log
from tests.logger.command_line import stagelog
from tests.logger.logfile.rows_made import META, START, drive, frames, write_log

NOON_US = 1_768_478_400_000_000
CAR = json.dumps({"number": 500, "name": "Defender", "class": "Stock", "crew": ["Driver", "Navigator"]})


def recorded(path: Path, *, ended: bool = True) -> Log:
    log, _ = open_log(path)
    log.begin_session(START, META | {"stage": "Dakar 2026 11 Bisha", "car": CAR, "dbc:engine.dbc": "VERSION"})
    log.write(Rows(event=[EventRow(0, "session_begin", {})]))
    log.write(drive())
    log.write(frames(500, first=3))
    log.write(Rows(clock=[ClockRow(1500, NOON_US, 1000, "gps"), ClockRow(2500, NOON_US + 1000, 900, "gps")]))
    if ended:
        log.write(Rows(event=[EventRow(9_000_000, "session_end", {"reason": "stopped"})]))
    log.commit()
    return log


def test_a_closed_log(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db").close()
    found = reader.info(tmp_path / "a.db")
    assert found.meta["stage"] == "Dakar 2026 11 Bisha"
    assert not found.open
    assert (found.rows["frame"], found.rows["fix"], found.rows["sentence"]) == (503, 2, 1)
    assert found.size_bytes == (tmp_path / "a.db").stat().st_size
    (session,) = found.sessions
    assert session.ended == "stopped"
    assert session.first_utc_us == NOON_US - 1500
    assert session.duration_s == found.duration_s == 9.0
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"], "reading leaves nothing beside it"


def test_a_log_that_is_being_written(tmp_path: Path) -> None:
    log = recorded(tmp_path / "a.db", ended=False)
    found = reader.info(tmp_path / "a.db")
    assert found.open
    assert found.rows["frame"] == 503
    assert found.sessions[0].ended is None
    log.write(frames(10, first=503))
    log.commit()
    assert reader.info(tmp_path / "a.db").rows["frame"] == 513
    log.close()
    assert not reader.info(tmp_path / "a.db").open


def test_an_empty_wal_does_not_count(tmp_path: Path) -> None:
    """A program that opens a closed log with mode=ro leaves an empty WAL."""
    recorded(tmp_path / "a.db").close()
    connection = sqlite3.connect(f"{(tmp_path / 'a.db').as_uri()}?mode=ro", uri=True)
    connection.execute("SELECT count(*) FROM frame").fetchone()
    connection.close()
    assert not reader.info(tmp_path / "a.db").open


def test_sessions_across_power_cycles(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db", ended=False).close()
    log, _ = open_log(tmp_path / "a.db")
    log.begin_session(replace(START, boot_id="boot-2"), META)
    log.write(Rows(event=[EventRow(0, "session_begin", {}), EventRow(4_000_000, "session_end", {})]))
    log.close()
    first, second = reader.info(tmp_path / "a.db").sessions
    assert (first.id, first.boot_id, first.ended) == (1, "boot-1", None)
    assert (second.id, second.boot_id, second.ended) == (2, "boot-2", "ended")
    assert second.first_utc_us is None, "it has no GPS time"
    assert second.duration_s == 4.0


def test_no_connection_can_write(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db").close()
    before = (tmp_path / "a.db").read_bytes()
    with (
        pytest.raises(LogError, match="readonly"),
        border.open_log_readonly(tmp_path / "a.db") as connection,
    ):
        connection.execute("DELETE FROM frame")
    assert (tmp_path / "a.db").read_bytes() == before


@pytest.mark.parametrize("name", ["a b.db", "a#1?.db", "é%20.db"])
def test_names_with_special_characters(tmp_path: Path, name: str) -> None:
    recorded(tmp_path / name).close()
    assert reader.info(tmp_path / name).rows["frame"] == 503


def test_events_in_order(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db").close()
    with border.open_log_readonly(tmp_path / "a.db") as connection:
        kinds = [(session, t_us, kind) for session, t_us, kind, _ in reader.events(connection)]
    assert kinds == [(1, 0, "session_begin"), (1, 1700, "mark"), (1, 9_000_000, "session_end")]


def test_logs_in_a_folder_by_name(tmp_path: Path) -> None:
    for name in ("b-002.db", "a-001.db", "b-001.db"):
        recorded(tmp_path / name).close()
    (tmp_path / "b-001.db.damaged-1").write_bytes(b"")
    (tmp_path / "folder.db").mkdir()
    assert [path.name for path in reader.logs_in(tmp_path)] == ["a-001.db", "b-001.db", "b-002.db"]
    with pytest.raises(LogError, match="no such folder"):
        reader.logs_in(tmp_path / "none")


def test_the_verbs_for_people_and_programs(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db").close()
    recorded(tmp_path / "b.db", ended=False).abandon()
    listed = json.loads(stagelog("logs", "--json", folder=tmp_path).out)
    assert [(log["log"], log["frames"], log["begun_utc"]) for log in listed["logs"]] == [
        ("a.db", 503, "2026-01-15T11:59:59.998Z"),
        ("b.db", 503, "2026-01-15T11:59:59.998Z"),
    ]
    document = json.loads(stagelog("info", "a.db", "--json", folder=tmp_path).out)
    assert document["car"]["crew"] == ["Driver", "Navigator"]
    assert document["carries"] == ["dbc:engine.dbc"]
    assert document["rows"]["frame"] == 503
    assert document["sessions"][0]["ended"] == "stopped"
    text = stagelog("info", "b.db", folder=tmp_path).out
    assert "Dakar 2026 11 Bisha" in text
    assert "power cut" in text
    table = stagelog("logs", folder=tmp_path).out.splitlines()
    assert table[0].split()[:3] == ["log", "stage", "begun"]
    assert len(table) == 3
    assert "2026-01-15 11:59:59  0:00:09" in table[1]
    assert stagelog("verify", "a.db", "b.db", folder=tmp_path).out == "a.db: whole\nb.db: whole\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_log_on_a_read_only_stick(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db").close()
    (tmp_path / "a.db").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert reader.info(tmp_path / "a.db").rows["frame"] == 503
    finally:
        tmp_path.chmod(0o755)


def test_a_log_that_needs_too_much_memory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite trusts a length on a damaged page and allocates that much; found by the fuzzer."""
    path = write_log(tmp_path / "a.db", drive())

    def none_left(_connection: sqlite3.Connection) -> None:
        raise MemoryError

    monkeypatch.setattr(schema, "require_ours", none_left)
    with pytest.raises(LogError, match="cannot be read: it needs more memory than there is"):
        reader.info(path)
