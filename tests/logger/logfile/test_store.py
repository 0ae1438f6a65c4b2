"""The log file for writing: rows read back unchanged, sessions, migrations, and files that are not logs."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from firmware_bridge.errors import LogError
from firmware_bridge.records import CanFrame, Channel, Fix, Reading
from logger.logfile import schema
from logger.logfile.border import open_log_readonly
from logger.logfile.columns import COLUMNS
from logger.logfile.migrations import migrate, migrations
from logger.logfile.open_or_quarantine import open_log
from logger.logfile.rows import TABLES, Rows
from logger.logfile.store import Log
from logger.logfile.verify import verify
from tests.logger.logfile.rows_made import META, START, drive, frames

DESIGN = {
    "meta": "key, value",
    "session": "id, boot_id, started_utc, software, config",
    "clock": "session, t_us, utc_us, error_us, source",
    "sentence": "session, t_us, port, text",
    "fix": "session, t_us, utc_us, lat, lon, alt_m, speed_mps, course_deg, quality, satellites, hdop,"
    " accuracy_m, alt_accuracy_m, speed_accuracy_mps",
    "frame": "session, t_us, bus, can_id, data",
    "channel": "id, name, unit, source",
    "reading": "session, t_us, channel, value",
    "event": "session, t_us, kind, detail",
    "progress": "session, t_us, section, distance_m, elapsed_s, average_mps, limit_kmh, speed_mps",
    "rejected": "session, t_us, port, reason, data",
}


def recorded(path: Path) -> Log:
    log, _ = open_log(path)
    log.begin_session(START, META)
    log.write(drive())
    log.commit()
    return log


def test_tables_are_those_of_the_contract(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db").close()
    database = Database(sqlite3.connect(tmp_path / "a.db"))
    for table, columns in DESIGN.items():
        assert ", ".join(column.name for column in database.table(table).columns) == columns
    indexes = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")]
    assert [name for name in indexes if "meta" not in name and "migrations" not in name] == []
    database.close()


def test_rows_are_read_back_unchanged(tmp_path: Path) -> None:
    log = recorded(tmp_path / "a.db")
    log.write(frames(1234, first=3))
    log.close()
    connection = sqlite3.connect(tmp_path / "a.db")
    numbers = [
        int.from_bytes(data, "big") for (data,) in connection.execute("SELECT data FROM frame ORDER BY rowid")
    ]
    assert numbers == list(range(1237))
    assert connection.execute("SELECT * FROM fix WHERE quality = 0").fetchone() == (
        *(1, 2500, None, None, None, None, None, None, 0, 0, None, None, None, None),
    )
    assert connection.execute(
        "SELECT name, value FROM reading JOIN channel ON channel.id = reading.channel"
    ).fetchall() == [("rpm", 3500.0)]
    assert connection.execute("SELECT detail FROM event").fetchone() == ('{"text":"Überfahrt"}',)
    connection.close()
    assert not (tmp_path / "a.db-wal").exists()
    assert verify(tmp_path / "a.db") == []


def test_a_second_start_begins_a_new_session(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db").close()
    log, quarantined = open_log(tmp_path / "a.db")
    assert quarantined is None
    assert log.begin_session(START, META) == 2
    log.write(drive())
    log.close()
    connection = sqlite3.connect(tmp_path / "a.db")
    assert connection.execute("SELECT session, count(*) FROM frame GROUP BY session").fetchall() == [
        (1, 3),
        (2, 3),
    ]
    assert connection.execute("SELECT count(*) FROM channel").fetchone() == (1,)
    connection.close()


def test_rollback_forgets_rows_and_the_channels_numbered_in_them(tmp_path: Path) -> None:
    log, _ = open_log(tmp_path / "a.db")
    log.begin_session(START, META)
    log.write(drive())
    log.rollback()
    log.write(drive())
    log.close()
    assert verify(tmp_path / "a.db") == []
    connection = sqlite3.connect(tmp_path / "a.db")
    assert connection.execute("SELECT count(*) FROM reading JOIN channel ON id = channel").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("garbage", [b"not a database at all, " * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_log_is_quarantined_and_kept(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(garbage)
    log, quarantined = open_log(path)
    log.close()
    assert quarantined is not None
    assert quarantined.read_bytes() == garbage
    path.write_bytes(garbage)
    log, second = open_log(path)
    log.close()
    assert second is not None
    assert second != quarantined


def test_another_programs_database_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LogError, match="not a stagelog log"), open_log_readonly(path):
        pass
    with pytest.raises(LogError, match="not a stagelog log"):
        Log(path)
    assert path.read_bytes() == before
    log, quarantined = open_log(path)  # where the recorder is to write
    log.close()
    assert quarantined is not None
    assert quarantined.read_bytes() == before


def test_a_read_only_log_is_not_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged header gives the same SQLite error; if the file cannot be written, the file system is the cause."""
    path = tmp_path / "a.db"
    recorded(path).close()
    path.write_bytes(path.read_bytes()[:18] + b"\xff" + path.read_bytes()[19:])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(LogError, match="readonly"):
        open_log(path)
    monkeypatch.undo()
    log, quarantined = open_log(path)
    log.close()
    assert quarantined is not None


def test_a_newer_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    recorded(path).close()
    database = Database(path)
    database.table("_sqlite_migrations").insert(
        {"migration_set": "stagelog", "name": "m999_later", "applied_at": "2031-01-01"}
    )
    database.close()
    with pytest.raises(LogError, match="update stagelog"):
        open_log(path)


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError) as caught:
        open_log(tmp_path / "file" / "a.db")
    assert "\n" not in str(caught.value)
    assert "check the folder" in str(caught.value)


def test_a_log_of_the_first_schemas_gets_the_later_columns(tmp_path: Path) -> None:
    """A power cycle after an update: the session resumes in the older log."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        migrations.apply(Database(connection), stop_before="m003_accuracy")
        connection.execute("INSERT INTO fix VALUES (1, 1, 2, 20.0, 42.0, 600.0, 25.0, 90.0, 1, 12, 0.8)")
        connection.commit()
    log, quarantined = open_log(path)
    assert quarantined is None
    log.begin_session(START, META)
    rows = Rows()
    rows.fix.append(Fix(9, None, 20.0, 42.0, None, None, None, 1, None, None, True, 0.9, 1.6, 0.08))
    log.write(rows)
    log.close()
    with closing(sqlite3.connect(path)) as connection:
        accuracies = "accuracy_m, alt_accuracy_m, speed_accuracy_mps"
        for source in ("fix", "track"):
            found = connection.execute(f"SELECT {accuracies} FROM {source} ORDER BY rowid").fetchall()
            assert found == [(None, None, None), (0.9, 1.6, 0.08)]


def test_every_migration_is_known_to_readers() -> None:
    database = Database(memory=True)
    assert tuple(migration.name for migration in migrations.pending(database)) == schema.VERSIONS
    database.close()


def schema_objects(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Every object of a schema, with the words of its SQL; quotes, case and line breaks do not matter."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master").fetchall()
    words = [sql.lower().replace("float", "real").replace('"', "") for *_, sql in rows]
    return {(*row[:3], *re.findall(r"\w+|[^\w\s]", sql)) for row, sql in zip(rows, words, strict=True)}


def test_a_blank_log_equals_the_result_of_the_migrations() -> None:
    with closing(sqlite3.connect(":memory:")) as blank, closing(sqlite3.connect(":memory:")) as migrated:
        assert schema.prepare(blank)
        migrate(migrated)
        assert schema_objects(blank) == schema_objects(migrated)
        for table in COLUMNS:
            infos = [c.execute(f"PRAGMA table_info({table})").fetchall() for c in (blank, migrated)]
            assert [row[:2] for row in infos[0]] == [row[:2] for row in infos[1]]
        listed = "SELECT id, migration_set, name FROM _sqlite_migrations"
        assert blank.execute(listed).fetchall() == migrated.execute(listed).fetchall()
        assert migrations.pending(Database(blank)) == []
        assert not schema.prepare(blank)


def test_only_an_older_log_costs_the_import_of_sqlite_utils(tmp_path: Path) -> None:
    """A tenth of the time from power-on to the first row."""
    program = (
        "import sys; from pathlib import Path; from logger.logfile.open_or_quarantine import open_log;"
        "[open_log(Path(sys.argv[1]))[0].close() for _ in 'ab']; print('sqlite_utils' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.db")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


def test_the_listed_columns_are_those_of_the_migrations() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        tables = [table for table in Database(connection).tables if not table.name.startswith("_")]
        made = {table.name: [(column.name, column.type) for column in table.columns] for table in tables}
        never = {(table.name, column.name) for table in tables for column in table.columns if column.notnull}
    listed = {
        table: [(name, column.declared) for name, column in columns.items()]
        for table, columns in COLUMNS.items()
    }
    assert listed == made
    is_nullable = {
        (table, name)
        for table, columns in COLUMNS.items()
        for name, column in columns.items()
        if column.is_nullable
    }
    assert not never & is_nullable


def test_every_table_of_rows_is_a_table_of_the_log() -> None:
    assert set(TABLES) == set(DESIGN) - {"meta", "session", "channel"}


@pytest.mark.parametrize("table", TABLES)
def test_the_number_of_rows_counts_every_table(table: str) -> None:
    rows = Rows()
    row = Reading(0, Channel("rpm", "", "test"), 0.0) if table == "reading" else CanFrame(0, 0, 0, b"")
    getattr(rows, table).append(row)
    assert len(rows) == 1


def test_a_migrations_table_of_another_sqlite_utils_is_not_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_log(path)[0].close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE _sqlite_migrations ADD COLUMN more TEXT")
    log, quarantined = open_log(path)
    log.close()
    assert quarantined is None
