"""Only the boundary parses JSON from outside: every place in the product that parses JSON, with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
PARSERS = {"loads", "load", "JSONDecoder", "raw_decode"}
MODULES = {"json", "orjson"}
OTHERS = {"ujson", "simplejson", "json.decoder"}
ALLOWED = {
    "logger/boundary/untrusted_json.py": "the border itself",
    "logger/crew/feed.py": "this machine's recorder: a line of 1 MB at most, whose NaN becomes null on the page",
    "firmware_bridge/devices/gpsd.py": "the bridge knows no logger: a line has 64 kB at most, an error damages it",
    "firmware_bridge/virtual/gpsd.py": "a simulated gpsd, which only the demonstration and tests talk to",
}


def parsers(tree: ast.AST) -> Iterator[int]:
    """The lines that use a parser of MODULES under any name, import one, or parse a request's body."""
    names = set(MODULES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.asname for name in node.names if name.name in MODULES and name.asname}
            yield from (node.lineno for name in node.names if name.name in OTHERS)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES | {"json.decoder"}:
            yield from (node.lineno for name in node.names if name.name in PARSERS)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        is_parser = node.attr in PARSERS and node.value.id in names
        if is_parser or (node.attr == "json" and node.value.id == "request"):
            yield node.lineno


@pytest.mark.slow
def test_only_the_border_parses_json_from_outside() -> None:
    found = {
        path.relative_to(TOP).as_posix(): lines
        for package in ("logger", "firmware_bridge")
        for path in sorted((TOP / package).rglob("*.py"))
        if (lines := list(parsers(ast.parse(path.read_text("utf-8")))))
    }
    strangers = {path: lines for path, lines in found.items() if path not in ALLOWED}
    assert not strangers, f"parse JSON with untrusted_json.loads: {strangers}"
    assert found.keys() == ALLOWED.keys(), "ALLOWED names a file that parses no JSON"


@pytest.mark.parametrize(
    "line",
    [
        "json.loads(text)",
        "json.load(file)",
        "parse = json.loads",
        "from json import loads",
        "import json as encoding; encoding.loads(text)",
        "import orjson as encoding; encoding.loads(text)",
        "from orjson import loads",
        "orjson.loads(text)",
        "import ujson",
        "json.JSONDecoder()",
        "await request.json()",
    ],
)
def test_each_way_to_parse_is_found(line: str) -> None:
    code = f"async def f():\n    {line}"
    assert list(parsers(ast.parse(code))) == [2]


@pytest.mark.parametrize(
    "line",
    [
        "json.dumps(1)",
        "import orjson; orjson.dumps(1)",
        "loads(text)",
        "untrusted_json.loads(text)",
        "response.json()",
    ],
)
def test_other_uses_of_json_pass(line: str) -> None:
    assert list(parsers(ast.parse(line))) == []
