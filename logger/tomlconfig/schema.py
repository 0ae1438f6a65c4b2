"""Parse TOML into frozen dataclasses, report every mistake, and write dataclasses as TOML.

The dataclass is the schema: its annotations give the types (str, int, float, bool, date, datetime, Path, Literal,
another dataclass, `tuple[X, ...]` of any, unions of any), its defaults mark optional keys, and
`field(metadata=within(...) | named(...))` gives ranges and key names. A rule that involves several fields, such as
"latitude without longitude", is in a method `flaws() -> Iterable[Flaw]` of the class.

A wrong value is reported and replaced by its default or by a neutral value (nan, ""), so that the checks between
fields still run and one pass reports every mistake; the result is then discarded. Knows no file, only its text, its
name and the folder of relative paths.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from firmware_bridge.errors import ConfigurationError
from logger.tomlconfig import limits, syntax
from logger.tomlconfig.messages import HIDDEN, addition, alternatives, literal, misfit, nearest, shown, spelt
from logger.tomlconfig.positions import KeyPath, lines

T = TypeVar("T")

MAX_PROBLEMS = 100
"""Reported per file: nobody reads more, and a file made to do harm has thousands."""
FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Range of dates: arithmetic with a date at an end of the calendar overflows."""

_WRONG: Any = object()
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NEUTRAL: dict[Any, Any] = {float: math.nan, str: "", int: 0, bool: False, Literal: "", tuple: ()}


class Flaw(NamedTuple):
    """A mistake between a dataclass's own fields: the key (path) below it, what is wrong, how to fix it."""

    key: KeyPath
    what: str
    hint: str


class Places:
    """The line of each key of a valid TOML text, for mistakes found after the text was parsed.

    The lines are looked for with the first mistake: a text without one is not read a second time.
    """

    def __init__(self, name: str, text: str = "") -> None:
        self.name = name
        self._text = text

    @cached_property
    def _lines(self) -> Mapping[KeyPath, int]:
        return lines(self._text)

    def line(self, key: KeyPath) -> int:
        """The line of a key, or of the nearest enclosing table."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key, 1)

    def fault(self, key: KeyPath, what: str, hint: str) -> ConfigurationError:
        """The error for a value, with its line and key."""
        return ConfigurationError(f"{spelt(key)}: {what}", where=f"{self.name}:{self.line(key)}", hint=hint)


class TomlError(ConfigurationError):
    """All mistakes in one file: `problems`, each a one-line ConfigurationError, in order of line."""

    def __init__(self, problems: Iterable[ConfigurationError]) -> None:
        self.problems = tuple(problems)
        first, others = self.problems[0], len(self.problems) - 1
        more = f" (and {others} more: `stagelog check` lists them)" if others else ""
        super().__init__(first.what, where=first.where, hint=first.hint + more)


def within(
    minimum: float | None = None, maximum: float | None = None, *, above: float | None = None
) -> dict[str, Any]:
    """Field metadata: the number is at least `minimum`, more than `above`, and at most `maximum`."""
    return {"minimum": minimum, "maximum": maximum, "above": above}


def named(key: str) -> dict[str, Any]:
    """Field metadata: the key in the text, where it differs from the field's Python name."""
    return {"key": key}


def one_of(names: Iterable[str]) -> dict[str, Any]:
    """Field metadata: the text is one of a set of names that another part of the program defines."""
    return {"names": tuple(names)}


def empty(*texts: tuple[str, str]) -> Iterable[Flaw]:
    """The flaws of the (key, text) pairs whose text is blank."""
    for key, text in texts:
        if not text.strip():
            yield Flaw((key,), "empty", f"write {key} = text in quotes, or remove the table")


SECRET: dict[str, Any] = {"secret": True}
"""Field metadata: the value never appears in a message."""
UNWRITTEN: dict[str, Any] = {"unwritten": True}
"""Field metadata: the field is not a key of the text."""


class TomlFile:
    """One TOML text and its mistakes.

    Raises TomlError if the text is not TOML, with line and column.
    """

    def __init__(self, text: str, name: str, folder: Path | None = None) -> None:
        self._folder = folder or Path()
        self._problems: list[tuple[int, ConfigurationError]] = []
        self._replaced: set[KeyPath] = set()
        text = text.removeprefix("\ufeff")  # a byte order mark from a Windows editor
        if (excess := limits.excess(text)) is not None:
            what, line = excess
            hint = "this is not a stagelog file, or it is damaged"
            raise TomlError([ConfigurationError(what, where=f"{name}:{line}", hint=hint)])
        try:
            self._tables = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise TomlError([_syntax(error, text, name)]) from None
        self.places = Places(name, text)

    def build(self, cls: type[T], *, whole: bool = True, **unwritten: Any) -> T:
        """The text as one `cls`: the whole text, or only the tables that `cls` knows.

        `unwritten` are values of its fields that are not in the text. Raises TomlError with every problem.
        """
        tables = (
            self._tables if whole else {key: self._tables[key] for key in _fields(cls) if key in self._tables}
        )
        built: T = self._table(cls, tables, (), unwritten)
        if self._problems:
            raise self._error()
        return built

    def _complain(self, path: KeyPath, what: str, hint: str) -> Any:
        self._problems.append((self.places.line(path), self.places.fault(path, what, hint)))
        if len(self._problems) >= MAX_PROBLEMS:
            raise self._error()
        return _WRONG

    def _error(self) -> TomlError:
        return TomlError(problem for _, problem in sorted(self._problems, key=lambda pair: pair[0]))

    def _table(
        self, cls: type, raw: Mapping[str, Any], path: KeyPath, unwritten: Mapping[str, Any] = _NOTHING
    ) -> Any:
        fields = _fields(cls)
        for unknown in raw.keys() - fields.keys():
            self._complain((*path, unknown), "unknown key", nearest(unknown, fields))
        values = dict(unwritten)
        for key, field in fields.items():
            hint = _hints(cls)[field.name]
            if key in raw:
                value = self._value(hint, raw[key], (*path, key), field.metadata)
            elif _is_required(field):
                value = self._complain((*path, key), "missing", addition(key, hint))
            else:
                continue
            if value is _WRONG:
                self._replaced.add((*path, key))
            if value is _WRONG and _is_required(field):
                value = _NEUTRAL.get(get_origin(hint) or hint, _WRONG)
            if value is not _WRONG:
                values[field.name] = value
            elif _is_required(field):
                return _WRONG
        built = cls(**values)
        for flaw in built.flaws() if hasattr(built, "flaws") else ():
            if (*path, *flaw.key) not in self._replaced:  # otherwise the flaw is in our replacement
                self._complain((*path, *flaw.key), flaw.what, flaw.hint)
        return built

    def _value(self, hint: Any, raw: Any, path: KeyPath, rules: Mapping[str, Any]) -> Any:
        options = alternatives(hint)
        fitting = next((option for option in options if _fits(option, raw)), None)
        if fitting is None:
            seen = HIDDEN if rules.get("secret") else raw
            return self._complain(path, *misfit(options, seen, path))
        if dataclasses.is_dataclass(fitting):
            return self._table(fitting, raw, path)  # type: ignore[arg-type]
        if get_origin(fitting) is tuple:
            inner = get_args(fitting)[0]
            items = [self._value(inner, item, (*path, index), rules) for index, item in enumerate(raw)]
            return tuple(item for item in items if item is not _WRONG)
        return self._scalar(fitting, raw, path, rules)

    def _scalar(self, hint: Any, raw: Any, path: KeyPath, rules: Mapping[str, Any]) -> Any:
        if "names" in rules and raw not in rules["names"]:
            return self._complain(path, f"{shown(raw)} is not known", nearest(raw, rules["names"]))
        if hint is Path:
            return self._folder / raw
        if hint in (date, datetime) and not FIRST_YEAR <= raw.year <= LAST_YEAR:
            return self._complain(
                path, f"the year {raw.year}", f"write a year from {FIRST_YEAR} to {LAST_YEAR}"
            )
        if hint is datetime:  # without an offset it is UTC, the only time zone stagelog uses
            return raw.astimezone(UTC) if raw.tzinfo else raw.replace(tzinfo=UTC)
        if hint in (int, float):
            self._check_range(raw, path, rules)
        return float(raw) if hint is float else raw

    def _check_range(self, number: float, path: KeyPath, rules: Mapping[str, Any]) -> None:
        minimum, above, maximum = rules.get("minimum"), rules.get("above"), rules.get("maximum")
        if minimum is not None and number < minimum:
            self._complain(path, f"{number} is too small", f"the minimum is {minimum}")
        elif above is not None and number <= above:
            self._complain(path, f"{number} is too small", f"write more than {above}")
        elif maximum is not None and number > maximum:
            self._complain(path, f"{number} is too large", f"the maximum is {maximum}")


def dumps(instance: Any) -> str:
    """A dataclass as the TOML text that builds it again. Fields that are None are left out."""
    return "\n".join(_lines_of(instance, "")).strip() + "\n"


def _lines_of(instance: Any, prefix: str) -> Iterable[str]:
    tables: list[tuple[str, Any]] = []
    for key, field in _fields(type(instance)).items():
        value = getattr(instance, field.name)
        if dataclasses.is_dataclass(value):
            tables.append((f"[{prefix}{key}]", value))
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            tables += [(f"[[{prefix}{key}]]", item) for item in value]
        elif value is not None:
            yield f"{key} = {literal(value)}"
    for header, value in tables:
        yield ""
        yield header
        yield from _lines_of(value, header.strip("[]") + ".")


def _fields(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a dataclass by their key in the text."""
    fields = (field for field in dataclasses.fields(cls) if not field.metadata.get("unwritten"))
    return {field.metadata.get("key", field.name): field for field in fields}


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _fits(hint: Any, raw: Any) -> bool:
    if get_origin(hint) is Literal:
        return raw in get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(raw, list)
    if dataclasses.is_dataclass(hint):
        return isinstance(raw, dict)
    if hint is float:  # TOML has inf and nan, which no setting accepts
        is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
        return is_number and abs(raw) <= sys.float_info.max
    if hint is Path:
        return isinstance(raw, str) and raw != ""
    return type(raw) is hint  # exact type: a bool is not an int here, a datetime not a date


def _syntax(error: Exception, text: str, name: str) -> ConfigurationError:
    """tomllib's error, with the position taken from its text (Python 3.11 offers no other way)."""
    match = re.fullmatch(r"(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
    if match is None:
        what = "nested too deeply" if isinstance(error, RecursionError) else "it cannot be read"
        return ConfigurationError(f"not TOML: {what}", where=name, hint=syntax.GENERAL_HINT)
    text_lines = text.split("\n")
    number = int(match[2]) if match[2] else syntax.unclosed(text_lines) or len(text_lines)
    what, hint = syntax.explained(match[1], text_lines[number - 1].rstrip("\r"))
    place = f":{number}:{match[3]}" if match[3] else f":{number}"
    return ConfigurationError(f"not TOML: {what}", where=f"{name}{place}", hint=hint)
