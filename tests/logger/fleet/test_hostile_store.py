"""An untrusted store: a warning for each invalid file, valid logs still work, nothing outside is touched."""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet

from logger.cli import main
from logger.fleet import footers
from logger.fleet.add import Adder
from logger.fleet.catalogue import Entry, entries
from logger.fleet.store import INCOMING, Store
from logger.fleet.tables import TABLES
from tests.logger.fleet.stores import forged

SHA = "ab" * 32


class Ended(NamedTuple):
    code: int
    out: str
    err: list[str]


Verb = Callable[..., Ended]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, pair: list[Path]) -> Path:
    """A store with the logs of two cars."""
    folder = tmp_path_factory.mktemp("honest")
    adder = Adder(Store(str(folder)))
    for log in pair:
        adder.add(log)
    return folder


@pytest.fixture
def store(tmp_path: Path, honest: Path) -> Path:
    """A copy of the honest store in its own folder."""
    return Path(shutil.copytree(honest, tmp_path / "home" / "store"))


@pytest.fixture
def verb(
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Verb:
    """Runs a `fleet` command on this store through the program's entry point."""

    def run(name: str, *words: object, budget_s: float = 20.0) -> Ended:
        extra = ["--workers", "0"] if name == "review" else []
        monkeypatch.setattr(
            sys, "argv", ["stagelog", "fleet", name, *map(str, words), "--store", str(store), *extra]
        )
        caplog.clear()
        begun_s = time.process_time()
        code = main._run()
        assert time.process_time() - begun_s < budget_s
        out, err = capsys.readouterr()
        lines = [
            *err.splitlines(),
            *(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING),
        ]
        assert all(line.isprintable() and len(line) < 1000 for line in lines), lines
        return Ended(code, out, lines)

    return run


def row_of(store: Path, number: int = 0) -> dict[str, Any]:
    """The row of the table `log` of one of the store's logs."""
    return entries(Store(str(store)))[number]._asdict()


def add_row(store: Path, **changes: Any) -> Path:
    """Add an entry like that of the first log, with changes, at the path that it names."""
    row = {**row_of(store), "log": SHA, **changes}
    path = store / f"log/event={row['event']}/stage={row['stage']}/car={row['car']}/{row['log']}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist([{n: row[n] for n in TABLES["log"].names}], TABLES["log"]), path)
    return path


def outside(store: Path) -> list[str]:
    """Files next to the store."""
    return sorted(
        str(path.relative_to(store.parent.parent))
        for path in store.parent.rglob("*")
        if store not in path.parents
    )


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


@pytest.mark.parametrize("name", [INCOMING, "log", "logs", "fix", "fix/event=test", "review"])
def test_a_folder_that_is_a_link_is_not_followed(
    name: str, verb: Verb, store: Path, pair: list[Path], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    old = elsewhere / "old"
    old.mkdir(parents=True)
    (old / "mine").write_text("mine")
    os.utime(old, (0, 0))
    shutil.rmtree(store / name, ignore_errors=True)
    (store / name).symlink_to(elsewhere)
    grown = forged(pair[0], tmp_path / pair[0].name, "UPDATE meta SET value = 'x' WHERE key = 'software'")
    ended = [verb("add", grown), verb("query", "SELECT count(*) FROM fix"), verb("review")]
    assert {end.code for end in ended} & {1, 74}
    assert any(name.partition("/")[0] in line and "link" in line for end in ended for line in end.err), ended
    assert [path.name for path in elsewhere.rglob("*")] == ["old", "mine"]


def test_folders_within_one_another_are_left_out(verb: Verb, store: Path, pair: list[Path]) -> None:
    """Their path is longer than the system opens."""
    at = os.open(store / "log", os.O_DIRECTORY)
    for _ in range(3_000):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    try:
        ended = verb("query", "SELECT count(*) AS n FROM log", "--json")
    finally:
        subprocess.run(["rm", "-rf", str(store / "log/d")], check=True)
    assert (ended.code, ended.out) == (0, '{"n": 2}\n')
    assert len(ended.err) == 1
    assert "1 folders more than 10 deep" in ended.err[0]


def test_files_that_are_links_are_replaced_or_skipped(
    verb: Verb, store: Path, pair: list[Path], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for path in [*(store / "fix").rglob("*.parquet"), *(store / "logs").iterdir()]:
        path.unlink()
        path.symlink_to(mine)
    assert verb("query", "SELECT count(*) AS n FROM fix", "--json").out == '{"n": 0}\n'
    reviewed = verb("review")
    assert reviewed.code == 1
    assert sum("is a symbolic link" in line for line in reviewed.err) == 2
    assert verb("add", pair[0]).out.endswith(": added\n")
    assert mine.read_text() == "mine"


def compressed(path: Path, blocks: int, block: bytes = bytes(1_000_000)) -> None:
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as stream:
        for _ in range(blocks):
            stream.write(block)


@pytest.mark.parametrize("what", ["a bomb", "random", "empty", "another log", "larger than the disk"])
def test_a_changed_copy_is_an_error(what: str, verb: Verb, store: Path, tmp_path: Path) -> None:
    entry = Entry(**row_of(store))
    path = store / entry.copy
    if what == "a bomb":
        compressed(path, 2000)
    elif what == "random":
        path.write_bytes(os.urandom(10_000))
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "another log":
        shutil.copy(store / Entry(**row_of(store, 1)).copy, path)
    else:
        shutil.rmtree(store / "log/event=test/stage=7/car=71")
        add_row(store, **{**entry._asdict(), "size_bytes": 2**62})
    found = outside(store)
    ended = verb("review")
    assert ended.code == 1
    assert len(ended.err) == 1
    assert entry.log in ended.err[0]
    assert "Driver 72" in ended.out
    assert outside(store) == found


def many_rows_in_a_group(path: Path) -> None:
    table = pa.table({"log": pa.nulls(5_000_000, pa.string()), "session": pa.nulls(5_000_000, pa.int32())})
    parquet.write_table(table, path, row_group_size=5_000_000)


def varint(number: int) -> bytes:
    """As Thrift writes a positive whole number."""
    number, out = 2 * number, bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def claim_little(path: Path) -> None:
    """The footer states a few bytes for everything, in as many digits as before."""
    group = parquet.read_metadata(path).row_group(0)
    data = path.read_bytes()
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[at:]
    for size in {group.total_byte_size, group.column(0).total_uncompressed_size}:
        written = varint(size)
        assert written in footer
        footer = footer.replace(written, b"\x88" + b"\x80" * (len(written) - 2) + b"\x00")
    path.write_bytes(data[:at] + footer)
    assert parquet.read_metadata(path).row_group(0).total_byte_size < 1000


def a_page_that_unpacks_to_more(path: Path) -> None:
    table = pa.table({"log": ["x" * 100_000] * 1500})
    options = {"use_dictionary": False, "data_page_size": 1 << 30, "write_statistics": False}
    parquet.write_table(table, path, compression="zstd", **options)
    assert path.stat().st_size < 100_000
    claim_little(path)


def a_text_repeated_in_every_row(path: Path) -> None:
    rows = pa.array([0] * 100_000, pa.int32())
    table = pa.table({"log": pa.DictionaryArray.from_arrays(rows, pa.array(["x" * 100_000]))})
    parquet.write_table(table, path, store_schema=False)
    assert path.stat().st_size < 200_000


def texts_that_differ_in_nothing(path: Path) -> None:
    table = pa.table({"log": ["x" * 10_000] * 20_000})
    parquet.write_table(table, path, use_dictionary=False, column_encoding={"log": "DELTA_BYTE_ARRAY"})
    assert path.stat().st_size < 100_000


def headers_of_rubbish(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for index in range(parquet.read_metadata(path).num_columns):
        chunk = parquet.read_metadata(path).row_group(0).column(index)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        data[start : start + 8] = b"\x15\x00\xff\xff\xff\xff\xff\xff"
    path.write_bytes(data)


TABLE_FILES: dict[str, Callable[[Path], object]] = {
    "other columns": lambda path: parquet.write_table(pa.table({"x": [1]}), path),
    "other types": lambda path: parquet.write_table(pa.table({"log": ["a"], "lat": ["north"]}), path),
    "nested types": lambda path: parquet.write_table(pa.table({"log": ["a"], "lat": [[[1.0]]]}), path),
    "no Parquet": lambda path: path.write_bytes(b"CSV"),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a huge row group": many_rows_in_a_group,
    "a page that unpacks to more than the footer says": a_page_that_unpacks_to_more,
    "a text repeated in every row": a_text_repeated_in_every_row,
    "texts that differ in nothing": texts_that_differ_in_nothing,
    "headers of rubbish": headers_of_rubbish,
}


@pytest.mark.parametrize("what", TABLE_FILES)
def test_an_invalid_table_file_is_skipped(what: str, verb: Verb, store: Path) -> None:
    path = next((store / "fix/event=test/stage=7/car=71").iterdir())
    TABLE_FILES[what](path)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = verb("query", "SELECT DISTINCT car FROM fix WHERE log IS NOT NULL", "--json")
    assert (ended.code, ended.out) == (0, '{"car": 72}\n')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 300_000
    assert len(ended.err) == 1
    assert path.name in ended.err[0]


def test_many_rows_of_few_texts_are_read(verb: Verb, store: Path) -> None:
    """A dictionary of a megabyte could stand for a hundred gigabytes; how long its texts are in the rows counts."""
    path = next((store / "event/event=test/stage=7/car=71").iterdir())
    texts = [f"{number:0200d}" for number in range(4_000)]
    parquet.write_table(pa.table({"log": [SHA] * 100_000, "detail": texts * 25}), path)
    ended = verb("query", "SELECT count(DISTINCT detail) AS n FROM event WHERE car = 71", "--json")
    assert (ended.code, ended.out, ended.err) == (0, '{"n": 4000}\n', [])


@pytest.mark.parametrize(("damaged_bytes", "codes"), [(20, {64, 74}), (1 << 30, {0})])
def test_damaged_rows_are_a_one_line_error(
    damaged_bytes: int, codes: set[int], verb: Verb, store: Path
) -> None:
    """The end of the last page's data, or every page with its header: then the file is left out."""
    path = next((store / "event/event=test/stage=7/car=71").iterdir())
    data = bytearray(path.read_bytes())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    start = max(4, len(data) - footer - damaged_bytes)
    data[start : len(data) - footer] = b"\xff" * (len(data) - footer - start)
    path.write_bytes(data)
    ended = verb("query", "SELECT count(detail), max(detail) FROM event")
    assert ended.code in codes
    assert len(ended.err) == 1


@pytest.mark.parametrize("run", ["..", "../..", "a/b", "/tmp", "", "x\0"])  # noqa: S108
def test_a_run_must_be_a_folder_name(run: str, verb: Verb) -> None:
    ended = verb("query", "SELECT 1", "--run", run)
    assert ended.code == 64
    assert len(ended.err) == 1


def meta(log: Path, to: Path, car: str) -> Path:
    """Copy a log with another car in its meta."""
    shutil.copy(log, to)
    connection = sqlite3.connect(to)
    with connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'car'", (car,))
        connection.execute("UPDATE session SET config = ''")
    connection.close()
    return to


CARS = {
    "beyond its column": '{"number": 3000000000}',
    "of 4,000 digits": '{"number": 1' + "0" * 4000 + "}",
    "of 100,000 digits": '{"number": 1' + "0" * 100_000 + "}",
    "of six digits": '{"number": 100000}',
    "negative": '{"number": -1}',
    "no whole number": '{"number": 71.0}',
    "endless": '{"number": 1e999}',
    "true": '{"number": true}',
    "a text": '{"number": "../71"}',
    "nested": '{"number": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "a name of a megabyte": '{"number": 71, "name": "' + "x" * 1_000_000 + '"}',
    "a crew of thousands": json.dumps({"number": 71, "crew": ["x" * 100] * 1000}),
}


@pytest.mark.parametrize("what", CARS)
def test_a_log_with_an_invalid_car_is_not_added(
    what: str, verb: Verb, pair: list[Path], tmp_path: Path
) -> None:
    log = meta(pair[0], tmp_path / "odd.db", CARS[what])
    ended = verb("add", log, pair[1])
    assert ended.code == 1
    assert sum("odd.db" in line for line in ended.err) == 1
    assert len(ended.err) <= 2, "and a warning where the car's text is too long"
    assert ended.out == f"{pair[1].name}: already in the store\n"
    assert verb("query", "SELECT count(*) AS n FROM log", "--json").out == '{"n": 2}\n'


def test_an_odd_but_harmless_log_is_added(tmp_path: Path, pair: list[Path]) -> None:
    odd = '{"number": 0, "name": null, "class": 5, "crew": 7}'
    store = Store(str(tmp_path / "new"))
    added = Adder(store).add(meta(pair[0], tmp_path / "odd.db", odd))
    assert added.new
    assert [(entry.car, entry.crew, entry.car_class) for entry in entries(store)] == [(0, "", "")]


def test_an_entry_survives_a_round_trip_through_the_catalogue(store: Path, honest: Path) -> None:
    found = entries(Store(str(store)))
    assert found == entries(Store(str(honest)))
    assert found[0].from_utc is not None
    assert found[0].from_utc.tzinfo is not None
    assert datetime(2020, 1, 1, tzinfo=UTC) < found[0].from_utc
    paths = [entry.path("fix") for entry in found]
    assert footers.readable_files(Store(str(store)), "fix", paths) == paths
