"""The log's SQL views: same figures as the exports, and linear in the number of rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from logger.logfile import schema
from logger.logfile.light_sqlite_utils import Database
from logger.logfile.migrations import m001_log
from tests.logger.export.logs_made import SECONDS, exported
from tests.logger.export.test_fixes import rows_of


@contextmanager
def opened(log: Path) -> Iterator[sqlite3.Connection]:
    """Open a log as sqlite3 and Datasette do; our own readers refuse views (from Python 3.12)."""
    with closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


COUNTS = {
    "speed": "fix",
    "track": "fix WHERE lat IS NOT NULL",
    "engine": "reading",
    "frames_hex": "frame",
    "events": "event",
    "progress_kmh": "progress",
}


@pytest.mark.parametrize("view", COUNTS)
def test_a_view_has_a_row_for_every_row(log: Path, view: str) -> None:
    with opened(log) as connection:
        rows = connection.execute(f"SELECT session, t_s, utc FROM {view}").fetchall()
        assert rows == sorted(rows, key=lambda row: row[:2]) or view == "engine"
        assert len(rows) == connection.execute(f"SELECT count(*) FROM {COUNTS[view]}").fetchone()[0]
        assert {row[0] for row in rows if row[2] is None} == {2}  # it has no UTC
        assert {row[0] for row in rows if row[2] is not None} == {1}


def test_speed_equals_that_of_the_csv(log: Path) -> None:
    with opened(log) as connection:
        connection.row_factory = sqlite3.Row
        view_rows = connection.execute("SELECT * FROM speed WHERE session = 1").fetchall()
    rows = rows_of(exported(log, "csv"))[:SECONDS]
    for row, view in zip(rows, view_rows, strict=True):
        assert view["utc"] == row["utc"][:-4] + "Z"  # milliseconds
        for name in ("t_s", "speed_kmh", "limit_kmh", "distance_km"):
            assert view[name] == (pytest.approx(float(row[name])) if row[name] else None)
    assert (view_rows[41]["over_kmh"], view_rows[41]["section"]) == (0, 1)


def test_frame_times_equal_those_of_the_exports(log: Path) -> None:
    with opened(log) as connection:
        view_rows = connection.execute("SELECT utc, id, data FROM frames_hex").fetchall()
    rows = rows_of(exported(log, "csv", "frames"))
    assert [row[1:] for row in view_rows] == [(row["id_hex"], row["data_hex"]) for row in rows]
    for (utc, *_), row in zip(view_rows, rows, strict=True):
        if utc is None:
            assert row["utc"] == ""
        else:
            assert abs(float(utc[17:-1]) - float(row["utc"][17:-1])) < 0.001


def test_the_views_use_an_index(log: Path) -> None:
    """No join scans a whole table per row: SQLite builds an automatic index for each."""
    with opened(log) as connection:
        for view in COUNTS:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {view}")]
            joins = [step for step in plan if "LEFT-JOIN" in step]
            assert joins
            assert all("(session=? AND" in step or "PRIMARY KEY" in step for step in joins)


def test_an_older_log_gets_the_views_when_it_is_opened_to_write() -> None:
    def views(database: Database) -> dict[str, str]:
        return dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall())

    blank = Database(memory=True)
    schema.prepare(blank.conn)
    older = Database(memory=True)
    m001_log(older)
    older.table("_sqlite_migrations").insert(
        {"migration_set": "stagelog", "name": "m001_log", "applied_at": "2026-01-01"}
    )
    schema.prepare(older.conn)
    assert views(older) == views(blank)
    assert set(views(blank)) == {*COUNTS, "clock_minute"}
    older.close()
    blank.close()
