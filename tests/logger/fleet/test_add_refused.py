"""Adding a log again, a grown one, and logs that the store must refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError, LogError
from logger.fleet.add import Adder
from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from tests.logger.command_line import stagelog
from tests.logger.fleet.stores import files, forged, rows


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


@pytest.mark.parametrize("url", ["nowhere://x", "s3x://bucket"])
def test_an_invalid_store_is_a_one_line_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Store(url)
    ended = stagelog("fleet", "query", "SELECT 1", "--store", url, folder=tmp_path)
    assert (ended.code, len(ended.complaints)) == (64, 1)
