"""SQL queries: results come only from logs named in `log`; no other access."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.fleet import tables
from logger.fleet.add import Adder
from logger.fleet.catalogue import entries
from logger.fleet.query import run_query
from logger.fleet.review import judge_in_loop, review, run_of
from logger.fleet.store import Store
from tests.logger.command_line import Ended, stagelog


@pytest.fixture(scope="module")
def store(pair: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with cars 71 and 72."""
    store = Store(str(tmp_path_factory.mktemp("queried")))
    for log in pair:
        Adder(store).add(log)
    return store


def rows(store: Store, sql: str, run: str | None = None) -> list[tuple[object, ...]]:
    """All rows of a query."""
    with run_query(store, sql, run) as answer:
        assert answer is not None
        return [tuple(row.values()) for row in answer.read_all().to_pylist()]


def query(store: Store, *arguments: str) -> Ended:
    """Run `stagelog fleet query`."""
    return stagelog("fleet", "query", *arguments, "--store", store.url, folder=Path(store.root))


def test_every_table_can_be_queried(store: Store) -> None:
    for table in tables.TABLES:
        [(count, cars)] = rows(store, f"SELECT count(*), count(DISTINCT car) FROM {table}")
        assert (count, cars) == (0, 0) if table == tables.FRAME else cars == 2, table
    assert rows(store, "SELECT car, stage, event FROM log WHERE stage = 7 ORDER BY car DESC") == [
        (72, 7, "test"),
        (71, 7, "test"),
    ]


def test_a_store_without_logs_has_the_tables(tmp_path: Path) -> None:
    assert rows(Store(str(tmp_path)), "SELECT * FROM fix") == []


def test_only_logs_named_in_the_log_table_are_visible(store: Store, tmp_path: Path) -> None:
    """The state while a log is being added."""
    half = Store(str(tmp_path / "half"))
    for name in store.list("", ".parquet"):
        if not (name.startswith("log/") and "car=72" in name):
            target = Path(half.full(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(store.full(name)).read_bytes())
    assert rows(half, "SELECT DISTINCT car FROM fix") == [(71,)]


def test_the_output_formats(store: Store) -> None:
    sql = "SELECT car, min(utc) AS first, max(speed_mps) AS mps, NULL AS nothing FROM fix GROUP BY car ORDER BY car"
    lines = [json.loads(line) for line in query(store, sql, "--json").out.splitlines()]
    assert [line["car"] for line in lines] == [71, 72]
    assert lines[0]["first"].startswith("20")
    assert lines[0]["first"].endswith("Z")
    csv_rows = list(csv.DictReader(query(store, sql, "--csv").out.splitlines()))
    assert [float(row["mps"]) for row in csv_rows] == [line["mps"] for line in lines]
    assert csv_rows[0]["first"] == lines[0]["first"]
    assert csv_rows[0]["nothing"] == ""
    table = query(store, sql).out.splitlines()
    assert table[0].split() == ["car", "first", "mps", "nothing"]
    assert table[1].split()[0] == "71"


def test_json_has_numbers_and_times_of_json(store: Store) -> None:
    sql = (
        "SELECT sum(t_us) AS t_us, 1.5::DECIMAL(5, 2) AS speed_kmh, 'nan'::DOUBLE AS hdop, [min(utc)] AS utcs,"
        " min(utc) AS utc, INTERVAL 90 SECOND AS gap_s, 'x'::BLOB AS data FROM fix WHERE utc = '2026-01-15 02:57:01Z'"
    )
    row = json.loads(query(store, sql, "--json").out, parse_constant=pytest.fail)
    assert (type(row["t_us"]), row["speed_kmh"], row["hdop"], row["gap_s"]) == (int, 1.5, None, 90.0)
    assert (row["utc"], row["utcs"], row["data"]) == (
        "2026-01-15T02:57:01.000000Z",
        ["2026-01-15T02:57:01Z"],
        "78",
    )


def test_a_run_replaces_the_review_tables(store: Store) -> None:
    run = run_of(store, "rallysafe")
    verdicts = review(run, entries(store), judge_in_loop, lambda _done: None)
    sql = "SELECT sum(penalty_s) FROM section GROUP BY car ORDER BY car"
    assert rows(store, sql, run.name) == [(verdict.penalty_s,) for verdict in verdicts]
    assert rows(store, sql) != rows(store, sql, run.name)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY fix TO '{out}'",
        "COPY (SELECT 1) TO '{out}' (FORMAT parquet)",
        "ATTACH '{out}' AS other",
        "EXPORT DATABASE '{out}'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('/*')",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SELECT * FROM files",  # a variable of `run_query`
        "SELECT 1; COPY fix TO '{out}'",
    ],
)
def test_a_query_cannot_write_or_read_anything_else(store: Store, tmp_path: Path, sql: str) -> None:
    secret, out = tmp_path / "secret.csv", tmp_path / "out"
    secret.write_text("a\n1\n")
    with pytest.raises(ConfigurationError, match="DuckDB"):
        rows(store, sql.format(secret=secret, out=out))
    assert not out.exists()


def test_an_invalid_query_is_a_one_line_error(store: Store) -> None:
    ended = query(store, "SELECT speed FROM fixes")
    assert (ended.code, ended.out) == (64, "")
    assert "DuckDB" in ended.complaint
    assert "the tables are fix, reading" in ended.complaint


def test_a_query_that_needs_more_memory_is_a_one_line_error(store: Store) -> None:
    sql = "SELECT list(a.speed_mps + b.speed_mps) FROM fix a, fix b, range(100)"
    ended = query(store, sql, "--memory", "50")
    assert ended.code == 64
    assert ended.complaints == [
        "stagelog: the query needs more than 50 MB of memory, or fills the temporary folder; "
        "select fewer rows or columns, or allow more with --memory"
    ]


def test_a_computed_query_reads_only_checked_files(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = Store(str(tmp_path / "damaged"))
    shutil.copytree(store.root, damaged.root)
    path = next(path for path in damaged.list("fix/", ".parquet") if "car=71" in path)
    Path(damaged.full(path)).write_bytes(b"not Parquet")
    assert rows(damaged, "SELECT DISTINCT car FROM query('SELECT car FROM f' || 'ix')") == [(72,)]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("form", ["--json", "--csv", "--table"])
def test_dates_beyond_the_calendar_are_texts(form: str, store: Store) -> None:
    sql = (
        "SELECT DATE '-5877641-06-25' AS d, [DATE '5881580-07-10'] AS l, TIMESTAMP '294247-01-10 04:00:54' AS t,"
        " {'d': DATE '-5877641-06-25'} AS s, 5 AS n"
    )
    ended = query(store, sql, *([] if form == "--table" else [form]))
    assert (ended.code, ended.complaints) == (0, [])
    assert "out of range" in ended.out
