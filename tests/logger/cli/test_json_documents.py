"""Run every verb with `--json` on logs that are whole, damaged, empty, hostile or being recorded."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.field_failures.recorder_process import NumberedBus, has_rows, recording, until, write_config
from tests.logger import drives, hostile_texts
from tests.logger.command_line import Ended, stagelog
from tests.logger.json_documents import checked
from tests.logger.logfile.rows_made import write_log
from tests.logger.logfile.test_reader import recorded

WHOLE, DAMAGED, CUT, EMPTY, HOSTILE, RECORDING, BARE = LOGS = (
    "whole.db", "damaged.db", "cut.db", "empty.db", "hostile.db", "recording.db", "bare.db"
)  # fmt: skip
SECOND = "second.db"
UNREADABLE = {DAMAGED, CUT, EMPTY}
STRANGE_NUMBERS = (
    "UPDATE fix SET speed_mps = 9e999 WHERE rowid % 7 = 1",
    "UPDATE fix SET hdop = -9e999 WHERE rowid % 7 = 2",
    "UPDATE reading SET value = 9e999 WHERE rowid % 7 = 3",
    "UPDATE progress SET distance_m = 9e999 WHERE rowid % 7 = 4",
    """INSERT INTO meta VALUES ('car2', '{"number": 1e999}')""",
    """UPDATE meta SET value = '[1, {"name": [2], "protocol": "nmea", "more": 1}]' WHERE key = 'ports'""",
    """UPDATE meta SET value = '{"number": -1e400, "name": 3, "class": [], "crew": {}}' WHERE key = 'car'""",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a log of each kind; one of them is being recorded by this process."""
    folder = tmp_path_factory.mktemp("documents")
    whole = drives.write_log(folder / WHOLE, drives.fixes(drives.plan()))
    drives.write_log(folder / SECOND, drives.fixes(drives.plan(620)))
    content = bytearray(whole.read_bytes())
    pages = range(4096, len(content) - 4096, 4096)
    for page in pages[1::2]:
        content[page : page + 4096] = b"\x5a" * 4096
    (folder / DAMAGED).write_bytes(content)
    (folder / CUT).write_bytes(whole.read_bytes()[: len(content) // 2 & ~4095])
    (folder / EMPTY).touch()
    hostile_texts.write_log(folder / HOSTILE)
    with closing(sqlite3.connect(folder / HOSTILE)) as connection:
        for statement in STRANGE_NUMBERS:
            connection.execute(statement)
        connection.commit()
    write_log(folder / BARE)
    (folder / "stage.toml").write_text(drives.ITINERARY)
    (folder / "kilometres.toml").write_text(re.sub(r"(?m)^ *(lat|lon) = .*$", "", drives.ITINERARY))
    log = recorded(folder / RECORDING, ended=False)
    yield folder
    log.abandon()


def document_of(name: str, ended: Ended) -> Any:
    """The document on the standard output of a verb."""
    return checked(name, ended.out)


def test_logs_has_an_entry_for_each_file(folder: Path) -> None:
    ended = stagelog("logs", "--json", folder=folder)
    entries = {entry["log"]: entry for entry in document_of("logs", ended)["logs"]}
    assert ended.code == 0
    assert entries.keys() == {*LOGS, SECOND}
    assert {name for name, entry in entries.items() if entry["state"] == "damaged"} <= UNREADABLE
    assert entries[EMPTY]["trouble"]
    whole = entries[WHOLE]
    assert whole["begun_utc"].startswith("2026-01-15T")
    assert whole["size_bytes"] == (folder / WHOLE).stat().st_size
    assert whole["duration_s"] > 600
    assert entries[BARE]["begun_utc"] is None


@pytest.mark.parametrize("log", LOGS)
def test_info(folder: Path, log: str) -> None:
    ended = stagelog("info", log, "--json", folder=folder)
    if log not in UNREADABLE or ended.code == 0:
        assert ended.code == 0, ended.err
        assert document_of("info", ended)["log"] == log
    else:
        assert (ended.code, ended.out) == (74, "")
        assert ended.complaint.startswith("stagelog: ")


def test_verify_judges_each_log(folder: Path) -> None:
    names = (*LOGS, "none.db")
    ended = stagelog("verify", *names, "--json", folder=folder)
    entries = document_of("verify", ended)["logs"]
    assert [entry["path"] for entry in entries] == list(names)
    assert {entry["path"] for entry in entries if entry["whole"]} == {WHOLE, RECORDING, BARE}
    assert all(entry["problems"] for entry in entries if not entry["whole"])
    assert ended.code == 1
    assert not ended.complaints
    alone = stagelog("verify", WHOLE, "--json", folder=folder)
    assert (alone.code, document_of("verify", alone)["logs"][0]["problems"]) == (0, [])


def test_protect_lists_the_protected_logs(tmp_path: Path) -> None:
    write_log(tmp_path / "kept.db")
    assert stagelog("protect", "kept.db", folder=tmp_path).code == 0
    ended = stagelog("protect", "--list", "--json", folder=tmp_path)
    assert document_of("protect", ended)["logs"] == [{"log": "kept.db", "path": "kept.db", "exists": True}]
    assert stagelog("protect", "kept.db", "--json", folder=tmp_path).code == 2


def test_check_lists_the_errors_with_their_lines(folder: Path, tmp_path: Path) -> None:
    ended = stagelog("check", "stage.toml", "--json", folder=folder)
    document = document_of("check", ended)
    assert (ended.code, document["kind"], document["sections"], document["errors"]) == (0, "itinerary", 2, [])
    (tmp_path / "car.toml").write_text(
        '[log]\ndirectory = "logs"\n[gps]\nport = "x"\nbuad = 9600\n[car]\nnumber = -1\n'
    )
    ended = stagelog("check", "car.toml", "--json", folder=tmp_path)
    errors = document_of("check", ended)["errors"]
    assert ended.code == 1
    assert {(error["file"], error["line"]) for error in errors} == {("car.toml", 5), ("car.toml", 7)}
    assert all(error["hint"] for error in errors)
    missing = stagelog("check", "none.toml", "--json", folder=tmp_path)
    document = document_of("check", missing)
    assert (missing.code, document["kind"], document["errors"][0]["line"]) == (1, None, None)


def test_doctor(tmp_path: Path) -> None:
    (tmp_path / "car.toml").write_text('[log]\ndirectory = "logs"\n[gps]\nport = "none"\n')
    ended = stagelog("doctor", "-c", "car.toml", "--seconds", "1", "--json", folder=tmp_path)
    document = document_of("doctor", ended)
    assert ended.code == 1
    assert document["wrong"] == sum(finding["verdict"] == "wrong" for finding in document["findings"]) > 0
    assert all(finding["hint"] for finding in document["findings"] if finding["verdict"] == "wrong")


@pytest.mark.parametrize("log", LOGS)
def test_review(folder: Path, log: str) -> None:
    ended = stagelog("review", log, "--itinerary", "stage.toml", "--json", folder=folder)
    if log in (WHOLE, DAMAGED):
        table = stagelog("review", log, "--itinerary", "stage.toml", folder=folder)
        assert (ended.code, ended.err) == (table.code, table.err)
    if not ended.out:
        assert log in UNREADABLE | {BARE}
        return
    document = document_of("review", ended)
    assert document["log"] == log
    if log == WHOLE:
        assert ended.code == 0
        assert [over["zone"] for over in document["overspeeds"]] == ["DZ 4.00"]
        assert document["sections"][0]["begun_utc"]
        assert document["engine"]
    if log == HOSTILE:
        assert document["quality"]["ports"] == [{"name": "", "protocol": "nmea"}]


def test_compare_standings_and_their_penalties(folder: Path) -> None:
    compared = document_of("compare", stagelog("compare", WHOLE, SECOND, "--json", folder=folder))
    assert [car["log"] for car in compared["cars"]] == [WHOLE, SECOND]
    assert len(compared["gap"]["behind_s"][1]) == len(compared["gap"]["km"]) > 100
    (folder / "penalties.toml").write_text(
        '[[penalty]]\ncar = 71\nstage = 7\nseconds = 60\nreason = "late"\n'
        "[[penalty]]\ncar = 9\nstage = 7\nseconds = 1\n"
    )
    ended = stagelog("standings", WHOLE, "--penalties", "penalties.toml", "--json", folder=folder)
    (table,) = document_of("standings", ended)["tables"]
    assert table["entries"][0]["penalties"][0]["penalty_s"] == 60
    assert ended.complaints == ["stagelog: a penalty of car 9, which has no result: left out"]


def test_no_penalty_no_penalty_code(folder: Path, tmp_path: Path) -> None:
    drives.write_log(tmp_path / "clean.db", drives.fixes(drives.plan(over=False)))
    for verb in ("review", "standings"):
        for log, code in ((folder / WHOLE, 3), (tmp_path / "clean.db", 0)):
            plain = stagelog(verb, log, "--json", folder=tmp_path)
            asked = stagelog(verb, log, "--json", "--fail-on-penalty", folder=tmp_path)
            assert (plain.code, asked.code) == (0, code), asked.err
            assert (plain.out, plain.err) == (asked.out, asked.err)


def test_what_cannot_be_judged_has_no_penalty_code(folder: Path) -> None:
    itinerary = ("--itinerary", "kilometres.toml")  # without places a section begins only by command
    for log, more, code, what in (
        (RECORDING, (), 64, "not judged: give --itinerary"),
        (RECORDING, itinerary, 64, "not judged: no section"),
        (EMPTY, itinerary, 74, "stagelog: empty.db"),
    ):
        ended = stagelog("review", log, *more, "--fail-on-penalty", folder=folder)
        assert what in ended.complaints[-1]
        assert ended.code == code


def test_a_fleet(folder: Path, tmp_path: Path) -> None:
    store = ("--store", "store")
    ended = stagelog("fleet", "add", folder / WHOLE, folder / EMPTY, *store, "--json", folder=tmp_path)
    added = document_of("fleet_add", ended)["logs"]
    assert ended.code == 1
    assert [(entry["added"], entry["stage"]) for entry in added] == [(True, 7), (False, None)]
    assert added[1]["error"] in ended.complaint
    review = ("fleet", "review", *store, "--workers", "0", "--json")
    ended = stagelog(*review, folder=tmp_path)
    document = document_of("fleet_review", ended)
    assert ended.code == 0
    assert document["logs"][0]["penalty_s"] > 0
    assert checked("fleet_review", (tmp_path / "store/review/recorded/season.json").read_text()) == document
    (own,) = (tmp_path / "store/review/recorded/json").iterdir()
    assert checked("review", own.read_text())["log"] == WHOLE
    assert stagelog(*review, "--fail-on-penalty", folder=tmp_path).code == 3


def test_the_live_state_of_a_recorder(tmp_path: Path) -> None:
    with NumberedBus(50) as bus:
        config = write_config(tmp_path, bus.port, stage=3, gps=str(tmp_path / "none"))
        config.write_text(config.read_text() + f'[live]\nsocket = "{tmp_path}/live.sock"\n')
        with recording(config):
            until(has_rows(tmp_path / "logs/test-3-001.db"))
            ended = stagelog("watch", "-c", config, "--once", "--json", folder=tmp_path)
    document = document_of("watch", ended)
    assert document["links"]["engine"]["good"] > 0
    assert document["recording"]["free_bytes"] // 1_000_000 == document["recording"]["free_mb"]


def test_an_error_leaves_the_output_empty(tmp_path: Path) -> None:
    for arguments in (("logs", "none"), ("info", "none.db")):
        ended = stagelog(*arguments, "--json", folder=tmp_path)
        assert (ended.code, ended.out) == (74, "")
        assert ended.complaint.startswith("stagelog: none")
