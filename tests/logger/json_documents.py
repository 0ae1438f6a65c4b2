"""Check a document of `--json`: strict JSON, its schema, and the rules that hold for every document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.logger.command_line import ROOT

SCHEMAS = ROOT / "logger/cli/json_schemas"
UTC_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
_LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?\S*")


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def checked(name: str, text: str) -> Any:
    """The one document in a text, which satisfies the schema of this name."""
    document = json.loads(text, parse_constant=_refuse)
    wrong = best_match(validator(name).iter_errors(document))
    assert wrong is None, f"{name}.json: {wrong.json_path}: {wrong.message[:500]}"
    times = [value for value in texts(document) if _LIKE_A_TIME.fullmatch(value)]
    assert [time for time in times if not re.fullmatch(UTC_PATTERN, time)] == []
    return document


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema by the name of its file."""
    parsed = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(parsed, dict)
    return parsed


@cache
def validator(name: str) -> Draft202012Validator:
    """Validates documents of one kind."""
    Draft202012Validator.check_schema(schema(name))
    return Draft202012Validator(schema(name))


def texts(value: Any) -> Iterator[str]:
    """Every text in a document, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object in a schema, at any depth."""
    if isinstance(part, dict):
        if "object" in types_of(part):
            yield part
        for item in part.values():
            yield from objects(item)
    elif isinstance(part, list):
        for item in part:
            yield from objects(item)


def types_of(part: dict[str, Any]) -> set[str]:
    """The types that a schema allows."""
    named = part.get("type", ())
    return {named} if isinstance(named, str) else set(named)
