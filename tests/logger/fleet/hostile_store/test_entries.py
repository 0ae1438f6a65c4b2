"""Entries of an untrusted catalogue: odd names, numbers and files are skipped with a warning."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from logger.fleet.tables import TABLES
from tests.logger.fleet.hostile_store.commands import SHA, Verb, add_row, outside, row_of


def assert_works_with_one_warning(verb: Verb, store: Path, line: str, pair: list[Path]) -> None:
    """Assert that every command handles the two honest logs and reports once what it skips."""
    found = outside(store)
    queried = verb(
        "query", "SELECT car, count(*) AS n FROM log JOIN fix USING (car) GROUP BY car ORDER BY car", "--json"
    )
    assert queried.code == 0, queried
    assert [json.loads(answer)["car"] for answer in queried.out.splitlines()] == [71, 72]
    reviewed = verb("review")
    assert reviewed.out.count("Driver") >= 2
    added = verb("add", pair[0])
    assert (added.code, added.out) == (0, f"{pair[0].name}: already in the store\n")
    for ended in (queried, reviewed, added):
        assert sum(line in error for error in ended.err) == 1, ended
    assert outside(store) == found


NAMES = ["../../evil.db", "/tmp/evil.db", "a/b.db", "..", "", "x\x1b[2J.db", "n" * 300, "C:\\evil.db", None]  # noqa: S108


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_the_name_of_an_entry_is_never_a_path(
    name: str | None, verb: Verb, store: Path, pair: list[Path]
) -> None:
    add_row(store, name=name)
    shutil.copy(store / f"logs/{row_of(store)['log']}.db.zst", store / f"logs/{SHA}.db.zst")
    assert_works_with_one_warning(verb, store, "not a file name", pair)


def test_a_car_number_beyond_the_column_type_is_skipped(verb: Verb, store: Path, pair: list[Path]) -> None:
    path = store / f"log/event=test/stage=7/car=99999999999/{SHA}.parquet"
    path.parent.mkdir(parents=True)
    shutil.copy(add_row(store), path)
    (store / f"log/event=test/stage=7/car=71/{SHA}.parquet").unlink()
    for table in ("fix", "event"):
        there = store / f"{table}/event=test/stage=7/car=99999999999/{SHA}.parquet"
        there.parent.mkdir(parents=True)
        shutil.copy(next((store / table).rglob("*.parquet")), there)
    assert_works_with_one_warning(verb, store, "car=99999999999", pair)


ROWS: dict[str, dict[str, Any]] = {
    "an event that climbs": {"event": ".."},
    "an event in capitals": {"event": "Test"},
    "a stage of six digits": {"stage": 100_000},
    "a stage beyond its column": {"stage": 40_000},
    "a negative car": {"car": -5},
    "an identity that is a path": {"identity": "../../../etc/x"},
    "no identity": {"identity": None},
    "no rows": {"rows": None},
    "negative rows": {"rows": -1},
    "no size": {"size_bytes": None},
    "no duration": {"duration_s": None},
    "a duration that is no number": {"duration_s": float("nan")},
    "an endless duration": {"duration_s": float("inf")},
    "a crew of a megabyte": {"crew": "x" * 1_000_000},
    "no crew": {"crew": None},
}


@pytest.mark.parametrize("what", ROWS)
def test_an_invalid_entry_is_skipped(what: str, verb: Verb, store: Path, pair: list[Path]) -> None:
    add_row(store, **ROWS[what])
    assert_works_with_one_warning(verb, store, SHA, pair)


def two_rows(path: Path) -> None:
    table = parquet.read_table(path, partitioning=None)
    parquet.write_table(pa.concat_tables([table, table]), path)


def other_columns(path: Path) -> None:
    parquet.write_table(pa.table({"log": [SHA], "name": [5]}), path)


def other_types(path: Path) -> None:
    table = parquet.read_table(path, partitioning=None)
    parquet.write_table(table.set_column(3, "rows", pa.array(["many"])), path)


def years_beyond_the_calendar(path: Path) -> None:
    table = parquet.read_table(path, partitioning=None)
    at = table.schema.names.index("from_utc")
    far = pa.array([2**62], pa.int64()).cast(pa.timestamp("us", "UTC"))
    parquet.write_table(table.set_column(at, table.schema.field(at), far), path)


def a_row_of_zeros(path: Path) -> None:
    row = {**dict.fromkeys(TABLES["log"].names), "log": SHA, "crew": "\0" * 100_000_000}
    parquet.write_table(pa.Table.from_pylist([row], TABLES["log"]), path, compression="zstd")


def instead(path: Path) -> Path:
    """Remove a file and return its path."""
    path.unlink()
    return path


FILES: dict[str, Callable[[Path], object]] = {
    "two rows": two_rows,
    "other columns": other_columns,
    "other types": other_types,
    "years beyond the calendar": years_beyond_the_calendar,
    "a text of 100 MB in a few kilobytes": a_row_of_zeros,
    "empty": lambda path: path.write_bytes(b""),
    "no Parquet": lambda path: path.write_bytes(b"{}" * 1000),
    "random bytes": lambda path: path.write_bytes(b"PAR1" + os.urandom(5000) + b"PAR1"),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "damaged in its middle": lambda path: path.write_bytes(
        path.read_bytes().replace(b"test-7", b"\xff\xfe\xfd\xfc\xfb\xfa")
    ),
    "a gigabyte": lambda path: os.truncate(path, 1 << 30),
    "another log's": lambda path: shutil.copy(next(p for p in path.parent.iterdir() if p != path), path),
    "a link to what does not end": lambda path: instead(path).symlink_to("/dev/zero"),
    "a link to itself": lambda path: instead(path).symlink_to(path),
    "a pipe": lambda path: os.mkfifo(instead(path)),
    "a folder": lambda path: instead(path).mkdir(),
}
SILENT = {"a pipe", "a folder"}
"""Not listed as files of a table."""


@pytest.mark.parametrize("what", FILES)
def test_an_invalid_catalogue_file_is_skipped(what: str, verb: Verb, store: Path, pair: list[Path]) -> None:
    path = add_row(store)
    FILES[what](path)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = entries(Store(str(store)))
    assert [entry.car for entry in found] == [71, 72]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 300_000
    if what not in SILENT:
        assert_works_with_one_warning(verb, store, SHA, pair)


def test_many_invalid_entries_give_few_lines(verb: Verb, store: Path) -> None:
    for number in range(50):
        add_row(store, log=f"{number:064x}", identity="none")
    ended = verb("query", "SELECT count(*) AS n FROM log", "--json")
    assert (ended.code, ended.out) == (0, '{"n": 2}\n')
    assert len(ended.err) == 11
    assert "40 other logs" in ended.err[-1]
