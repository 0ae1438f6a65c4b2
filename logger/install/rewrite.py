"""Change values in a TOML text that somebody edited: comments, order and all other keys stay."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from logger.tomlconfig.messages import literal
from logger.tomlconfig.positions import KeyPath, lines

_KEY = r"""(?P<before>\s*(?:[\w"'-]+\s*\.\s*)*["']?{key}["']?\s*=\s*)"""
_SCALAR = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s#"'\[{{,]+)(?P<after>\s*(?:\#.*)?)"""
_VALUE = _KEY + _SCALAR
"""A line of a key and a scalar."""
_HEADER = re.compile(r"""\s*\[\[?\s*["']?(?P<name>[\w-]+)""")
"""A line that begins a table, or a table in it."""


def with_values(text: str, values: Mapping[KeyPath, Any]) -> str | None:
    """The valid TOML `text` with these scalars; None where that needs more than a line for each.

    A key that is missing is added at the head of its table, and a table at the end.
    """
    changed = text
    for path, value in values.items():
        found = _with_value(changed, path, literal(value))
        if found is None:
            return None
        changed = found
    try:
        is_right = tomllib.loads(changed) == _expected(tomllib.loads(text), values)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return changed if is_right else None


def with_table(text: str, table: str) -> str | None:
    """The valid TOML `text` with another table at its end; None where that is not possible."""
    changed = f"{text.rstrip()}\n\n{table}" if text.strip() else table
    return _checked(changed, {**tomllib.loads(text), **tomllib.loads(table)})


def without_table(text: str, name: str) -> str | None:
    """The valid TOML `text` with all tables of this name as comments; None where they are not lines of their own."""
    rows, is_inside = [], False
    for row in text.split("\n"):
        if header := _HEADER.match(row):
            is_inside = header["name"] == name
        is_line = is_inside and row.strip() and not row.lstrip().startswith("#")
        rows.append(f"# {row}" if is_line else row)
    return _checked(
        "\n".join(rows), {key: value for key, value in tomllib.loads(text).items() if key != name}
    )


def _checked(text: str, expected: dict[str, Any]) -> str | None:
    """The text if it is the TOML that it has to be."""
    try:
        return text if tomllib.loads(text) == expected else None
    except ValueError:
        return None


def _with_value(text: str, path: KeyPath, value: str) -> str | None:
    rows, at = text.split("\n"), lines(text)
    key = str(path[-1])
    if (number := at.get(path)) is not None:
        row = re.fullmatch(_VALUE.format(key=re.escape(key)), rows[number - 1].rstrip("\r"))
        if row is None:
            return None
        rows[number - 1] = f"{row['before']}{value}{row['after']}"
    elif (number := at.get(path[:-1])) is not None:
        rows.insert(number, f"{key} = {value}")
    elif len(path) == 2:
        return f"{text.rstrip()}\n\n[{path[0]}]\n{key} = {value}\n"
    else:
        return None
    return "\n".join(rows)


def _expected(tables: dict[str, Any], values: Mapping[KeyPath, Any]) -> dict[str, Any]:
    for path, value in values.items():
        table: Any = tables
        for part in path[:-1]:
            table = table.setdefault(part, {}) if isinstance(table, dict) else table[part]
        table[path[-1]] = value
    return tables
