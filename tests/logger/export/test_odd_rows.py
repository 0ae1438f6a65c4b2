"""Export of invalid rows, as on a damaged page: an error or left out; cases found by fuzzing."""

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
    """Export a log after an SQL statement changed it, as a log being recorded, so that it is read by SQL."""
    out = io.BytesIO()
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(statement)
        connection.commit()
        formats.write(connection, selection.select(connection, None, None, None), name, out)
    return out.getvalue()


@pytest.mark.parametrize("name", ["candump", "asc"])
def test_text_in_place_of_a_number_is_an_error(log: Path, name: str) -> None:
    with pytest.raises(LogError, match="text where a number must be"):
        exported(log, name, "UPDATE frame SET can_id = 'x1' WHERE rowid = 7")


@pytest.mark.parametrize("channel", [99, -1, 2**62])
def test_a_reading_of_an_unknown_channel_has_no_column(log: Path, channel: int) -> None:
    sound = exported(log, "csv", "SELECT 1")
    more = f"INSERT INTO reading SELECT session, t_us, {channel}, 5.5 FROM reading"
    assert exported(log, "csv", more) == sound


@pytest.mark.parametrize(("name", "table"), [("csv", "reading"), ("candump", "frame")])
def test_a_rowid_beyond_the_file_is_an_error_and_not_iterated_to(log: Path, name: str, table: str) -> None:
    with pytest.raises(LogError, match="row number 9223372036854775807 is too large for the file"):
        exported(log, name, f"UPDATE {table} SET rowid = 9223372036854775807 WHERE rowid = 1")
