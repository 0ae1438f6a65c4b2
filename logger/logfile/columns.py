"""The columns of each log table after all migrations, and the kinds of value each may hold.

SQLite lets any column hold any value. A recorder writes only the kinds listed here, and readers rely on them. A value
of another kind, which only a damaged page holds, makes a reader fail with some Python error; `border` then checks the
columns here to report the damage instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from logger.logfile.value_ranges import RANGES


class Column(NamedTuple):
    """One column: its declared type, and whether it may be NULL."""

    declared: str
    is_nullable: bool


def _columns(written: str) -> dict[str, Column]:
    """Parse comma-separated columns, each a name and a type; a ? after the type marks a nullable column."""
    pairs = (column.split() for column in written.split(","))
    return {name: Column(declared.rstrip("?"), declared.endswith("?")) for name, declared in pairs}


_SESSION_TIME = "session INTEGER, t_us INTEGER"
COLUMNS = {
    "meta": _columns("key TEXT, value TEXT?"),
    "session": _columns("id INTEGER, boot_id TEXT, started_utc TEXT, software TEXT?, config TEXT?"),
    "channel": _columns("id INTEGER, name TEXT, unit TEXT, source TEXT"),
    "clock": _columns(f"{_SESSION_TIME}, utc_us INTEGER, error_us INTEGER?, source TEXT"),
    "sentence": _columns(f"{_SESSION_TIME}, port TEXT, text TEXT"),
    "fix": _columns(
        f"{_SESSION_TIME}, utc_us INTEGER?, lat REAL?, lon REAL?, alt_m REAL?, speed_mps REAL?, course_deg REAL?,"
        " quality INTEGER?, satellites INTEGER?, hdop REAL?, accuracy_m REAL?, alt_accuracy_m REAL?,"
        " speed_accuracy_mps REAL?"
    ),
    "frame": _columns(f"{_SESSION_TIME}, bus INTEGER, can_id INTEGER, data BLOB"),
    "reading": _columns(f"{_SESSION_TIME}, channel INTEGER, value REAL"),
    "event": _columns(f"{_SESSION_TIME}, kind TEXT, detail TEXT"),
    "progress": _columns(
        f"{_SESSION_TIME}, section INTEGER?, distance_m REAL?, elapsed_s REAL?, average_mps REAL?, limit_kmh REAL?,"
        " speed_mps REAL?"
    ),
    "rejected": _columns(f"{_SESSION_TIME}, port TEXT, reason TEXT, data BLOB"),
}
"""Columns by table, in order. A constant spares each start a query of an in-memory log; a test compares the two."""
LATER = {"fix": {"accuracy_m", "alt_accuracy_m", "speed_accuracy_mps"}}
"""Columns that a log of an older stagelog lacks; after an update they are NULL in its older rows."""
KEYS = {"meta": "key", "session": "id", "channel": "id"}
"""Primary key by table; the other tables have none."""
REQUIRED = frozenset({"session", "t_us"})
"""Columns that the migrations declare NOT NULL in every table."""
_KINDS = {"INTEGER": ("integer",), "REAL": ("integer", "real"), "TEXT": ("text",), "BLOB": ("blob",)}
"""Results of `typeof` that each declared type allows."""


def strange_values(connection: sqlite3.Connection, tables: Collection[str]) -> Iterator[str]:
    """Yield one line per column of `tables` that has values no recorder writes. Raises sqlite3.Error."""
    for table in tables:
        columns = {name: COLUMNS[table][name] for name in present(connection, table, COLUMNS[table])}
        counts = ", ".join(f"total({_is_strange(name, column)})" for name, column in columns.items())
        totals = connection.execute(f"SELECT {counts} FROM {table}").fetchone()  # noqa: S608
        for name, count in zip(columns, totals, strict=True):
            if count:
                yield f"{table}: {count:.0f} rows with a strange value as {name}"


def present(connection: sqlite3.Connection, table: str, names: Iterable[str]) -> list[str]:
    """The columns of `names` that this log has: all but those of a later stagelog that it lacks."""
    there = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
    return [name for name in names if name in there or name not in LATER.get(table, ())]


def _is_strange(name: str, column: Column) -> str:
    """SQL that is true for a value of the wrong kind or out of the column's range."""
    is_other = f"typeof({name}) NOT IN ({_allowed(column)})"
    if name not in RANGES or column.declared not in ("INTEGER", "REAL"):
        return is_other
    minimum, maximum = RANGES[name]
    return f"{is_other} OR {name} < {minimum!r} OR {name} > {maximum!r}"


def _allowed(column: Column) -> str:
    kinds = (*_KINDS[column.declared], *(("null",) if column.is_nullable else ()))
    return ", ".join(f"'{kind}'" for kind in kinds)
