"""Check the documents against the code: verbs, keys and defaults, tables, live keys, links, walks, examples."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlite_utils import Database

from logger.cli.main import VERBS
from logger.config.configuration import Config, loads
from logger.live import document
from logger.logfile import schema
from logger.recorder import card_state, decoder_loop
from logger.stage.declared import Alarm
from logger.stage.itinerary import WAYPOINT_KINDS, Itinerary
from logger.stage.rules import Rules, default_rules
from tests.logger.command_line import ROOT

OWN_TABLES = {"sqlite_sequence", "_sqlite_migrations"}
"""Internal tables of SQLite and sqlite-utils."""
PAPERS = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", "node_modules"} & set(path.relative_to(ROOT).parts)
)
README, LOGGER, CONFIG = ROOT / "README.md", ROOT / "logger/README.md", ROOT / "logger/config/README.md"
MAX_README_LINES, MAX_README_WIDTH = 150, 120


@cache
def chapters(path: Path) -> dict[str, str]:
    """A document's chapters by their headings."""
    parts = re.split(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def missing(names: Iterable[str], text: str) -> list[str]:
    """The words that do not occur in a text as whole words."""
    return sorted({word for word in names if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)})


def test_the_readme_is_short() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_README_LINES
    assert [line for line in lines if len(line) > MAX_README_WIDTH] == []


def test_every_verb_is_in_the_chapter_of_commands() -> None:
    assert missing((f"`{verb}" for verb in VERBS), chapters(README)["Commands"]) == []


@pytest.mark.parametrize("path", [README, LOGGER], ids=["README", "logger"])
def test_the_exit_codes_are_there(path: Path) -> None:
    assert missing(["64", "69", "74"], path.read_text(encoding="utf-8")) == []


def keys_of(
    cls: type, prefix: str = "", dots: str = ""
) -> Iterator[tuple[str, dataclasses.Field[typing.Any]]]:
    """(row name, field) of every key of a TOML file, from the dataclasses that read it."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        key = field.metadata.get("key", field.name)
        if key == "places":
            continue
        inner = (hints[field.name], *typing.get_args(hints[field.name]))
        table = next((hint for hint in inner if dataclasses.is_dataclass(hint)), None)
        if table is None:
            yield f"{prefix}`{key}`", field
        elif not (cls is Rules and table is Alarm):
            is_list = typing.get_origin(hints[field.name]) is tuple
            path = dots + key
            yield from keys_of(
                typing.cast("type", table), f"`[[{path}]]` " if is_list else f"`[{path}]` ", path + "."
            )


def in_toml(field: dataclasses.Field[typing.Any]) -> str:
    """A field's default as the tables of the documents print it."""
    if field.default is dataclasses.MISSING:
        return "required"
    if field.default is None:
        return "-"
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(str(default) if isinstance(default, Path) else default)}`"


@pytest.mark.parametrize("file", [Config, Itinerary, Rules])
def test_every_key_has_a_row_with_its_default(file: type) -> None:
    rows = {
        cells[0].strip(): cells[1].strip()
        for line in CONFIG.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and len(cells := line.strip("|").split(" | ")) >= 3
    }
    expected = {name: in_toml(field) for name, field in keys_of(file)}
    assert len(expected) > 10
    assert {name: rows.get(name) for name in expected} == expected


def test_every_kind_of_waypoint_has_a_row_with_its_radius() -> None:
    text = CONFIG.read_text(encoding="utf-8")
    for name, kind in WAYPOINT_KINDS.items():
        row = re.search(rf"^\| [^|]*`{name}`[^|]*\|.*\| {kind.clear_m:.0f} m \|$", text, re.MULTILINE)
        assert row, name


def test_the_example_of_a_configuration_has_every_key_and_can_be_read(tmp_path: Path) -> None:
    block = re.search(r"^```toml\n(.+?)^```", CONFIG.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert block
    text = block[1]
    config = loads(text, "stagelog.toml", tmp_path)
    assert config.can[0].protocol == "slcan"
    keys = {name.rpartition("`[")[2].rpartition(" ")[2].strip("`") for name, _ in keys_of(Config)}
    assert [key for key in sorted(keys) if not re.search(rf"^{key}\s*=", text, re.MULTILINE)] == []


def test_every_value_of_the_default_alarms_is_explained() -> None:
    own = {"speed_kmh", "over_kmh"}
    names = {
        word
        for alarm in default_rules().declared
        for word in re.findall(r"[a-z_]+", f"{alarm.when} {alarm.while_}")
        if word.endswith(("_age_s", "_lag_s", "_free_mb", "_room_h", "_error_s", "_out"))
    }
    assert missing(names | own, CONFIG.read_text(encoding="utf-8")) == []


def test_every_table_and_column_is_in_the_chapter_of_the_log() -> None:
    database = Database(memory=True)
    schema.prepare(database.conn)
    text = chapters(LOGGER)["The log"]
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
    """Every key of every dict literal in a piece of Python."""
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        if isinstance(node, ast.Dict):
            for key in node.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value


def test_every_live_key_is_in_the_chapter_of_the_live_state() -> None:
    keys = set(keys_in(inspect.getsource(document)))
    keys |= set(keys_in(inspect.getsource(decoder_loop.DecoderLoop.snapshot)))
    keys |= set(keys_in(inspect.getsource(card_state)))
    assert {"utc", "remaining_km", "recording", "lag_s"} <= keys, "the sources were read"
    assert missing(keys, chapters(LOGGER)["Live state"]) == []


@pytest.mark.parametrize("marker", ["demo-command", "test-command"])
def test_the_lines_to_copy_are_one_line_each(marker: str) -> None:
    readme = README.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n```\n(.+)\n```\n<!-- end -->", readme)
    assert found, marker
    assert "venv" in found[1], "Debian refuses a bare pip install"


def headings(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAPERS, ids=[str(path.relative_to(ROOT)) for path in PAPERS])
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]*(?:#[\w-]+)?)\)", path.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target), link


@pytest.mark.parametrize("path", PAPERS, ids=[str(path.relative_to(ROOT)) for path in PAPERS])
def test_every_file_that_a_document_names_is_there(path: Path) -> None:
    """`room/file.py`, and `room/file.py: Name.member` as in the walks of the architecture document."""
    if path.name == "CHANGELOG.md":
        return
    bases = (path.parent, ROOT, ROOT / "logger", ROOT / "firmware_bridge", ROOT / "firmware_bridge/protocols")
    for name, member in re.findall(
        r"`((?:[\w-]+/)*[\w-]+\.(?:py|toml|js))(?:: ([\w.]+))?`", path.read_text(encoding="utf-8")
    ):
        if name in {"stagelog.toml", "stage.toml", "rules.toml"} or name.isupper() or "NAME" in name:
            continue
        found = next((base / name for base in bases if (base / name).is_file()), None)
        assert found is not None, f"{name} is not there"
        if member:
            assert member in set(members(found)), f"{name} has no {member}"


def members(path: Path) -> Iterator[str]:
    """The functions, classes and methods of a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}"
