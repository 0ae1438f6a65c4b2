"""The README tells of every verb, configuration key, table, column, event and live key that there is."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Iterable, Iterator
from functools import cache

import pytest
from sqlite_utils import Database

from logger.cli.main import VERBS
from logger.config.configuration import Config
from logger.live import document
from logger.logfile import schema
from logger.recorder import decoder_loop
from tests.logger.command_line import ROOT

OWN_TABLES = {"sqlite_sequence", "_sqlite_migrations"}
"""What SQLite and sqlite-utils keep for themselves."""


@cache
def chapters() -> dict[str, str]:
    """The README's chapters by their headings."""
    parts = re.split(r"^## (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def missing(words: Iterable[str], text: str) -> list[str]:
    """Those of the words that are nowhere in a text, as words."""
    return sorted({word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)})


def test_every_verb_is_in_the_chapter_of_commands() -> None:
    assert missing((f"`{verb}" for verb in VERBS), chapters()["Commands"]) == []


def test_the_exit_codes_are_there() -> None:
    assert missing(["64", "69", "74"], chapters()["Commands"]) == []


def keys_of(cls: type) -> Iterator[tuple[str, str]]:
    """(table, key) of every key that a configuration can have, by the dataclasses that read it."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        key = field.metadata.get("key", field.name)
        inner = (hints[field.name], *typing.get_args(hints[field.name]))
        tables = [hint for hint in inner if dataclasses.is_dataclass(hint)]
        for table in tables:
            assert isinstance(table, type)
            for name in (f.metadata.get("key", f.name) for f in dataclasses.fields(table)):
                yield key, name


def test_every_configuration_key_is_shown() -> None:
    readme = "\n".join(chapters().values())
    tables = {table for table, _ in keys_of(Config)}
    assert {"car", "gps", "can", "alarm"} <= tables
    assert [table for table in sorted(tables) if f"[{table}]" not in readme] == []
    assert [
        f"{table}.{key}" for table, key in keys_of(Config) if not re.search(rf"\b{key}\s*=", readme)
    ] == []


def test_every_table_and_column_is_in_the_chapter_of_the_log() -> None:
    database = Database(memory=True)
    schema.prepare(database.conn)
    text = chapters()["The log"]
    unknown = []
    for table in database.tables:
        if table.name in OWN_TABLES:
            continue
        rows = [line for line in text.splitlines() if re.match(rf"\|\s*[`\w, ]*\b{table.name}\b", line)]
        unknown += [
            f"{table.name}.{column.name}"
            for column in table.columns
            if missing([column.name], "\n".join(rows))
        ]
    database.close()
    assert unknown == []


def keys_in(source: str) -> Iterator[str]:
    """Every key of every dict display in a piece of Python."""
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        if isinstance(node, ast.Dict):
            for key in node.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value


def test_every_live_key_is_in_the_chapter_of_the_live_state() -> None:
    keys = set(keys_in(inspect.getsource(document)))
    keys |= set(keys_in(inspect.getsource(decoder_loop.Decoding.snapshot)))
    assert {"utc", "remaining_km", "recording", "lag_s"} <= keys, "the sources were read"
    assert missing(keys, chapters()["Live state"]) == []


@pytest.mark.parametrize("marker", ["demo-command", "test-command"])
def test_the_lines_to_copy_are_one_line_each(marker: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n```\n(.+)\n```\n<!-- end -->", readme)
    assert found, marker
    assert "venv" in found[1], "Debian refuses a bare pip install"
