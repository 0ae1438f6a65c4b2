"""`help`, `help VERB`, `-V`, and what a verb says that it wrote."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import logger
from tests.logger import drives
from tests.logger.command_line import stagelog


@pytest.mark.parametrize("verb", ["", "review", "fleet", "fleet query", "help"])
def test_help_prints_what_the_option_prints(verb: str, tmp_path: Path) -> None:
    shown = stagelog("help", *verb.split(), folder=tmp_path)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == stagelog(*verb.split(), "--help", folder=tmp_path).out


def test_the_version_has_a_short_option(tmp_path: Path) -> None:
    assert stagelog("-V", folder=tmp_path) == stagelog("--version", folder=tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    driven = drives.fixes(drives.plan(600), 1)
    drives.write_log(folder / "a.db", driven)
    drives.write_log(folder / "b.db", driven[:-1])
    return folder


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("export a.db --format gpx -o a.gpx", "a.gpx"),
        ("review a.db --html a.html", "a.html"),
        ("review a.db --json --html a.html", "a.html"),
        ("compare a.db b.db --html c.html", "c.html"),
    ],
)
def test_a_file_that_was_written_is_named_beside_the_data(typed: str, written: str, folder: Path) -> None:
    ended = stagelog(*typed.split(), folder=folder)
    assert ended.code == 0
    assert [line for line in ended.err.splitlines() if line.startswith(f"{written}: ")]
    assert written not in ended.out
    assert (folder / written).stat().st_size > 0


def test_an_export_into_a_pipe_says_nothing_else(folder: Path) -> None:
    ended = stagelog("export", "a.db", "--format", "csv", folder=folder)
    assert (ended.code, ended.err) == (0, "")


def test_a_dry_run_of_install_lists_in_any_case(tmp_path: Path) -> None:
    """Also from a folder from which the services could not run the program."""
    ended = stagelog(
        *("install", "--dry-run", "--yes", "--program", "/home/me/bin/stagelog"), folder=tmp_path
    )
    assert ended.code == 0, ended.err
    assert "create folder" in ended.out
    assert "warning: /home/me/bin/stagelog: the services cannot run it from there" in ended.err
    assert stagelog(
        *("install", "--yes", "--root", ".", "--program", "/home/me/bin/stagelog"), folder=_image(tmp_path)
    ).code in {64, 74}


def _image(folder: Path) -> Path:
    (folder / "etc").mkdir()
    return folder


def test_no_option_is_declared_twice() -> None:
    """Verbs that share an option share its declaration, or one of them is forgotten when it changes."""
    declared = Counter(
        ast.unparse(node)
        for path in Path(*logger.__path__).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "click.option"
    )
    assert len(declared) > 50
    assert [option for option, times in declared.items() if times > 1] == []
