"""Error messages for TOML files: what was expected, what was found, what to write instead.

The reader may wear gloves and start in four minutes: the messages use TOML's terms, not Python's, and a hint can be
typed unchanged.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from logger.tomlconfig.positions import KeyPath

_WORDS = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    date: "a date such as 2026-01-15",
    datetime: "a date and time such as 2026-01-15T07:03:00Z",
    Path: "a path in quotes",
}
HIDDEN = object()
"""Stands for a wrong value that must not appear in a message."""

_LONGEST_SHOWN = 40  # characters of a wrong value: enough to recognise it on one line


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the closest known name, or all known names."""
    import difflib  # noqa: PLC0415 - only for a mistake

    names = sorted(known)
    meant = difflib.get_close_matches(word, names, n=1)
    return f'did you mean "{meant[0]}"?' if meant else f"known are {', '.join(names)}"


def spelt(path: KeyPath) -> str:
    """A key path as it is written in messages: can[0].port."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def literal(value: Any) -> str:
    """A scalar, or a tuple of scalars, as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return f"[{', '.join(map(literal, value))}]"
    # JSON's escapes are valid TOML; only DEL, which JSON does not escape, needs one.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def shown(raw: Any) -> str:
    """A value of the file, shortened to fit on one line."""
    if raw is HIDDEN:
        return "something else"
    if isinstance(raw, dict | list):
        return "a table" if isinstance(raw, dict) else "a list"
    text = literal(raw)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation allows in a text; None has no TOML form, so it is left out."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(option for option in options if option is not NoneType)


def addition(key: str, hint: Any) -> str:
    """The hint for a missing key."""
    option = alternatives(hint)[0]
    return f"add a [{key}] table" if dataclasses.is_dataclass(option) else f"add {key} = {_wording(option)}"


def misfit(options: tuple[Any, ...], raw: Any, path: KeyPath) -> tuple[str, str]:
    """The message and the hint for a value of none of the types in `options`."""
    option = options[0]
    if options == (option,) and get_origin(option) is Literal and isinstance(raw, str):
        return f"{shown(raw)} is not known", nearest(raw, get_args(option))
    key = next(part for part in reversed(path) if isinstance(part, str))
    return f"expected {' or '.join(map(_wording, options))}, found {shown(raw)}", _hint(options, raw, key)


def _hint(options: tuple[Any, ...], raw: Any, key: str) -> str:
    option = options[0]
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if raw is HIDDEN and str in options:
        hint = f'write {key} = "..."'
    elif isinstance(raw, str) and {int, float} & set(options) and re.fullmatch(r"[+-]?\d+(\.\d+)?", raw):
        hint = f"write {key} = {raw}, without quotes"
    elif str in options and is_number:
        hint = f'write {key} = "{raw}"'
    elif dataclasses.is_dataclass(option):
        hint = f"write one [{key}] table"
    elif get_origin(option) is not tuple:
        hint = f"write {key} = {' or '.join(map(_wording, options))}"
    elif dataclasses.is_dataclass(get_args(option)[0]):
        hint = f"write each as a [[{key}]] table, in double brackets"
    else:
        hint = f"put it in brackets: {key} = [...]"
    return hint


def _wording(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(f'"{name}"' for name in get_args(hint))
    if get_origin(hint) is tuple:
        return "tables" if dataclasses.is_dataclass(get_args(hint)[0]) else "a list"
    return "a table" if dataclasses.is_dataclass(hint) else _WORDS[hint]
