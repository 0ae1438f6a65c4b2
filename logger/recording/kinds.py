"""What kind of value each column of a log may hold. SQLite lets any value stand anywhere; a recorder writes only these.

Who reads a log takes them for granted. So a value of another kind, which only a damaged page has, comes out as an
error of Python's somewhere in the middle: `reader` asks here then whether it was the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator

_KINDS = {
    "INTEGER": ("integer",),
    "FLOAT": ("integer", "real"),
    "REAL": ("integer", "real"),
    "TEXT": ("text",),
    "BLOB": ("blob",),
}
"""By the column's declared type, what `typeof` may say."""
_NEVER_NULL = {
    "meta": ("key",),
    "session": ("id", "boot_id", "started_utc"),
    "channel": ("id", "name", "unit", "source"),
    "clock": ("session", "t_us", "utc_us", "source"),
    "sentence": ("session", "t_us", "port", "text"),
    "fix": ("session", "t_us"),
    "frame": ("session", "t_us", "bus", "can_id", "data"),
    "reading": ("session", "t_us", "channel", "value"),
    "event": ("session", "t_us", "kind", "detail"),
    "progress": ("session", "t_us"),
    "rejected": ("session", "t_us", "port", "reason", "data"),
}
"""What has a value in every row; the other columns may be empty."""


def strange_values(connection: sqlite3.Connection, tables: Collection[str]) -> Iterator[str]:
    """A line for each column of `tables` in which something stands that no recorder writes. Raises sqlite3.Error."""
    for table in tables:
        columns = connection.execute(
            "SELECT name, upper(type) FROM pragma_table_info(?)", (table,)
        ).fetchall()
        counts = ", ".join(
            f"total(typeof({name}) NOT IN ({_allowed(table, name, kind)}))" for name, kind in columns
        )
        found = connection.execute(f"SELECT {counts} FROM {table}").fetchone() if columns else ()  # noqa: S608
        for (name, _), count in zip(columns, found, strict=True):
            if count:
                yield f"{table}: {count:.0f} rows with a strange value as {name}"


def _allowed(table: str, column: str, declared: str) -> str:
    kinds = _KINDS.get(declared, ())
    return ", ".join(f"'{kind}'" for kind in (kinds if column in _NEVER_NULL[table] else (*kinds, "null")))
