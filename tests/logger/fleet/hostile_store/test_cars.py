"""Logs whose car is invalid are not added to a store."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logger.fleet import footers
from logger.fleet.add import Adder
from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from tests.logger.fleet.hostile_store.commands import Verb


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
