"""A store, a review or a log that is not there: refused in one line, with what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.logger import drives
from tests.logger.command_line import stagelog

SQL = "SELECT count(*) AS fixes FROM fix"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("season")
    drives.write_log(folder / "a.db", drives.fixes(drives.plan(600), 1)[:300])
    (folder / "others").mkdir()
    (folder / "others" / "notes.txt").write_text("not a store\n")
    (folder / "nothing").mkdir()
    assert stagelog("fleet", "add", "a.db", "--store", "season", folder=folder).code == 0
    return folder


@pytest.mark.parametrize(
    ("store", "line"),
    [
        ("none", "none: no such store; `stagelog fleet add LOGS --store STORE` makes one"),
        (
            "others",
            "others: not a store: it has no table log; `stagelog fleet add LOGS --store STORE` makes one",
        ),
        ("a.db", "a.db: a file, not a store; name a folder, or a URL"),
    ],
)
@pytest.mark.parametrize("verb", [("query", SQL), ("review", "--workers", "0")])
def test_a_store_that_is_not_there(folder: Path, verb: tuple[str, ...], store: str, line: str) -> None:
    ended = stagelog("fleet", *verb, "--store", store, folder=folder)
    assert (ended.code, ended.out, ended.complaint) == (64, "", f"stagelog: {line}")
    assert not (folder / "none").exists(), "asking makes no store"


def test_a_store_without_logs_is_one(folder: Path) -> None:
    ended = stagelog("fleet", "query", SQL, "--store", "nothing", "--json", folder=folder)
    assert json.loads(ended.out) == {"fixes": 0}


def test_a_review_that_is_not_there(folder: Path) -> None:
    wrong = ("fleet", "query", "SELECT 1", "--store", "season", "--run", "rallysaef")
    ended = stagelog(*wrong, folder=folder)
    assert (ended.code, ended.out) == (64, "")
    assert "season: no review rallysaef in the store; `stagelog fleet review` makes one" in ended.complaint
    stagelog("fleet", "review", "--store", "season", "--rules", "rallysafe", "--workers", "0", folder=folder)
    assert stagelog(*wrong, folder=folder).complaint.endswith("; choose one of rallysafe")


def test_logs_that_are_not_there(folder: Path) -> None:
    ended = stagelog("fleet", "review", "--store", "season", "--event", "dakar", folder=folder)
    assert ended.complaint == "stagelog: season: no matching log in the store; it has test stage 7 car 71"
    assert (
        stagelog("fleet", "add", "nothing", "--store", "season", folder=folder).out
        == "nothing: no logs in it\n"
    )


@pytest.mark.parametrize("sql", ["DROP TABLE fix", "delete from fix", " CREATE TABLE x (a INT)"])
def test_a_query_that_would_change_the_store_says_so(folder: Path, sql: str) -> None:
    ended = stagelog("fleet", "query", sql, "--store", "season", folder=folder)
    if ended.code == 0:  # a table of the query's own, which ends with it
        assert sql.strip().startswith("CREATE")
    else:
        assert "a query cannot change the store" in ended.complaint
    assert json.loads(stagelog("fleet", "query", SQL, "--store", "season", "--json", folder=folder).out) == {
        "fixes": 300
    }


def test_the_error_of_a_query_does_not_repeat_it(folder: Path) -> None:
    ended = stagelog("fleet", "query", "SELEC 1", "--store", "season", folder=folder)
    assert "LINE 1" not in ended.complaint
    assert "^" not in ended.complaint
