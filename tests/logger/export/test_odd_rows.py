"""Rows that no recorder wrote, as a damaged page leaves them: told in words, or left out; found by the fuzzer."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.export import formats
from logger.logfile import selection
from tests.logger.logfile.rows_made import drive, frames, write_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "odd.db", drive(), frames(50))


def exported(log: Path, name: str, statement: str) -> bytes:
    """An export after somebody worked on the log; as one that is being recorded, so by SQL."""
    out = io.BytesIO()
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(statement)
        connection.commit()
        formats.write(connection, selection.select(connection, None, None, None), name, out)
    return out.getvalue()


@pytest.mark.parametrize("name", ["candump", "asc"])
def test_a_text_where_a_number_must_be_is_told(log: Path, name: str) -> None:
    with pytest.raises(LogError, match="text where a number must be"):
        exported(log, name, "UPDATE frame SET can_id = 'x1' WHERE rowid = 7")


@pytest.mark.parametrize("channel", [99, -1, 2**62])
def test_a_reading_of_a_channel_that_there_is_none_of_has_no_column(log: Path, channel: int) -> None:
    sound = exported(log, "csv", "SELECT 1")
    more = f"INSERT INTO reading SELECT session, t_us, {channel}, 5.5 FROM reading"
    assert exported(log, "csv", more) == sound


@pytest.mark.parametrize(("name", "table"), [("csv", "reading"), ("candump", "frame")])
def test_a_row_numbered_beyond_the_file_is_told_and_not_gone_after(log: Path, name: str, table: str) -> None:
    with pytest.raises(LogError, match="row number 9223372036854775807 is too large for the file"):
        exported(log, name, f"UPDATE {table} SET rowid = 9223372036854775807 WHERE rowid = 1")
