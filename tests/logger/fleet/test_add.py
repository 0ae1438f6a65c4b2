"""Adding logs to a store: every row exactly once, in the documented files."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from firmware_bridge.errors import LogError
from logger.fleet import tables
from logger.fleet.add import Adder, restore
from logger.fleet.catalogue import entries
from logger.fleet.rows import LogRows
from logger.fleet.store import Store
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import report_of
from logger.review import json as review_json
from tests.logger import drives
from tests.logger.fleet.stores import ALL, files, forged, rows


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
