"""The columns of a log as the migrations leave them, and what kind of value each may hold.

SQLite lets any value stand anywhere; a recorder writes only these, and who reads a log takes them for granted. So a
value of another kind, which only a damaged page has, comes out as an error of Python's somewhere in the middle:
`reader` asks here then whether it was the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from logger.logfile.value_ranges import RANGES


class Column(NamedTuple):
    """One column: its type as declared, and whether a row may leave it empty."""

    declared: str
    may_be_empty: bool


def _columns(written: str) -> dict[str, Column]:
    """Columns by name, from a line of them: each a name and a type, with a ? behind a type that may be left out."""
    pairs = (column.split() for column in written.split(","))
    return {name: Column(declared.rstrip("?"), declared.endswith("?")) for name, declared in pairs}


_OF_A_DRIVE = "session INTEGER, t_us INTEGER"
COLUMNS = {
    "meta": _columns("key TEXT, value TEXT?"),
    "session": _columns("id INTEGER, boot_id TEXT, started_utc TEXT, software TEXT?, config TEXT?"),
    "channel": _columns("id INTEGER, name TEXT, unit TEXT, source TEXT"),
    "clock": _columns(f"{_OF_A_DRIVE}, utc_us INTEGER, error_us INTEGER?, source TEXT"),
    "sentence": _columns(f"{_OF_A_DRIVE}, port TEXT, text TEXT"),
    "fix": _columns(
        f"{_OF_A_DRIVE}, utc_us INTEGER?, lat REAL?, lon REAL?, alt_m REAL?, speed_mps REAL?, course_deg REAL?,"
        " quality INTEGER?, satellites INTEGER?, hdop REAL?, accuracy_m REAL?, alt_accuracy_m REAL?,"
        " speed_accuracy_mps REAL?"
    ),
    "frame": _columns(f"{_OF_A_DRIVE}, bus INTEGER, can_id INTEGER, data BLOB"),
    "reading": _columns(f"{_OF_A_DRIVE}, channel INTEGER, value REAL"),
    "event": _columns(f"{_OF_A_DRIVE}, kind TEXT, detail TEXT"),
    "progress": _columns(
        f"{_OF_A_DRIVE}, section INTEGER?, distance_m REAL?, elapsed_s REAL?, average_mps REAL?, limit_kmh REAL?,"
        " speed_mps REAL?"
    ),
    "rejected": _columns(f"{_OF_A_DRIVE}, port TEXT, reason TEXT, data BLOB"),
}
"""By table, in their order. It spares each start a log in memory to ask; a test makes that log and compares."""
LATER = {"fix": {"accuracy_m", "alt_accuracy_m", "speed_accuracy_mps"}}
"""Those that a log of an older stagelog lacks; they are NULL in rows from before it was updated."""
KEYS = {"meta": "key", "session": "id", "channel": "id"}
"""By table, its primary key; the others have none."""
REQUIRED = frozenset({"session", "t_us"})
"""The columns that the migrations make NOT NULL, in whatever table."""
_KINDS = {"INTEGER": ("integer",), "REAL": ("integer", "real"), "TEXT": ("text",), "BLOB": ("blob",)}
"""By the column's declared type, what `typeof` may say."""


def strange_values(connection: sqlite3.Connection, tables: Collection[str]) -> Iterator[str]:
    """A line for each column of `tables` in which something stands that no recorder writes. Raises sqlite3.Error."""
    for table in tables:
        columns = {name: COLUMNS[table][name] for name in present(connection, table, COLUMNS[table])}
        counts = ", ".join(f"total({_is_strange(name, column)})" for name, column in columns.items())
        found = connection.execute(f"SELECT {counts} FROM {table}").fetchone()  # noqa: S608
        for name, count in zip(columns, found, strict=True):
            if count:
                yield f"{table}: {count:.0f} rows with a strange value as {name}"


def present(connection: sqlite3.Connection, table: str, names: Iterable[str]) -> list[str]:
    """Those of a table's columns that a log of this age has: all `names` but the later ones that it lacks."""
    there = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
    return [name for name in names if name in there or name not in LATER.get(table, ())]


def _is_strange(name: str, column: Column) -> str:
    """In SQL, whether a value is of another kind, or out of the range of its column."""
    is_other = f"typeof({name}) NOT IN ({_allowed(column)})"
    if name not in RANGES or column.declared not in ("INTEGER", "REAL"):
        return is_other
    least, most = RANGES[name]
    return f"{is_other} OR {name} < {least!r} OR {name} > {most!r}"


def _allowed(column: Column) -> str:
    kinds = (*_KINDS[column.declared], *(("null",) if column.may_be_empty else ()))
    return ", ".join(f"'{kind}'" for kind in kinds)
