"""`fleet fetch`: download the logs of all cars from their crew servers into a store."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import ANY

from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from tests.logger.command_line import stagelog
from tests.logger.crew.serving import serving
from tests.logger.json_documents import checked


def test_all_cars_in_one_command_and_only_new_logs(pair: list[Path], tmp_path: Path) -> None:
    for log in pair:
        car = tmp_path / log.stem
        (car / "logs").mkdir(parents=True)
        shutil.copy(log, car / "logs")
    first, second = (tmp_path / log.stem for log in pair)
    with (
        serving(first, tmp_path / "1.sock") as one,
        serving(second, tmp_path / "2.sock") as two,
    ):
        arguments = ("fleet", "fetch", one.url, "127.0.0.1:9", two.url, "--store", "store", "--patience", "0")
        evening = stagelog(*arguments, folder=tmp_path)
        assert evening.code == 1, "a car did not answer"
        assert any("127.0.0.1:9" in line for line in evening.complaints)
        assert evening.out.count(": added") == 2
        store = Store(str(tmp_path / "store"))
        assert [entry.car for entry in entries(store)] == [71, 72]
        third = ("--store", "third", "--folder", "third-logs", "--patience", "0", "--json")
        told = stagelog("fleet", "fetch", one.url, "127.0.0.1:9", *third, folder=tmp_path)
        document = checked("fleet_fetch", told.out)
        assert told.code == 1
        assert [bool(car["error"]) for car in document["cars"]] == [False, True]
        assert document["cars"][0]["logs"] == [{"log": pair[0].name, "ok": True, "outcome": ANY}]
        assert [(entry["name"], entry["car"], entry["added"]) for entry in document["added"]["logs"]] == [
            (pair[0].name, 71, True)
        ]
        fetched = checked("fetch", stagelog("fetch", one.url, "third-logs", "--json", folder=tmp_path).out)
        assert fetched["logs"] == [{"log": pair[0].name, "ok": True, "outcome": "nothing new"}]
        again = stagelog("fleet", "fetch", one.url, two.url, "--store", "store", "--review", folder=tmp_path)
        assert (again.code, again.complaints) == (0, [])
        reviewed = stagelog("fleet", "review", "--store", "store", folder=tmp_path)
        assert again.out.endswith(reviewed.out), "and the evening's class table"
        assert "Driver 72" in reviewed.out
        assert again.out.count("nothing new") == 2
        assert again.out.count("already in the store") == 2
