"""Hostile logs: each is refused with one line, quickly, and Ctrl-C ends every read of one."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.logfile import reader, schema
from logger.logfile.border import budgeted, open_log_readonly
from logger.logfile.columns import COLUMNS
from logger.logfile.light_sqlite_utils import Database
from logger.logfile.migrations import migrations
from logger.logfile.open_or_quarantine import open_log
from logger.logfile.verify import verify
from logger.transfer.copying import copy_rows
from logger.transfer.snapshot import snapshot
from tests.logger.logfile.rows_made import META, START, drive, frames, write_log

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"
OPENED_WITHIN_S = 0.05
"""Comparing our schema takes half a millisecond; the rest is margin for a busy machine."""


def write_hostile(path: Path, *statements: str) -> Path:
    """A log of ours after some hostile statements."""
    with closing(sqlite3.connect(write_log(path, drive(), frames(20, first=3)))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def replaced(table: str) -> tuple[str, str]:
    """Statements that replace a table by an endless view with the same columns."""
    columns = COLUMNS.get(table, {"id": None, "migration_set": None, "name": None, "applied_at": None})
    values = ", ".join(f"x AS {column}" for column in columns)
    return f"DROP TABLE {table}", f"CREATE VIEW {table} AS {ENDLESS} {values} FROM n"


def rewritten(table: str, old: str, new: str) -> tuple[str, ...]:
    """Statements that change a table's CREATE text in a way that ALTER TABLE cannot."""
    return (
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE name = '{table}'",
    )


HOSTILE = {
    **{f"{table} is an endless view": replaced(table) for table in (*COLUMNS, "_sqlite_migrations")},
    "a view of others": ("CREATE VIEW mine AS SELECT 1",),
    "a view of ours with another text": (
        "DROP VIEW speed",
        f"CREATE VIEW speed AS {ENDLESS} x FROM n",
    ),
    "a table of others": ("CREATE TABLE mine (x)",),
    "a trigger": ("CREATE TRIGGER grow AFTER INSERT ON frame BEGIN SELECT 1; END",),
    "a trigger of a temporary name": ("CREATE TRIGGER meta AFTER INSERT ON frame BEGIN SELECT 1; END",),
    "a virtual table": ("CREATE VIRTUAL TABLE mine USING fts5(x)",),
    "frame is a virtual table": (
        "DROP TABLE frame",
        "CREATE VIRTUAL TABLE frame USING fts5(session, t_us, bus, can_id, data)",
    ),
    "a generated column": ("ALTER TABLE frame ADD COLUMN more AS (abs(bus))",),
    "a generated column in place of ours": (
        "DROP VIEW frames_hex",
        "ALTER TABLE frame DROP COLUMN data",
        "ALTER TABLE frame ADD COLUMN data BLOB AS (zeroblob(1000000000))",
    ),
    "an index": ("CREATE INDEX mine ON frame (t_us)",),
    "an index on an expression": ("CREATE INDEX mine ON frame (abs(t_us))",),
    "an index by the name of one of ours": (
        "DROP INDEX idx__sqlite_migrations_migration_set_name",
        "CREATE INDEX idx__sqlite_migrations_migration_set_name ON frame (abs(t_us))",
    ),
    "statistics": ("ANALYZE",),
    "a check": rewritten("frame", '"data" BLOB', '"data" BLOB CHECK (abs(bus) < 9)'),
    "a default": rewritten("frame", '"data" BLOB', '"data" BLOB DEFAULT (randomblob(9))'),
    "a collation": rewritten("event", '"kind" TEXT', '"kind" TEXT COLLATE NOCASE'),
    "another affinity": rewritten("frame", '"data" BLOB', '"data" TEXT'),
    "columns in another order": rewritten(
        "frame", '"bus" INTEGER,\n   "can_id" INTEGER', '"can_id" INTEGER,\n   "bus" INTEGER'
    ),
    "a comment": rewritten("frame", '"data" BLOB', '"data" BLOB /* more */'),
    "strict": rewritten("frame", "BLOB\n)", "BLOB\n) STRICT"),
    "two tables on one page": (
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'event')"
        " WHERE name = 'rejected'",
    ),
    "a text without an end": (
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = sql || replace(hex(zeroblob(50000)), '0', ' ') WHERE name = 'frame'",
    ),
    "a thousand tables": tuple(f"CREATE TABLE mine_{number} (x)" for number in range(1000)),
}


@pytest.mark.parametrize("statements", HOSTILE.values(), ids=HOSTILE)
def test_a_schema_that_is_not_ours_is_one_line(tmp_path: Path, statements: tuple[str, ...]) -> None:
    path = write_hostile(tmp_path / "a.db", *statements)
    began = time.process_time()
    with pytest.raises(LogError) as caught, open_log_readonly(path):
        pass
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"{path}: ")
    assert "not a stagelog log" in message or "malformed database schema" in message
    assert verify(path) == [caught.value.what]
    with pytest.raises(LogError):
        reader.info(path)
    with pytest.raises((LogError, sqlite3.DatabaseError)):
        copy_rows(path, tmp_path / "copy.db", lambda _done: None)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("statements", HOSTILE.values(), ids=HOSTILE)
def test_the_recorder_quarantines_it_and_records(tmp_path: Path, statements: tuple[str, ...]) -> None:
    path = write_hostile(tmp_path / "a.db", *statements)
    log, quarantined = open_log(path)
    log.begin_session(START, META)
    log.write(drive())
    log.close()
    assert quarantined is not None
    assert verify(path) == []
    assert len(list(tmp_path.iterdir())) == 2


def test_names_in_a_schema_are_printable(tmp_path: Path) -> None:
    path = write_hostile(tmp_path / "a.db", 'CREATE TABLE "\x1b[2J\nmine" (x)')
    with pytest.raises(LogError, match=r"table \\x1b\[2J\\nmine"), open_log_readonly(path):
        pass


@pytest.mark.parametrize("stop_before", ["m002_views", "m003_accuracy", None])
@pytest.mark.parametrize("quote", ['"{}"', "[{}]", "`{}`", "{}"])
def test_the_schemas_of_every_version_are_ours(tmp_path: Path, stop_before: str | None, quote: str) -> None:
    """Whatever that version of sqlite-utils quoted, and however it named a float."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        migrations.apply(Database(connection), stop_before=stop_before)
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            for column in (name, *(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))):
                sql = sql.replace(f'"{column}"', quote.format(column))  # noqa: PLW2901
            sql = sql.replace(" REAL", " FLOAT") if quote == "[{}]" else sql  # noqa: PLW2901
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))
        connection.commit()
    with open_log_readonly(path) as connection:
        assert connection.execute("SELECT count(*) FROM frame").fetchone() == (0,)


def test_opening_a_log_costs_next_to_nothing(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.db", drive())
    took = []
    for _ in range(5):
        began = time.thread_time()
        with open_log_readonly(path):
            took.append(time.thread_time() - began)
    assert min(took) < OPENED_WITHIN_S


def test_nothing_is_written_through_the_border(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.db", drive())
    with open_log_readonly(path) as connection:
        for statement in ("DELETE FROM frame", "CREATE TABLE x (y)", "PRAGMA user_version = 3"):
            with pytest.raises(sqlite3.OperationalError):
                connection.execute(statement)
    with pytest.raises(LogError, match="too many attached"), open_log_readonly(path) as connection:
        connection.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def left_in_wal(tmp_path: Path, *statements: str, frames_in_wal: int = 20) -> Path:
    """A log with a WAL left by a power cut, which holds the statements' changes."""
    source = write_log(tmp_path / "source.db", drive(), frames(500, first=3))
    path = tmp_path / "card" / "a.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in statements:
            connection.execute(statement)
        connection.execute(
            f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {frames_in_wal})"
            " INSERT INTO rejected SELECT 1, x, 'can', 'noise', zeroblob(900) FROM n"
        )
        connection.commit()
        for tail in ("", "-wal"):
            shutil.copy(f"{source}{tail}", f"{path}{tail}")
    return path


@pytest.mark.parametrize("many", [20, 12_000], ids=["pages", "rows"])
def test_a_wal_brings_no_trigger_into_a_copy(tmp_path: Path, many: int) -> None:
    """By pages and, above eight megabytes of WAL, by rows: the trigger grew a copy from 1 to 41 MB."""
    trigger = (
        "CREATE TRIGGER grow AFTER INSERT ON frame BEGIN"
        " INSERT INTO rejected VALUES (1, 1, '', '', zeroblob(100000)); END"
    )
    path = left_in_wal(tmp_path, trigger, frames_in_wal=many)
    with pytest.raises(LogError, match="trigger grow"):
        snapshot(path, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("many", [20, 12_000], ids=["pages", "rows"])
def test_a_copy_of_an_honest_wal_is_no_longer_than_both(tmp_path: Path, many: int) -> None:
    path = left_in_wal(tmp_path, frames_in_wal=many)
    taken = snapshot(path, tmp_path / "copy.db")
    assert verify(taken.path) == []
    assert taken.size <= path.stat().st_size + path.with_name("a.db-wal").stat().st_size


def test_a_wal_that_claims_more_pages_than_it_has_is_refused(tmp_path: Path) -> None:
    path = left_in_wal(tmp_path)
    wal = path.with_name("a.db-wal")
    wal.write_bytes(claiming(wal.read_bytes(), pages=1 << 22))
    with pytest.raises(LogError, match="pages"):
        snapshot(path, tmp_path / "copy.db")
    with pytest.raises(LogError, match="its header claims 4194304 pages"), open_log_readonly(path):
        pass


def claiming(wal: bytes, pages: int) -> bytes:
    """A WAL whose commits and first page claim this many pages, with valid checksums."""
    order = "big" if wal[3] & 1 else "little"
    page_bytes = int.from_bytes(wal[8:12], "big")

    def summed(data: bytes, first: int, second: int) -> tuple[int, int]:
        for at in range(0, len(data), 8):
            words = (int.from_bytes(data[at + 4 * n : at + 4 * n + 4], order) for n in (0, 1))  # type: ignore[arg-type]
            first = first + next(words) + second & 0xFFFFFFFF
            second = second + next(words) + first & 0xFFFFFFFF
        return first, second

    out, sums = bytearray(wal[:32]), summed(wal[:24], 0, 0)
    for at in range(32, len(wal), 24 + page_bytes):
        head, page = bytearray(wal[at : at + 24]), bytearray(wal[at + 24 : at + 24 + page_bytes])
        if any(head[4:8]):
            head[4:8] = pages.to_bytes(4, "big")
        if int.from_bytes(head[:4], "big") == 1:
            page[28:32] = pages.to_bytes(4, "big")
        sums = summed(bytes(page), *summed(bytes(head[:8]), *sums))
        head[16:24] = b"".join(number.to_bytes(4, "big") for number in sums)
        out += head + page
    return bytes(out)


def test_pages_that_refer_to_one_another_end_by_the_budget(tmp_path: Path) -> None:
    """Inner pages whose children are all the next inner page: 120 to the power of 8 rows in a small file."""
    path = write_log(tmp_path / "a.db", drive())
    data = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        (leaf,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    page_bytes, first = schema.PAGE_BYTES, len(data) // schema.PAGE_BYTES + 1
    levels = 8
    for number in range(levels):
        child = first + number + 1
        data += inner_page(child, page_bytes)
    data += data[(leaf - 1) * page_bytes : leaf * page_bytes]
    data[(leaf - 1) * page_bytes : leaf * page_bytes] = inner_page(first, page_bytes)
    data[28:32] = (len(data) // page_bytes).to_bytes(4, "big")
    path.write_bytes(data)
    began = time.process_time()
    with pytest.raises(LogError, match="reading it would not end"), open_log_readonly(path) as connection:
        connection.execute("SELECT sum(t_us) FROM event").fetchone()
    assert any("damaged" in problem for problem in verify(path))
    assert time.process_time() - began < 20


def inner_page(child: int, page_bytes: int) -> bytes:
    """An inner page of a table with as many cells as fit, all with the same child page."""
    cells = (page_bytes - 12) // 7
    cell = child.to_bytes(4, "big") + b"\x01"
    content = page_bytes - 5 * cells
    head = (
        b"\x05\0\0" + cells.to_bytes(2, "big") + content.to_bytes(2, "big") + b"\0" + child.to_bytes(4, "big")
    )
    pointers = b"".join((content + 5 * number).to_bytes(2, "big") for number in range(cells))
    return (head + pointers).ljust(content, b"\0") + cell * cells


def test_code_that_treats_an_ended_query_as_damage_does_not_hide_it(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.db", drive())
    with pytest.raises(LogError, match="would not end"), open_log_readonly(path) as connection:
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                connection.execute(f"{ENDLESS} sum(x) FROM n").fetchone()


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "any.db")) as connection:
        yield connection


@pytest.mark.parametrize("hides", [False, True])
def test_ctrl_c_within_a_query_ends_it_at_once(
    tmp_path: Path, connection: sqlite3.Connection, hides: bool
) -> None:
    (tmp_path / "large.db").touch()
    with (tmp_path / "large.db").open("wb") as large:
        large.truncate(1 << 40)  # the budget is for hours
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    connection.set_trace_callback(lambda _statement: timer.start())  # before the query it would end the tests
    began = time.process_time()
    with pytest.raises(KeyboardInterrupt), budgeted(connection, tmp_path / "large.db"):
        try:
            connection.execute(f"{ENDLESS} sum(x) FROM n").fetchone()
        except sqlite3.OperationalError:
            if not hides:
                raise
    assert time.process_time() - began < 5
    timer.join()


@pytest.mark.parametrize(
    ("added", "dropped"),
    [
        ("CREATE INDEX by_time ON fix (t_us)", "DROP INDEX by_time"),
        ("ANALYZE", "DROP TABLE sqlite_stat1"),
        ("CREATE VIEW mine AS SELECT 1", "DROP VIEW mine"),
    ],
)
def test_an_object_of_another_program_is_named_with_the_sql_that_drops_it(
    added: str, dropped: str, tmp_path: Path
) -> None:
    from tests.logger.export.logs_made import make

    path = make(tmp_path / "a.db")
    for statement in (added, dropped):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)
            connection.commit()
        if statement == added:
            with pytest.raises(LogError, match=f"run `{dropped}` on a copy"), open_log_readonly(path):
                pass
    with open_log_readonly(path) as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (2,)
