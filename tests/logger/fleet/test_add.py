"""Adding logs to a store: every row exactly once, also after a kill."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as datasets
import pytest
from pyarrow import parquet

from firmware_bridge.errors import ConfigurationError, LogError
from logger.fleet import tables
from logger.fleet.add import Adder, restore
from logger.fleet.catalogue import entries
from logger.fleet.rows import LogRows
from logger.fleet.store import INCOMING, Store
from logger.review import json as review_json
from logger.review.open_evidence import ReviewOptions, open_evidence
from logger.review.report import report_of
from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.review import drives

ALL = [name for name in tables.TABLES if name != tables.FRAME]


def files(store: Store) -> dict[str, tuple[str, str]]:
    """Every file of a store with its time and hash."""
    stored = {}
    for name in store.files.find(store.root):
        info = store.files.info(name)
        with store.files.open(name, "rb") as file:
            stored[name] = (
                str(info.get("mtime") or info.get("created")),
                hashlib.sha256(file.read()).hexdigest(),
            )
    return stored


def rows(store: Store, table: str) -> pa.Table:
    """Read a table as another program does: all its files, Hive partitioning."""
    return datasets.dataset(
        store.full(table), format="parquet", partitioning="hive", filesystem=store.files
    ).to_table()


def forged(log: Path, to: Path, *statements: str) -> Path:
    """Copy a log and change it with SQL statements."""
    shutil.copy(log, to)
    connection = sqlite3.connect(to)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return to


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_the_store_has_every_row_of_a_log(store: Store, pair: list[Path]) -> None:
    Adder(store).add(pair[0])
    connection = sqlite3.connect(f"{pair[0].as_uri()}?mode=ro&immutable=1", uri=True)
    for table, columns in (
        (
            "fix",
            "session, t_us, lat, lon, alt_m, speed_mps, course_deg, quality, satellites, hdop, accuracy_m",
        ),
        ("progress", "session, t_us, section + 1, distance_m, elapsed_s, average_mps, limit_kmh, speed_mps"),
        ("event", "session, t_us, kind, detail"),
        ("reading", "session, t_us, value"),
    ):
        stored = rows(store, table)
        expected = list(connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid"))
        names = columns.replace("section + 1", "section").split(", ")
        assert list(zip(*(stored[name].to_pylist() for name in names), strict=True)) == expected
        assert stored["utc"].type == pa.timestamp("us", "UTC")
        assert stored["utc"].null_count == 0
        assert set(stored["car"].to_pylist()) == {71}
        assert set(stored["stage"].to_pylist()) == {7}
        assert set(stored["event"].to_pylist()) == {"test"}
    channels = list(connection.execute("SELECT h.name, h.unit FROM reading JOIN channel h ON h.id = channel"))
    reading = rows(store, "reading")
    assert list(zip(reading["channel"].to_pylist(), reading["unit"].to_pylist(), strict=True)) == channels
    connection.close()


def test_the_store_has_the_results_of_the_review(store: Store, pair: list[Path]) -> None:
    Adder(store).add(pair[0])
    with open_evidence(pair[0], ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        report = report_of(evidence, rules, connection)
    review_document = review_json.document(report)
    for table, key in (("section", "sections"), ("overspeed", "overspeeds")):
        stored = rows(store, table).to_pylist()
        assert len(stored) == len(review_document[key]) > 0
        for row, expected in zip(stored, review_document[key], strict=True):
            assert row["penalty_s"] == expected["penalty_s"]
            assert row["max_kmh"] == expected["max_kmh"]
            assert row["section"] == 1 + expected.get("index", expected.get("section"))
    assert rows(store, "quality").to_pylist()[0]["fixes"] == review_document["quality"]["fixes"]
    fix = rows(store, "fix")
    assert np.array_equal(fix["distance_m"].to_numpy(), report.places.metres, equal_nan=True)
    assert np.array_equal(fix["limit_kmh"].to_numpy(), report.places.limit_kmh, equal_nan=True)
    kmh = np.where(
        fix["free"].to_numpy() | (fix["limit_kmh"].to_numpy() != 50), 0, fix["speed_mps"].to_numpy() * 3.6
    )
    assert kmh.max() == pytest.approx(review_document["overspeeds"][0]["max_kmh"], abs=0.05)


def test_frames_are_added_on_request_also_later(store: Store, pair: list[Path], tmp_path: Path) -> None:
    log = forged(
        pair[0],
        tmp_path / pair[0].name,
        "INSERT INTO frame VALUES (1, 7, 0, 291, x'0102'), (1, 8, 1, 5, x'')",
    )
    Adder(store).add(log)
    before = files(store)
    assert not any("/frame/" in name for name in before)
    assert Adder(store, frames=True).add(log).new
    assert {name: what for name, what in files(store).items() if "/frame/" not in name} == before
    frame = rows(store, "frame").to_pylist()
    assert [(row["t_us"], row["bus"], row["can_id"], row["data"]) for row in frame] == [
        (7, 0, 291, b"\x01\x02"),
        (8, 1, 5, b""),
    ]


def test_files_have_the_documented_schema(store: Store, pair: list[Path]) -> None:
    entry = Adder(store).add(pair[0]).entry
    for table in ALL:
        stored = parquet.ParquetFile(store.full(entry.path(table)))
        assert stored.schema_arrow.equals(tables.TABLES[table], check_metadata=True), "the descriptions too"
        column = stored.metadata.row_group(0).column(0) if stored.metadata.num_rows else None
        assert column is None or column.compression == "ZSTD"
        stored.close()


def test_row_groups_have_the_documented_size(tmp_path: Path) -> None:
    schema = tables.TABLES["event"]
    blocks = [
        pa.Table.from_pylist([{"t_us": 1}] * 50_000, schema=schema).slice(0, length)
        for length in (50_000, 9) * 6
    ]
    tables.write(tmp_path / "x", "event", blocks)
    stored = parquet.ParquetFile(tmp_path / "x")
    groups = [stored.metadata.row_group(number).num_rows for number in range(stored.metadata.num_row_groups)]
    stored.close()
    assert groups == [tables.ROWS_PER_GROUP] * 2 + [300_054 - 2 * tables.ROWS_PER_GROUP]


def test_the_log_is_restored_byte_for_byte(store: Store, pair: list[Path], tmp_path: Path) -> None:
    entry = Adder(store).add(pair[0]).entry
    again = restore(store, entry, tmp_path)
    assert again.name == pair[0].name
    assert again.read_bytes() == pair[0].read_bytes()


def test_a_corrupt_copy_is_an_error(store: Store, pair: list[Path], tmp_path: Path) -> None:
    first, second = (Adder(store).add(log).entry for log in pair)
    shutil.copy(store.full(first.copy), store.full(second.copy))
    with pytest.raises(LogError, match="not what was added"):
        restore(store, second, tmp_path)


@pytest.mark.parametrize("name", ["the same", "another"])
def test_adding_a_log_twice_changes_nothing(
    store: Store, pair: list[Path], tmp_path: Path, name: str
) -> None:
    Adder(store).add(pair[0])
    before = files(store)
    log = pair[0] if name == "the same" else shutil.copy(pair[0], tmp_path / "renamed.db")
    outcome = Adder(store).add(Path(log))
    assert not outcome.new
    assert files(store) == before


def test_a_grown_log_replaces_the_shorter_copy(store: Store, pair: list[Path], tmp_path: Path) -> None:
    more = "INSERT INTO event VALUES (1, 9999999999, 'mark', '{}')"
    longer = forged(pair[0], tmp_path / pair[0].name, more)
    Adder(store).add(pair[0])
    grown = Adder(store).add(longer)
    assert (grown.new, [entry.log for entry in entries(store)]) == (True, [grown.entry.log])
    assert len({row["log"] for row in rows(store, "fix").to_pylist()}) == 1
    before = files(store)
    outcome = Adder(store).add(pair[0])
    assert "longer copy" in outcome.text
    assert files(store) == before


def test_an_invalid_log_is_reported_and_the_others_are_added(pair: list[Path], tmp_path: Path) -> None:
    data = bytearray(pair[0].read_bytes())
    data[len(data) // 2 : len(data) // 2 + 5000] = b"\xa5" * 5000
    (tmp_path / "damaged.db").write_bytes(data)
    (tmp_path / "short.db").write_bytes(pair[0].read_bytes()[:100_000])
    (tmp_path / "foreign.db").write_bytes(b"nothing of ours" * 100)
    shutil.copy(pair[1], tmp_path / "whole.db")
    logs = ["damaged.db", "short.db", "foreign.db", "missing.db", "whole.db"]
    ended = stagelog("fleet", "add", *logs, "--store", "store", folder=tmp_path)
    assert ended.code == 1
    assert [line.split(":")[1].strip() for line in ended.complaints] == logs[:4]
    assert ended.out == "whole.db: added\n"
    store = Store(str(tmp_path / "store"))
    assert [entry.car for entry in entries(store)] == [72]
    assert set(rows(store, "fix")["car"].to_pylist()) == {72}


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        (
            "test-7-car-71-001.db",
            "UPDATE meta SET value = '{\"number\": 99}' WHERE key = 'car'",
            "its file name",
        ),
        (
            "a.db",
            "UPDATE session SET config = '[car]' || char(10) || 'number = 99'",
            "configuration of session 1",
        ),
        ("a.db", "UPDATE meta SET value = '{}' WHERE key = 'car'", "names no car"),
        ("a.db", "DELETE FROM meta WHERE key = 'car'", "names no car"),
    ],
)
def test_a_log_with_contradictory_car_numbers_is_refused(
    store: Store, pair: list[Path], tmp_path: Path, name: str, change: str, why: str
) -> None:
    with pytest.raises(LogError, match=why):
        Adder(store).add(forged(pair[0], tmp_path / name, change))
    assert files(store) == {}


def test_a_log_of_an_unexpected_car_is_refused(pair: list[Path], tmp_path: Path) -> None:
    folder = pair[0].parent
    ended = stagelog("fleet", "add", folder, "--car", "72", "--store", tmp_path / "store", folder=tmp_path)
    assert ended.code == 1
    assert "is of car 71; expected: 72" in ended.complaint
    assert [entry.car for entry in entries(Store(str(tmp_path / "store")))] == [72]


def test_a_car_cannot_drive_twice_at_the_same_time(store: Store, pair: list[Path], tmp_path: Path) -> None:
    """Car 72's recorder is configured with the number 71."""
    other = forged(
        pair[1],
        tmp_path / "b.db",
        "UPDATE meta SET value = replace(value, '72', '71') WHERE key = 'car'",
        "UPDATE session SET boot_id = 'another'",
    )
    Adder(store).add(pair[0])
    before = files(store)
    with pytest.raises(LogError, match="twice at the same time"):
        Adder(store).add(other)
    assert files(store) == before


def test_a_drive_without_a_stage_is_added(store: Store, tmp_path: Path) -> None:
    log = drives.write_log(tmp_path / "drive.db", drives.fixes(drives.plan(), 1)[:200], drives.CAR, "")
    entry = Adder(store).add(log).entry
    assert (entry.event, entry.stage, entry.car) == ("none", 0, 71)
    assert len(rows(store, "fix")) == 200


def test_a_log_without_a_fix_is_added(store: Store, tmp_path: Path) -> None:
    entry = Adder(store).add(drives.write_log(tmp_path / "empty.db", [])).entry
    assert entry.from_utc is None
    assert len(rows(store, "fix")) == 0


def test_a_log_being_recorded_is_added_up_to_its_last_row(
    store: Store, pair: list[Path], tmp_path: Path
) -> None:
    log = Path(shutil.copy(pair[0], tmp_path))
    writer = sqlite3.connect(log)
    writer.execute("PRAGMA journal_mode = WAL")
    with writer:
        writer.execute("INSERT INTO event VALUES (1, 9999999999, 'mark', '{\"here\": 1}')")
    assert Adder(store).add(log).new
    writer.close()
    assert json.loads(rows(store, "event").to_pylist()[-1]["detail"]) == {"here": 1}


@pytest.mark.parametrize("url", ["memory://fleet/{}", "file://{}"])
def test_a_store_can_be_any_url(url: str, pair: list[Path], tmp_path: Path) -> None:
    store = Store(url.format(tmp_path / "anywhere"))
    for _ in range(2):
        assert [Adder(store).add(log).entry.car for log in pair] == [71, 72]
    assert [entry.car for entry in entries(Store(store.url))] == [71, 72]
    assert set(rows(store, "fix")["car"].to_pylist()) == {71, 72}
    assert restore(store, entries(store)[1], tmp_path).read_bytes() == pair[1].read_bytes()


@pytest.mark.parametrize("url", ["nowhere://x", "s3x://bucket"])
def test_an_invalid_store_is_a_one_line_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Store(url)
    ended = stagelog("fleet", "query", "SELECT 1", "--store", url, folder=tmp_path)
    assert (ended.code, len(ended.complaints)) == (64, 1)


class KilledError(Exception):
    """Simulates a kill."""


def assert_consistent(store: Store) -> None:
    """Assert that every file can be read completely, and that every log named in `log` is complete."""
    for name in store.files.find(store.root):
        if name.endswith(".parquet") and f"/{INCOMING}/" not in name:
            with store.files.open(name, "rb") as file:
                parquet.read_table(file)
    for entry in entries(store):
        assert all(store.has(entry.path(table)) for table in ALL)
        assert store.has(entry.copy)


def killing(after: int, how: Callable[[], None]) -> type[Store]:
    """A Store class whose process dies after `after` files, just before or just after placing one."""

    class Killing(Store):
        placed = 0

        def place(self, new_file: Path, path: str) -> None:
            if Killing.placed * 2 == after:
                how()
            super().place(new_file, path)
            if Killing.placed * 2 + 1 == after:
                how()
            Killing.placed += 1

    return Killing


def test_a_second_run_completes_a_stopped_one(pair: list[Path], tmp_path: Path) -> None:
    def stop() -> None:
        raise KilledError

    sound = Store(str(tmp_path / "sound"))
    Adder(sound).add(pair[0])
    expected = {Path(name).relative_to(sound.root): what[1] for name, what in files(sound).items()}
    placed = len(expected)
    assert placed == len(ALL) + 1
    for after in range(2 * placed):
        store = killing(after, stop)(str(tmp_path / f"{after}"))
        with pytest.raises(KilledError):
            Adder(store).add(pair[0])
        assert_consistent(store)
        assert len(files(store)) == (after + 1) // 2
        again = Store(store.url)
        Adder(again).add(pair[0])
        assert_consistent(again)
        assert {
            Path(name).relative_to(again.root): what[1] for name, what in files(again).items()
        } == expected


KILLED = """
import os, signal, sys
from pathlib import Path
from logger.fleet.add import Adder
from tests.logger.fleet.test_add import killing
store = killing(int(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGKILL))(sys.argv[2])
for log in sys.argv[3:]:
    Adder(store).add(Path(log))
"""


@pytest.mark.parametrize("after", [5, 22])
def test_a_killed_run_leaves_a_readable_store_and_a_second_run_completes_it(
    pair: list[Path], tmp_path: Path, after: int
) -> None:
    arguments = [sys.executable, "-c", KILLED, str(after), str(tmp_path / "store"), *map(str, pair)]
    died = subprocess.run(arguments, env=ENVIRONMENT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    store = Store(str(tmp_path / "store"))
    assert_consistent(store)
    assert len(entries(store)) == (0 if after < 18 else 1)
    ended = stagelog("fleet", "add", *pair, "--store", store.url, folder=tmp_path)
    assert ended.code == 0
    assert_consistent(store)
    assert [entry.car for entry in entries(store)] == [71, 72]


def test_memory_does_not_grow_with_the_log(pair: list[Path], tmp_path: Path) -> None:
    """Blocks are bounded, and four times as many rows need no more Arrow memory."""
    log = forged(
        pair[0],
        tmp_path / "frames.db",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " INSERT INTO frame SELECT 1, i * 10, 0, 256 + i % 20, randomblob(8) FROM n",
    )
    with open_evidence(log, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        assert connection is not None
        stored = LogRows(connection, "0" * 64, report_of(evidence, rules, connection))
        blocks = list(stored.blocks("frame"))
    assert sum(map(len, blocks)) == 100_000
    assert max(map(len, blocks)) < tables.ROWS_PER_GROUP / 2
    peaks = []
    for times in (4, 16):
        pool = pa.proxy_memory_pool(pa.default_memory_pool())
        before = pa.default_memory_pool()
        pa.set_memory_pool(pool)
        try:
            tables.write(tmp_path / "x", "frame", (block for _ in range(times) for block in blocks))
        finally:
            pa.set_memory_pool(before)
        peaks.append(pool.max_memory())
    assert peaks[1] < 1.3 * peaks[0]
