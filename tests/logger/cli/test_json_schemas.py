"""Rules for every document of `--json`: a unit in each key, UTC in ISO 8601, no key without a schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click
import pytest

from logger.cli.main import VERBS
from tests.logger.command_line import ROOT
from tests.logger.json_documents import SCHEMAS, UTC_PATTERN, objects, schema, types_of, validator

NAMES = sorted(path.stem for path in SCHEMAS.glob("*.json"))
UNITS = {"s", "us", "m", "km", "kmh", "mps", "hz", "deg", "bytes", "c"}
"""A key of a number ends in one of these, or is one."""
COUNTS = {
    *(
        "fixes",
        "frames",
        "rows",
        "sections",
        "sessions",
        "sessions_cut_short",
        "sentences",
        "wrong",
        "good",
        "bad",
    ),
    *(
        "located",
        "computed_speeds",
        "gaps",
        "position_jumps",
        "speeds_rejected",
        "link_losses",
        "rejected",
        "not_logged",
        "impulses",
    ),
    *("dropped", "dropped_frames", "dropped_rows", "overspeeds", "missed", "gps_quality"),
    *("satellites", "satellites_min", "satellites_median"),
}
NUMBERS = {"number", "session", "line", "index", "section", "place", "car", "stage", "quality"}
"""Names that happen to be numbers: a start number, a power-on, a line of a file, a fix quality of GGA."""
RATIOS = {"progress", "hdop", "hdop_median", "hdop_max"}
DEGREES = {"lat", "lon"}
"""Everybody's names for degrees of WGS 84."""
OLD = {"free_mb": "free_bytes", "room_h": "free_bytes"}
"""Keys of the live state in other units, which pages and rules use; beside each is one that follows the rule."""
WITHOUT_UNIT = COUNTS | NUMBERS | RATIOS | DEGREES
OPEN = {"fleet query"}
"""The keys of its document are the columns of the query."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every verb that has `--json`, by its name; "fleet add" for one of a group."""
    for name, verb in VERBS.items():
        command = getattr(import_module(verb.module), f"{name}_" if name == "import" else name)
        inner = command.commands if isinstance(command, click.Group) else {}
        for path, each in {name: command, **{f"{name} {key}": value for key, value in inner.items()}}.items():
            if any("--json" in option.opts for option in each.params):
                yield path, each


def is_numeric(part: dict[str, Any]) -> bool:
    """Whether a schema is of numbers, also in lists or by name."""
    inner = [part[key] for key in ("items", "additionalProperties") if isinstance(part.get(key), dict)]
    return bool({"integer", "number"} & types_of(part)) or any(map(is_numeric, inner))


def test_each_verb_with_the_option_has_a_schema() -> None:
    verbs = {name for name, _ in commands()}
    assert {name.replace(" ", "_") for name in verbs - OPEN} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_leaves_no_key_open(name: str) -> None:
    assert validator(name)
    assert schema(name)["title"] == f"stagelog {name.replace('_', ' ')} --json"
    for part in objects(schema(name)):
        more = part["additionalProperties"]
        assert more is False or isinstance(more, dict), part
        assert set(part.get("required", ())) == set(part.get("properties", ())), "an unknown value is null"


@pytest.mark.parametrize("name", NAMES)
def test_the_key_of_a_number_has_its_unit(name: str) -> None:
    for part in objects(schema(name)):
        for key, value in part.get("properties", {}).items():
            if key in OLD:
                assert OLD[key] in part["properties"]
            elif is_numeric(value) and key not in WITHOUT_UNIT and "unit" not in part["properties"]:
                assert key.rpartition("_")[2] in UNITS, key


@pytest.mark.parametrize("name", NAMES)
def test_a_time_is_utc(name: str) -> None:
    for part in objects(schema(name)):
        for key, value in part.get("properties", {}).items():
            is_time = key.rpartition("_")[2] == "utc"
            assert is_time == (value.get("pattern") == UTC_PATTERN), key
            assert not key.endswith(("_local", "_at", "begun", "_time")), key


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_in_the_page_of_the_documents(name: str) -> None:
    page = (ROOT / "logger/cli/README.md").read_text(encoding="utf-8")
    chapters = dict(re.findall(r"^### `stagelog ([a-z ]+?)`.*?\n(.+?)(?=^##|\Z)", page, re.M | re.S))
    keys = {key for part in objects(schema(name)) for key in part.get("properties", {})}
    text = chapters[name.replace("_", " ")]
    text += "".join(chapters[other] for other in re.findall(r"as for `stagelog ([a-z ]+)`", text))
    if "../README.md#live-state" in text:
        live = (ROOT / "logger/README.md").read_text(encoding="utf-8")
        text += live.partition("\n## Live state\n")[2].partition("\n## ")[0]
    words = set(re.findall(r"\w+", text))
    assert keys - words == set()
