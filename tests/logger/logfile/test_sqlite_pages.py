"""Tables read from SQLite's pages equal those read through SQL; a damaged table gives an error and nothing else."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import LogError
from logger.logfile.sqlite_pages import Table, table_of
from tests.examples import examples

EDGES = [
    sign * (2**bits + off)
    for bits in (7, 8, 15, 16, 23, 24, 31, 32, 47, 48, 62)
    for sign in (1, -1)
    for off in (-1, 0, 1)
]
INTEGERS = st.one_of(st.sampled_from([0, 1, -1, *EDGES]), st.integers(-(2**63), 2**63 - 1))
DOUBLES = st.one_of(st.floats(allow_nan=False), st.integers(-(2**47), 2**47).map(float), st.none())
ROW = st.tuples(INTEGERS, DOUBLES, st.binary(max_size=80))


def written(path: Path, page_bytes: int, rows: list[tuple[Any, ...]]) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA page_size = {page_bytes}")
    connection.execute("CREATE TABLE t (whole INTEGER, number FLOAT, data BLOB)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.commit()
    return connection


def read(table: Table) -> list[tuple[int, float | None, bytes]]:
    found = []
    for cells, _ in table.cells():
        length, data = cells.bytes(2)
        ends = np.cumsum(length)
        values = [None if value != value else value for value in cells.numbers(1).tolist()]  # noqa: PLR0124 - NaN
        parts = [data[end - size : end] for end, size in zip(ends.tolist(), length.tolist(), strict=True)]
        found += list(zip(cells.whole(0).tolist(), values, parts, strict=True))
    return found


@settings(examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from([512, 1024, 4096, 65_536]), st.lists(ROW, max_size=60), st.integers(1, 40))
def test_pages_and_sql_give_the_same_values(
    tmp_path: Path, page_bytes: int, rows: list[Any], times: int
) -> None:
    with closing(written(tmp_path / "t.db", page_bytes, rows * times)) as connection:
        table = table_of(connection, "t")
        assert table is not None
        assert (
            read(table) == connection.execute("SELECT whole, number, data FROM t ORDER BY rowid").fetchall()
        )


def test_a_deep_tree_is_read_in_order(tmp_path: Path) -> None:
    rows = [(number, number / 4, bytes(number % 9)) for number in range(40_000)]
    with closing(written(tmp_path / "t.db", 512, rows)) as connection:
        table = table_of(connection, "t")
        assert table is not None
        assert read(table) == rows
        shares = [share for _, share in table.cells()]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_memory_does_not_grow_with_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logger.logfile.sqlite_pages._TOGETHER_BYTES", 16_384)
    rows = [(number, number / 4, bytes(40)) for number in range(60_000)]
    with closing(written(tmp_path / "t.db", 1024, rows)) as connection:
        tracemalloc.start()
        table = table_of(connection, "t")
        assert table is not None
        assert sum(len(cells.whole(0)) for cells, _ in table.cells()) == len(rows)
        _, max_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert max_bytes < (tmp_path / "t.db").stat().st_size / 3


@pytest.mark.parametrize(
    "row",
    [
        "('text', 1.5, x'00')",
        "(NULL, 1.5, x'00')",
        "(1, 'text', x'00')",
        "(1, 1.5, 'text')",
        "(1, 1.5, NULL)",
    ],
)
def test_values_of_other_kinds_are_an_error(tmp_path: Path, row: str) -> None:
    with closing(written(tmp_path / "t.db", 1024, [])) as connection:
        connection.execute(f"INSERT INTO t VALUES {row}")
        connection.commit()
        table = table_of(connection, "t")
        assert table is not None
        with pytest.raises(LogError, match="damaged"):
            read(table)


def test_a_wide_row_and_a_column_that_came_later_are_left_to_sql(tmp_path: Path) -> None:
    """A row of several pages, and rows with fewer columns than the table has now."""
    with closing(written(tmp_path / "wide.db", 512, [(1, 1.0, bytes(2000))])) as connection:
        assert table_of(connection, "t") is None
    with closing(written(tmp_path / "later.db", 512, [(1, 1.0, b"")])) as connection:
        connection.execute("ALTER TABLE t ADD COLUMN more INTEGER")
        connection.commit()
        assert table_of(connection, "t") is None


def test_a_log_that_is_being_written_is_left_to_sql(tmp_path: Path) -> None:
    with closing(written(tmp_path / "t.db", 1024, [(1, 1.0, b"")])) as connection:
        assert table_of(connection, "t") is not None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("DELETE FROM t WHERE rowid = 1")
        connection.commit()
        assert table_of(connection, "t") is None


def test_a_tree_that_goes_in_circles_ends(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    written(path, 512, [(number, 1.0, b"") for number in range(5_000)]).close()
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 't'").fetchone()
    data = bytearray(path.read_bytes())
    begin = (root - 1) * 512
    data[begin + 8 : begin + 12] = root.to_bytes(4, "big")  # its last child is itself
    path.write_bytes(data)
    with pytest.raises(LogError, match="damaged"):
        list(Table(path, 512, root, ("whole", "number", "data")).cells())
