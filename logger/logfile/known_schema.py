"""Compare the schema of a log with ours, out of its CREATE texts alone.

A log comes from anybody. A view in the place of a table can be endless, a trigger runs whatever it likes, a virtual
table runs code; none of them is ever asked for anything here. What the migrations of any version make is ours, and
nothing else is: these tables with these columns, these views word for word, these indexes.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from firmware_bridge.printable import printable
from logger.logfile.columns import COLUMNS, KEYS, LATER, REQUIRED

MIGRATIONS = "_sqlite_migrations"
"""sqlite-utils' list of the migrations that were applied; its columns differ from version to version."""
MIGRATION_SET = "stagelog"
"""The name of our migrations in that list."""
_MIGRATION_COLUMNS = {"migration_set", "name", "applied_at"}
"""Those that every version has."""
MOST_OBJECTS = 100
"""Tables, views and indexes together: a log of the newest schema has 23."""
_MOST_PER_TABLE = 50
"""Columns that are compared; ours have 14 at most."""
_TOKEN = re.compile(r'\s*(?:"((?:[^"]|"")*)"|\[([^\]]*)\]|`([^`]*)`|(\w+)|(\S))', re.ASCII)
_SAME_TYPE = {"float": "real"}
"""sqlite-utils has declared a float's column so; SQLite takes both alike."""
_INDEXES = {
    "sqlite_autoindex_meta_1": None,
    f"sqlite_autoindex_{MIGRATIONS}_1": None,
    f"idx_{MIGRATIONS}_migration_set_name": (
        *("create", "unique", "index", f"idx_{MIGRATIONS}_migration_set_name", "on", MIGRATIONS),
        *("(", "migration_set", ",", "name", ")"),
    ),
}
"""Of `meta` and of the list of migrations, by their definitions; None for one that a PRIMARY KEY brings about."""


_DROPPED = ("index", "table", "view", "trigger")


class SchemaObject(NamedTuple):
    """A row of sqlite_schema: `kind` is table, index, view or trigger; `page` where it begins, 0 for none."""

    kind: str
    name: str
    table: str
    page: int
    sql: str | None


def is_migrations(thing: SchemaObject) -> bool:
    """Whether an object is the list of migrations, and one that may be read."""
    return thing.name == MIGRATIONS and thing.kind == "table" and _table_difference(thing) is None


def missing(found: Iterable[SchemaObject]) -> str | None:
    """The first of our tables that a schema lacks, on one line; None where all are there."""
    there = {thing.name for thing in found if thing.kind == "table"}
    return next((f"there is no table {name}" for name in (*COLUMNS, MIGRATIONS) if name not in there), None)


def difference(found: Iterable[SchemaObject], views: Mapping[str, Container[str]]) -> str | None:
    """The first thing of a schema that is not ours, on one line; None where there is none.

    `views` are ours by name, with the SELECT of every version as `select_text` gives it.
    """
    pages: set[int] = set()
    for thing in found:
        if (what := _difference(thing, views)) is not None:
            return what
        if thing.kind != "view":
            if not isinstance(thing.page, int) or thing.page < 1 or thing.page in pages:
                return f"{_named(thing)} begins at a page of another one, or at none"
            pages.add(thing.page)
    return None


def _difference(thing: SchemaObject, views: Mapping[str, Container[str]]) -> str | None:
    if not all(isinstance(text, str) for text in (thing.kind, thing.name, thing.table)):
        return "its schema has a name that is not text"
    if thing.kind == "table" and (thing.name in COLUMNS or thing.name == MIGRATIONS):
        return _table_difference(thing)
    if thing.kind == "view" and thing.name in views:
        return None if _select(thing) in views[thing.name] else f"{_named(thing)} reads otherwise"
    if thing.kind == "index" and thing.name in _INDEXES:
        definition = None if thing.sql is None else tuple(word for word, _ in _tokens(thing.sql))
        return None if definition == _INDEXES[thing.name] else f"{_named(thing)} is another one"
    return f"it has the {_named(thing)}"


def dropping(found: Iterable[SchemaObject], views: Mapping[str, Container[str]]) -> str | None:
    """The SQL that removes the first thing that another program has added; None where there is none.

    Indexes and statistics too are refused, though most are harmless: SQLite believes an index whose pages contradict
    its table, so that the same log would give other rows to whoever asks by it.
    """
    for thing in found:
        is_ours = (
            thing.name in COLUMNS or thing.name in views or thing.name in _INDEXES or thing.name == MIGRATIONS
        )
        if not is_ours and thing.kind in _DROPPED and str(thing.name).isidentifier():
            return f"DROP {thing.kind.upper()} {printable(thing.name, 60)}"
    return None


def _named(thing: SchemaObject) -> str:
    return f"{printable(thing.kind, 20)} {printable(thing.name, 60)}"


def select_text(sql: str) -> str:
    """A view's SELECT for comparison: spaces and line breaks count as one space."""
    return " ".join(sql.split())


def _select(view: SchemaObject) -> str:
    """The SELECT of `CREATE VIEW name AS SELECT ...`; "" where the text is another."""
    found = re.match(r"CREATE VIEW (\S+) AS\s", view.sql or "")
    if found is None or found[1].strip('"[]`') != view.name:
        return ""
    return select_text((view.sql or "")[found.end() :])


def _tokens(sql: str) -> Iterator[tuple[str, bool]]:
    """The words and marks of a text, in lower case, each with whether it was quoted."""
    for *quoted, word, mark in _TOKEN.findall(sql):
        if word or mark:
            yield (word or mark).lower(), False
        else:
            yield "".join(quoted).lower(), True


def _table_difference(table: SchemaObject) -> str | None:
    """In what a CREATE TABLE text is not that of our table of this name."""
    name = "the list of migrations" if table.name == MIGRATIONS else table.name
    columns = _columns_of(table)
    if columns is None:
        return f"{name} is no ordinary table"
    if table.name == MIGRATIONS:
        lacking = sorted(_MIGRATION_COLUMNS - columns.keys())
        return f"{name} has no column {lacking[0]}" if lacking else None
    for column in COLUMNS[table.name]:
        if column not in columns and column not in LATER.get(table.name, ()):
            return f"{name} has no column {column}"
    return _columns_difference(table.name, columns)


def _columns_difference(name: str, columns: Mapping[str, str]) -> str | None:
    wanted = COLUMNS[name]
    for column, declared in columns.items():
        if column not in wanted:
            return f"{name} has a column {printable(column, 60)}"
        if declared != definition(name, column):
            return f"{name}: column {column} is declared otherwise"
    if list(columns) != [column for column in wanted if column in columns]:
        return f"{name} has its columns in another order"
    return None


def definition(table: str, column: str) -> str:
    """The type and constraint of a column of ours, in lower case."""
    declared = COLUMNS[table][column].declared.lower()
    if KEYS.get(table) == column:
        return f"{declared} primary key"
    return f"{declared} not null" if column in REQUIRED else declared


def _columns_of(table: SchemaObject) -> dict[str, str] | None:
    """The columns of a plain `CREATE TABLE name (column TYPE ..., ...)`, each with its type and constraints.

    None for every other text: generated columns, expressions, defaults, collations, options behind the bracket.
    """
    if table.name != table.table or table.sql is None:
        return None
    tokens = list(_tokens(table.sql))
    if [word for word, _ in tokens[:2]] != ["create", "table"] or any(
        is_quoted for _, is_quoted in tokens[:2]
    ):
        return None
    if [word for word, _ in tokens[2:4]] != [table.name, "("] or tokens[-1] != (")", False):
        return None
    columns: dict[str, str] = {}
    for part in _parts(tokens[4:-1]):
        (column, is_quoted), *rest = part
        if table.name == MIGRATIONS and not is_quoted and column == "primary":
            continue  # PRIMARY KEY (migration_set, name), by some versions
        words = [_SAME_TYPE.get(word, word) for word, _ in rest]
        if column in columns or len(columns) >= _MOST_PER_TABLE or any(quoted for _, quoted in rest):
            return None
        if not all(word.isalpha() for word in words):
            return None
        columns[column] = " ".join(words)
    return columns


def _parts(tokens: list[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    """The definitions between the commas that are within no bracket of their own."""
    part: list[tuple[str, bool]] = []
    depth = 0
    for token in (*tokens, (",", False)):
        word, is_quoted = token
        if not is_quoted:
            depth += (word == "(") - (word == ")")
        if token == (",", False) and depth == 0:
            if part:
                yield part
            part = []
        else:
            part.append(token)
