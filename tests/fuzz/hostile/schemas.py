"""Mutations of the schema: replaced tables, added objects, and changed rows of sqlite_schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from random import Random

from tests.fuzz.hostile.honest import TABLES

Change = Callable[[sqlite3.Connection, Random], None]
_ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {} FROM c"
_MANY = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 5000) SELECT {} FROM c, c AS d, c AS e"
_GROWING = "WITH RECURSIVE c(x, t) AS (SELECT 1, 'a' UNION ALL SELECT x + 1, t || t FROM c LIMIT 29) SELECT {} FROM c"
_SORTED = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {} FROM c ORDER BY randomblob(1000)"
_BLOBS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9)"
    " SELECT {} FROM c, (SELECT zeroblob(999999999) AS b)"
)
_JSON = "SELECT {} FROM json_each('[1,2,3]') AS c, json_tree('[[[[1]]]]') AS t, (SELECT 1 AS x)"
_PRAGMA = "SELECT {} FROM pragma_table_list AS c, pragma_function_list, (SELECT 1 AS x)"
_VIEWS = {
    "an endless view": _ENDLESS,
    "a view of 10^11 rows": _MANY,
    "a view whose text doubles": _GROWING,
    "an endless view to be sorted": _SORTED,
    "a view of gigabytes": _BLOBS,
    "a view of json_each": _JSON,
    "a view of pragmas": _PRAGMA,
    "a view of another file": "SELECT {} FROM other.c, (SELECT 1 AS x)",
    "a view of itself": "SELECT {} FROM {table}, (SELECT 1 AS x)",
}
_VIRTUAL = {
    "fts5": "fts5({names})",
    "fts4": "fts4({names})",
    "rtree": "rtree({names})",
    "dbstat": "dbstat",
    "fts3tokenize": "fts3tokenize('simple')",
    "no module": "no_such_module({names})",
}
VIEWS = ("clock_minute", "speed", "track", "engine", "frames_hex", "events", "progress_kmh")


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns."""
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _as_view(select: str, table: str, connection: sqlite3.Connection, _rng: Random) -> None:
    names = columns(connection, table)
    connection.execute(f"DROP TABLE {table}")
    chosen = ", ".join(f"c.x AS {name}" for name in names) if " AS x)" not in select else ""
    chosen = chosen or ", ".join(f"x AS {name}" for name in names)
    sql = f"CREATE VIEW {table} AS {select.format(chosen, table=table)}"
    try:
        connection.execute(sql)
    except (sqlite3.Error, UnicodeDecodeError):  # SQLite refuses the statement, but reads it from a file
        _add_row(connection, "view", table, table, 0, sql)


def _as_view_of_itself(table: str, connection: sqlite3.Connection, _rng: Random) -> None:
    connection.execute(f"ALTER TABLE {table} RENAME TO kept_{table}")
    connection.execute(f"CREATE VIEW {table} AS SELECT * FROM kept_{table}")


def _as_virtual(module: str, table: str, connection: sqlite3.Connection, _rng: Random) -> None:
    names = ", ".join(columns(connection, table)[:5] or ["x"])
    connection.execute(f"DROP TABLE {table}")
    sql = f"CREATE VIRTUAL TABLE {table} USING {module.format(names=names)}"
    try:
        connection.execute(sql)
    except (sqlite3.Error, UnicodeDecodeError):
        _add_row(connection, "table", table, table, 0, sql)


def _trigger(event: str, table: str, connection: sqlite3.Connection, _rng: Random) -> None:
    connection.execute(
        f"CREATE TRIGGER hostile_{table} {event} ON {table} BEGIN"
        " INSERT INTO event SELECT 1, 1, 'mark', hex(zeroblob(1000000))"
        " FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 40) SELECT x FROM c); END"
    )


def _sql(*statements: str) -> Change:
    def change(connection: sqlite3.Connection, _rng: Random) -> None:
        for statement in statements:
            connection.execute(statement)

    return change


def _on(table: str, template: str, connection: sqlite3.Connection, rng: Random) -> None:
    """Run a statement on a table, or on one of its columns."""
    column = rng.choice(columns(connection, table))
    connection.execute(template.format(table=table, column=column))


def _recreated(old: str, new: str, table: str, connection: sqlite3.Connection, _rng: Random) -> None:
    """Create the table with a changed SQL text and keep its rows; an empty `old` means the end of the text."""
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    changed = sql.rstrip() + new if not old else sql.replace(old, new, 1)
    connection.execute("SAVEPOINT made")
    try:
        connection.execute(f"ALTER TABLE {table} RENAME TO kept_{table}")
        connection.execute(changed)
        connection.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM kept_{table}")
        connection.execute(f"DROP TABLE kept_{table}")
    except (sqlite3.Error, UnicodeDecodeError):  # SQLite refuses the statement, but reads it from a file
        connection.execute("ROLLBACK TO made")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (changed, table))


def _add_row(
    connection: sqlite3.Connection, kind: object, name: object, table: object, root: object, sql: object
) -> None:
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", (kind, name, table, root, sql))


def _corrupt(column: str, value: object, table: str, connection: sqlite3.Connection, _rng: Random) -> None:
    """Change a column in a row of sqlite_schema."""
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(f"UPDATE sqlite_schema SET {column} = ? WHERE name = ?", (value, table))


def _text_of_view(table: str, connection: sqlite3.Connection, _rng: Random) -> None:
    connection.execute(f"DROP VIEW {table}")
    connection.execute(f"CREATE VIEW {table} AS {_ENDLESS.format('x AS utc, x AS session, x AS t_s')}")


def _many_tables(connection: sqlite3.Connection, _rng: Random) -> None:
    connection.execute("PRAGMA writable_schema = ON")
    rows = [("table", f"t{n}", f"t{n}", 2, f"CREATE TABLE t{n} (x)") for n in range(20_000)]
    connection.executemany("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", rows)


def _many_columns(connection: sqlite3.Connection, _rng: Random) -> None:
    connection.execute(f"CREATE TABLE wide ({', '.join(f'c{n}' for n in range(1999))})")


_TABLE_WIDE = {
    "an extra column": "ALTER TABLE {table} ADD COLUMN extra_{column} TEXT",
    "a generated column": "ALTER TABLE {table} ADD COLUMN made AS (hex(zeroblob(100000000)))",
    "a default of megabytes": "ALTER TABLE {table} ADD COLUMN wide TEXT DEFAULT '" + "x" * 1_000_000 + "'",
    "a missing column": "ALTER TABLE {table} DROP COLUMN {column}",
    "a renamed column": "ALTER TABLE {table} RENAME COLUMN {column} TO renamed",
    "an escape as a column": 'ALTER TABLE {table} RENAME COLUMN {column} TO "\x1b[31m\n{column}"',
    "a missing table": "DROP TABLE {table}",
    "an index": "CREATE INDEX hostile_{table} ON {table} ({column})",
    "an index of another order": "CREATE INDEX hostile_{table} ON {table} ({column} COLLATE NOCASE DESC)",
    "an index on an expression": "CREATE INDEX hostile_{table} ON {table} (length(hex({column})))",
    "a partial index": "CREATE INDEX hostile_{table} ON {table} ({column}) WHERE {column} > 1 OR {column} LIKE '%a%'",
}
_RECREATED = {
    "WITHOUT ROWID": ("", " WITHOUT ROWID"),
    "STRICT": ("", " STRICT"),
    "TEXT for INTEGER": ("INTEGER", "TEXT"),
    "BLOB for TEXT": ("TEXT", "BLOB"),
    "INTEGER for REAL": ("REAL", "INTEGER"),
    "a collation": ("TEXT", "TEXT COLLATE NOCASE"),
    "an unknown collation": ("TEXT", "TEXT COLLATE nowhere"),
    "a check": ("TEXT", "TEXT CHECK (length(hex(zeroblob(100000))) > 0)"),
    "a default": ("TEXT", "TEXT DEFAULT (hex(zeroblob(100000000)))"),
    "a generated column of ours": ("TEXT", "TEXT AS (hex(zeroblob(100000000)))"),
    "AUTOINCREMENT": ("PRIMARY KEY", "PRIMARY KEY AUTOINCREMENT"),
}
_CORRUPT: dict[str, tuple[str, object]] = {
    "a text that is no SQL": ("sql", "CREATE TABLE ("),
    "a text of nothing": ("sql", None),
    "a blob as text": ("sql", b"CREATE TABLE \xff\xfe"),
    "an insert as text": ("sql", "INSERT INTO event VALUES (1, 1, 'mark', '{}')"),
    "a text of megabytes": ("sql", "CREATE TABLE x (a /*" + "x" * 5_000_000 + "*/)"),
    "a text 5,000 deep": ("sql", "CREATE TABLE x (a CHECK (" + "(" * 5_000 + "1" + ")" * 5_000 + "))"),
    "an escape as text": ("sql", 'CREATE TABLE x ("\x1b[2J\x07" TEXT)'),
    "the root page 0": ("rootpage", 0),
    "the root page 1": ("rootpage", 1),
    "the root page 2": ("rootpage", 2),
    "a root page beyond the file": ("rootpage", 2_000_000_000),
    "a negative root page": ("rootpage", -1),
    "a text as root page": ("rootpage", "two"),
    "another type": ("type", "view"),
    "an index as type": ("type", "index"),
    "a trigger as type": ("type", "trigger"),
    "a number as type": ("type", 7),
    "no type": ("type", None),
    "another name": ("name", "sqlite_sequence"),
    "no name": ("name", None),
    "an escape as name": ("name", "\x1b]0;owned\x07\u202e"),
    "a blob as name": ("name", b"\xff\xfe\x00"),
    "a name of a megabyte": ("name", "n" * 1_000_000),
    "another table's name": ("tbl_name", "fix"),
}

CHANGES: dict[str, Change] = {
    **{
        f"{table}: {what}": partial(_as_view, select, table)
        for what, select in _VIEWS.items()
        for table in TABLES
    },
    **{f"{table}: a view of the table itself": partial(_as_view_of_itself, table) for table in TABLES},
    **{
        f"{table}: virtual, {what}": partial(_as_virtual, module, table)
        for what, module in _VIRTUAL.items()
        for table in TABLES
    },
    **{
        f"{table}: a trigger {event}": partial(_trigger, event, table)
        for event in ("AFTER INSERT", "BEFORE UPDATE", "AFTER DELETE")
        for table in TABLES
    },
    **{
        f"{table}: {what}": partial(_on, table, template)
        for what, template in _TABLE_WIDE.items()
        for table in TABLES
    },
    **{
        f"{table}: {what}": partial(_recreated, *texts, table)
        for what, texts in _RECREATED.items()
        for table in TABLES
    },
    **{
        f"{name}: {what}": partial(_corrupt, *field, name)
        for what, field in _CORRUPT.items()
        for name in (*TABLES, *VIEWS[:2])
    },
    **{f"{name}: another text of the view": partial(_text_of_view, name) for name in VIEWS},
    "20,000 tables": _many_tables,
    "a table of 1,999 columns": _many_columns,
    "a table of escapes": _sql('CREATE TABLE "\x1b[31mred\n\u202e" (x)'),
    "a table of ours in other letters": _sql(
        "ALTER TABLE fix RENAME TO kept", "CREATE TABLE FIX AS SELECT * FROM kept"
    ),
    "a view of ours as a table": _sql("DROP VIEW track", "CREATE TABLE track (utc, session, t_s)"),
    "an extra view": _sql(f"CREATE VIEW more AS {_ENDLESS.format('x')}"),
    "an endless view of many": _sql(
        f"CREATE VIEW v0 AS {_ENDLESS.format('x')}",
        *(f"CREATE VIEW v{n + 1} AS SELECT a.x FROM v{n} a, v{n} b" for n in range(40)),
    ),
    "statistics": _sql("ANALYZE", "UPDATE sqlite_stat1 SET stat = '\x1b 99999999999 1 noskipscan'"),
    "the migrations empty": _sql("DELETE FROM _sqlite_migrations"),
    "a migration of escapes": _sql(
        "INSERT INTO _sqlite_migrations SELECT NULL, 'stagelog', '\x1b[2Jm999\n\u202e', '2026-01-01'"
    ),
    "a migration of megabytes": _sql(
        "UPDATE _sqlite_migrations SET name = hex(zeroblob(3000000)) WHERE id = 1"
    ),
    "a migration that is a blob": _sql("UPDATE _sqlite_migrations SET name = x'ff00fe' WHERE id = 1"),
    "200,000 migrations": _sql(
        "INSERT INTO _sqlite_migrations SELECT NULL, 'stagelog', 'm' || x, '' FROM (WITH RECURSIVE c(x) AS"
        " (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 200000) SELECT x FROM c)"
    ),
}
