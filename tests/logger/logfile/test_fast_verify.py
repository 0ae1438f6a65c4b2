"""The screening of large tables: `verify` gives the same result as reading row by row, whatever changed in a log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.protocols.nmea import checksum
from firmware_bridge.records import CanFrame, Channel, Reading
from logger.logfile.border import open_log_readonly
from logger.logfile.fast_verify import suspect_sentences, whole_tables
from logger.logfile.rows import Rows, SentenceRow
from logger.logfile.value_ranges import RANGES
from logger.logfile.verify import verify
from tests.examples import examples
from tests.logger.logfile.rows_made import write_log

ROWS = 90
CHANNELS = [Channel(name, "", "test") for name in ("rpm", "oil", "gear")]
TABLES = ("frame", "reading", "sentence")
PORTS = ("gps", "spare")


def sentence(body: str) -> str:
    return f"${body}*{checksum(body.encode('latin-1')):02X}"


def drive() -> Rows:
    """Two adapters, three channels and two receivers, each ordered in time and late by turns."""
    rows = Rows()
    for n in range(ROWS):
        t_us = 1000 * n + 5000 * (n % 3)
        rows.frame.append(
            CanFrame(1000 * n + 400 * (n % 2), 16 * (n % 2) + n % 4 // 2, 0x100 + n, bytes(n % 9))
        )
        rows.reading.append(Reading(t_us, CHANNELS[n % 3], n / 4))
        rows.sentence.append(SentenceRow(1000 * n + 5000 * (n % 2), PORTS[n % 2], sentence(f"GPTXT,{n}")))
    return rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("screen") / "a.db"
    for _ in range(2):
        write_log(path, drive())
    return path.read_bytes()


def plainly(connection: sqlite3.Connection) -> Iterator[str]:
    """The problems of the three tables, from their rows alone."""
    sessions, channels = (
        {row[0] for row in connection.execute(f"SELECT id FROM {name}")} for name in ("session", "channel")
    )
    for table in TABLES:
        rows = connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
        for session in {row[0] for row in rows} - sessions:
            yield f"{table}: rows of session {session}, which does not exist"
        latest: dict[Any, float] = {}
        for row in rows:
            key = (row[0], int(row[2] / 16) if table == "frame" and row[2] else row[2])
            if row[1] > RANGES["t_us"][1]:
                yield f"{table}: a row of session {row[0]} has {row[1]} as t_us"
                break
            if row[1] < latest.get(key, 0):
                yield f"{table}: time runs backwards in session {row[0]} at t_us {row[1]}"
                break
            latest[key] = row[1]
        if table == "frame":
            wrong = sum(
                not isinstance(data, bytes) or len(data) > 64 or (can_id is not None and can_id < 0)
                for *_, can_id, data in rows
            )
            if wrong:
                yield f"frame: {wrong} rows that are not a valid CAN frame"
        if table == "sentence":
            wrong = sum(not holds(text) for *_, text in rows)
            if wrong:
                yield f"sentence: {wrong} rows with a wrong checksum"
        if table == "reading":
            for channel in {row[2] for row in rows} - channels:
                yield f"reading: rows of channel {channel}, which does not exist"


def holds(text: str) -> bool:
    body, star, digits = text[1:].rpartition("*")
    xor = 0
    for byte in body.encode("latin-1", "replace"):
        xor ^= byte
    return bool(star) and digits.strip().upper() == f"{xor:02X}"


TIMES = st.one_of(st.integers(-3, 100_000), st.sampled_from([2**31, 2**40, 2**62, 4500.5]))
SENTENCES = st.one_of(
    st.text(alphabet="$*G0A2aé→\0 ", max_size=7),
    st.text(max_size=9).map(lambda body: f"${body}*{checksum(body.encode('latin-1', 'replace')):02X}"),
    st.text("GN,1", max_size=9).map(lambda body: sentence(body).lower() + " "),
)
CHANGED: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "frame": {
        "session": st.integers(0, 3),
        "t_us": TIMES,
        "bus": st.sampled_from([None, -17, -1, 0, 15, 16, 31, 32, 16 << 15]),
        "can_id": st.sampled_from([None, -1, 0, 1, 2**32, -(2**40)]),
        "data": st.sampled_from([None, "text", 7, b"", bytes(64), bytes(65)]),
    },
    "reading": {
        "session": st.integers(0, 3),
        "t_us": TIMES,
        "channel": st.sampled_from([None, -1, 0, 1, 2, 3, 4, 1 << 15, 1 << 40]),
        "value": st.sampled_from([None, 0.0, 1e300]),
    },
    "sentence": {
        "session": st.integers(0, 3),
        "t_us": TIMES,
        "port": st.sampled_from(PORTS),
        "text": SENTENCES,
    },
}
CHANGES = st.sampled_from([(table, column) for table in TABLES for column in CHANGED[table]]).flatmap(
    lambda which: st.tuples(st.just(which), st.integers(1, 2 * ROWS), CHANGED[which[0]][which[1]])
)
numbers = count()


@settings(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(CHANGES, max_size=3))
def test_the_same_as_row_by_row(whole: bytes, tmp_path: Path, changes: list[Any]) -> None:
    path = tmp_path / f"{next(numbers)}.db"
    path.write_bytes(whole)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        for (table, column), row, value in changes:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))
        expected = sorted(plainly(connection))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "logger.logfile.sqlite_pages._TOGETHER_BYTES", 1024
        )  # the order must hold across blocks
        assert sorted(verify(path)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("table", ["frame", "reading"])
def test_any_row_that_goes_back_is_found(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """A row one microsecond before its source's previous row; some begin a block."""
    monkeypatch.setattr("logger.logfile.sqlite_pages._TOGETHER_BYTES", 1024)
    path = tmp_path / "a.db"
    sources = 2 if table == "frame" else 3
    for row in range(sources + 1, ROWS + 1):
        path.write_bytes(whole)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            before = f"SELECT t_us FROM {table} WHERE rowid = {row - sources}"
            connection.execute(f"UPDATE {table} SET t_us = ({before}) - 1 WHERE rowid = {row}")
        with open_log_readonly(path) as connection:
            assert table not in whole_tables(connection, lambda _done: None)


def test_a_whole_log_is_not_read_row_by_row(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(whole)
    with open_log_readonly(tmp_path / "a.db") as connection:
        assert whole_tables(connection, lambda _done: None) == {"frame", "reading"}


@given(st.lists(SENTENCES, max_size=20))
def test_sentences_that_pass_the_screen_are_valid(texts: list[str]) -> None:
    assert all(holds(text) for at, text in enumerate(texts) if at not in suspect_sentences(texts))


def test_a_receivers_sentences_pass_the_screen() -> None:
    assert suspect_sentences(
        [sentence("GPTXT,é"), sentence("G"), "", sentence("GPTXT,1")[:-1], sentence("")]
    ) == [
        2,
        3,
        4,
    ]
