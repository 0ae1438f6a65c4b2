"""Compare a log's schema with ours by its CREATE statements alone.

A log may come from a stranger. A view in place of a table can be endless, a trigger runs any statement, and a virtual
table runs code, so none of them is queried before this check. Our schema is what the migrations of any version
create: these tables with these columns, these views word for word, these indexes, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from firmware_bridge.printable import printable
from logger.logfile.columns import COLUMNS, KEYS, LATER, REQUIRED

MIGRATIONS = "_sqlite_migrations"
"""sqlite-utils' table of applied migrations; its columns differ between versions."""
MIGRATION_SET = "stagelog"
"""The name of our migrations in that table."""
_MIGRATION_COLUMNS = {"migration_set", "name", "applied_at"}
"""Columns that every version of that table has."""
MAX_OBJECTS = 100
"""Tables, views and indexes together: a log of the newest schema has 23."""
_MAX_PER_TABLE = 50
"""Columns that are compared; our tables have at most 14."""
_TOKEN = re.compile(r'\s*(?:"((?:[^"]|"")*)"|\[([^\]]*)\]|`([^`]*)`|(\w+)|(\S))', re.ASCII)
_SAME_TYPE = {"float": "real"}
"""Earlier versions of sqlite-utils declared a float column as FLOAT; SQLite treats both the same."""
_INDEXES = {
    "sqlite_autoindex_meta_1": None,
    f"sqlite_autoindex_{MIGRATIONS}_1": None,
    f"idx_{MIGRATIONS}_migration_set_name": (
        *("create", "unique", "index", f"idx_{MIGRATIONS}_migration_set_name", "on", MIGRATIONS),
        *("(", "migration_set", ",", "name", ")"),
    ),
}
"""Definitions of the indexes of `meta` and of the migrations table; None for one that a PRIMARY KEY creates."""


_DROPPED = ("index", "table", "view", "trigger")


class SchemaObject(NamedTuple):
    """A row of sqlite_schema: `kind` is table, index, view or trigger; `page` is its root page, 0 for none."""

    kind: str
    name: str
    table: str
    page: int
    sql: str | None


def is_migrations(thing: SchemaObject) -> bool:
    """Whether an object is the migrations table, with a definition that is safe to read."""
    return thing.name == MIGRATIONS and thing.kind == "table" and _table_difference(thing) is None


def missing(objects: Iterable[SchemaObject]) -> str | None:
    """The first of our tables that a schema lacks, as a one-line message; None if all exist."""
    existing = {thing.name for thing in objects if thing.kind == "table"}
    return next(
        (f"there is no table {name}" for name in (*COLUMNS, MIGRATIONS) if name not in existing), None
    )


def difference(objects: Iterable[SchemaObject], views: Mapping[str, Container[str]]) -> str | None:
    """The first schema object that is not ours, as a one-line message; None if there is none.

    `views` maps our view names to the SELECT of every version, as `select_text` normalises it.
    """
    pages: set[int] = set()
    for thing in objects:
        if (what := _difference(thing, views)) is not None:
            return what
        if thing.kind != "view":
            if not isinstance(thing.page, int) or thing.page < 1 or thing.page in pages:
                return f"{_named(thing)} has no root page, or that of another object"
            pages.add(thing.page)
    return None


def _difference(thing: SchemaObject, views: Mapping[str, Container[str]]) -> str | None:
    if not all(isinstance(text, str) for text in (thing.kind, thing.name, thing.table)):
        return "its schema has a name that is not text"
    if thing.kind == "table" and (thing.name in COLUMNS or thing.name == MIGRATIONS):
        return _table_difference(thing)
    if thing.kind == "view" and thing.name in views:
        return None if _select(thing) in views[thing.name] else f"{_named(thing)} has a different SELECT"
    if thing.kind == "index" and thing.name in _INDEXES:
        definition = None if thing.sql is None else tuple(word for word, _ in _tokens(thing.sql))
        return None if definition == _INDEXES[thing.name] else f"{_named(thing)} has a different definition"
    return f"unexpected {_named(thing)}"


def dropping(objects: Iterable[SchemaObject], views: Mapping[str, Container[str]]) -> str | None:
    """The SQL that removes the first object added by another program; None if there is none.

    Indexes and statistics are refused too, although most are harmless: SQLite trusts an index that contradicts its
    table, so a query through it could return other rows of the same log.
    """
    for thing in objects:
        is_ours = (
            thing.name in COLUMNS or thing.name in views or thing.name in _INDEXES or thing.name == MIGRATIONS
        )
        if not is_ours and thing.kind in _DROPPED and str(thing.name).isidentifier():
            return f"DROP {thing.kind.upper()} {printable(thing.name, 60)}"
    return None


def _named(thing: SchemaObject) -> str:
    return f"{printable(thing.kind, 20)} {printable(thing.name, 60)}"


def select_text(sql: str) -> str:
    """Normalise a view's SELECT for comparison: any whitespace counts as one space."""
    return " ".join(sql.split())


def _select(view: SchemaObject) -> str:
    """The SELECT of `CREATE VIEW name AS SELECT ...`; "" for any other statement."""
    head = re.match(r"CREATE VIEW (\S+) AS\s", view.sql or "")
    if head is None or head[1].strip('"[]`') != view.name:
        return ""
    return select_text((view.sql or "")[head.end() :])


def _tokens(sql: str) -> Iterator[tuple[str, bool]]:
    """Words and punctuation of a statement, in lower case, each with whether it was quoted."""
    for *quoted, word, mark in _TOKEN.findall(sql):
        if word or mark:
            yield (word or mark).lower(), False
        else:
            yield "".join(quoted).lower(), True


def _table_difference(table: SchemaObject) -> str | None:
    """How a CREATE TABLE statement differs from that of our table of the same name; None if it does not."""
    name = "the table of migrations" if table.name == MIGRATIONS else table.name
    columns = _columns_of(table)
    if columns is None:
        return f"{name} is not an ordinary table"
    if table.name == MIGRATIONS:
        lacking = sorted(_MIGRATION_COLUMNS - columns.keys())
        return f"{name} has no column {lacking[0]}" if lacking else None
    for column in COLUMNS[table.name]:
        if column not in columns and column not in LATER.get(table.name, ()):
            return f"{name} has no column {column}"
    return _columns_difference(table.name, columns)


def _columns_difference(name: str, columns: Mapping[str, str]) -> str | None:
    known = COLUMNS[name]
    for column, declared in columns.items():
        if column not in known:
            return f"{name} has an unknown column {printable(column, 60)}"
        if declared != definition(name, column):
            return f"{name}: column {column} has a different declaration"
    if list(columns) != [column for column in known if column in columns]:
        return f"{name} has its columns in another order"
    return None


def definition(table: str, column: str) -> str:
    """The type and constraint of one of our columns, in lower case."""
    declared = COLUMNS[table][column].declared.lower()
    if KEYS.get(table) == column:
        return f"{declared} primary key"
    return f"{declared} not null" if column in REQUIRED else declared


def _columns_of(table: SchemaObject) -> dict[str, str] | None:
    """The columns of a plain `CREATE TABLE name (column TYPE ..., ...)`, each with its type and constraints.

    None for any other statement: generated columns, expressions, defaults, collations, table options.
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
            continue  # some versions: PRIMARY KEY (migration_set, name)
        terms = [_SAME_TYPE.get(word, word) for word, _ in rest]
        if column in columns or len(columns) >= _MAX_PER_TABLE or any(quoted for _, quoted in rest):
            return None
        if not all(word.isalpha() for word in terms):
            return None
        columns[column] = " ".join(terms)
    return columns


def _parts(tokens: list[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    """The definitions between the commas outside brackets."""
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
