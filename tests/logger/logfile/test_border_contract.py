"""Only the boundary opens a log: every place in the product that opens a SQLite file, with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
OPENERS = {"connect": "sqlite3", "Database": "", "SqliteReader": "", "LogReader": "can"}
ALLOWED = {
    "logger/logfile/connect.py": "what the border opens with",
    "logger/logfile/store.py": "the recorder's own log, open for writing; its schema is compared as well",
    "logger/transfer/copying.py": "the copy, a new file; the log comes by the border, or attached and compared",
    "logger/logfile/migrations.py": "sqlite-utils on a connection that is open already",
    "firmware_bridge/virtual/traffic.py": "a database in memory: cantools', not SQLite's",
}


def openings(tree: ast.AST) -> Iterator[int]:
    """The lines that open a SQLite file: `sqlite3.connect`, sqlite-utils or python-can."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "sqlite3":
            yield from (node.lineno for name in node.names if name.name == "connect")
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in OPENERS:
            of = called.value.id if isinstance(called.value, ast.Name) else ""
            if of in (OPENERS[called.attr], "sqlite_utils"):
                yield node.lineno
        elif isinstance(called, ast.Name) and called.id in OPENERS.keys() - {"connect"}:
            yield node.lineno


@pytest.mark.slow
def test_only_the_border_opens_logs() -> None:
    found = {
        path.relative_to(TOP).as_posix(): lines
        for package in ("logger", "firmware_bridge")
        for path in sorted((TOP / package).rglob("*.py"))
        if (lines := list(openings(ast.parse(path.read_text("utf-8")))))
    }
    strangers = {path: lines for path, lines in found.items() if path not in ALLOWED}
    assert not strangers, f"open logs with log_border.open_log_readonly: {strangers}"
    assert found.keys() == ALLOWED.keys(), "ALLOWED names a file that opens no SQLite file"


def test_the_test_sees_each_way_to_open_one() -> None:
    for text in (
        "import sqlite3\nsqlite3.connect('a')",
        "from sqlite3 import connect",
        "Database('a')",
        "sqlite_utils.Database('a')",
        "can.LogReader('a')",
    ):
        assert list(openings(ast.parse(text))), text
