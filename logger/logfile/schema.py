"""Create a blank log's schema, migrate an older log, and refuse a file that is not a log of ours.

A blank log is created directly with the result of all migrations, from `columns` and `views`; a test compares the
two. So the recorder imports sqlite-utils (a tenth of the time from power-on to the first row) only for an older log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.logfile.columns import COLUMNS
from logger.logfile.known_schema import (
    MAX_OBJECTS,
    MIGRATION_SET,
    MIGRATIONS,
    SchemaObject,
    definition,
    difference,
    dropping,
    is_migrations,
    missing,
)
from logger.logfile.views import newest_views, views_of_all_versions

APPLICATION_ID = 0x53544C47
"""SQLite's application_id of a log: the letters STLG."""
PAGE_BYTES = 1024
"""SQLite's page size. Every commit rewrites the last page of every table twice (WAL, then checkpoint), so small pages
reduce wear on the card; the benchmark `disk` has the figures."""


class NotALogError(LogError):
    """A file that is not a stagelog log, by its header or its schema."""


class NewerLogError(LogError):
    """A log of a later stagelog."""


_MAX_MIGRATIONS = 1000
"""Migrations applied to one log; there are three."""
VERSIONS = ("m001_log", "m002_views", "m003_accuracy")
"""Every migration. A log with any other applied migration is too new to read."""


def require_ours(connection: sqlite3.Connection, database: str = "main", *, complete: bool = True) -> None:
    """Refuse a schema that is not ours, before any other query; changes nothing.

    `complete` requires every table; a log that was just created has none yet. A blank file passes. Raises
    NotALogError for a foreign schema, NewerLogError for a later stagelog's, sqlite3.DatabaseError for damage.
    """
    rows = connection.execute(
        f"SELECT type, name, tbl_name, rootpage, sql FROM {database}.sqlite_master LIMIT {MAX_OBJECTS + 1}"  # noqa: S608
    )
    objects = [SchemaObject(*row) for row in rows]
    if not objects:
        return  # blank: `prepare` fills it
    if connection.execute(f"PRAGMA {database}.application_id").fetchone()[0] != APPLICATION_ID:
        raise NotALogError("not a stagelog log", hint="name a file that `stagelog run` or `simulate` wrote")
    applied = _applied(connection, database) if any(map(is_migrations, objects)) else set()
    if newer := applied.difference(VERSIONS):
        names = printable(", ".join(sorted(newer)))
        raise NewerLogError(f"this log's schema is newer ({names})", hint="update stagelog")
    what = difference(objects, views_of_all_versions())
    if what is None and complete:
        what = missing(objects)
    if what is None and len(objects) > MAX_OBJECTS:
        what = f"it has over {MAX_OBJECTS} tables, views and indexes"
    if what is not None:
        sql = dropping(objects, views_of_all_versions())
        hint = f"fetch or copy it again, or run `{sql}` on a copy" if sql else "fetch or copy it again"
        raise NotALogError(f"not a stagelog log, or a damaged one: {what}", hint=hint)


def _applied(connection: sqlite3.Connection, database: str) -> set[str]:
    """Names in a log's table of migrations, which must exist. Raises sqlite3.DatabaseError for a damaged one."""
    rows = connection.execute(
        f"SELECT name FROM {database}.{MIGRATIONS} WHERE migration_set = ? LIMIT ?",  # noqa: S608
        (MIGRATION_SET, _MAX_MIGRATIONS + 1),
    ).fetchall()
    if len(rows) > _MAX_MIGRATIONS:
        raise sqlite3.DatabaseError(f"the table of migrations has over {_MAX_MIGRATIONS} entries")
    names = {row[0] for row in rows}
    if not all(isinstance(name, str) for name in names):
        raise sqlite3.DatabaseError("the table of migrations has a name that is not text")
    return names


def prepare(connection: sqlite3.Connection) -> bool:
    """Bring a log that is open for writing to the newest schema; returns whether it was blank.

    All in one transaction: a power cut leaves the log unchanged, and a slow card syncs only once.
    """
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    with connection:
        connection.execute("BEGIN")
        connection.execute(
            f"PRAGMA application_id = {APPLICATION_ID}"
        )  # always: this fails if the file cannot be written
        if not tables:
            _fill(connection)
        elif MIGRATIONS not in tables or _applied(connection, "main") != set(VERSIONS):
            from logger.logfile.migrations import migrate  # noqa: PLC0415 - only for an older log

            migrate(connection)
    return not tables


def _fill(connection: sqlite3.Connection) -> None:
    """Create the newest schema in a blank log."""
    list_columns = {
        "id": "integer primary key",
        "migration_set": "text",
        "name": "text",
        "applied_at": "text",
    }
    connection.execute(_create_table(MIGRATIONS, list_columns))
    connection.execute(
        f'CREATE UNIQUE INDEX "idx_{MIGRATIONS}_migration_set_name" ON "{MIGRATIONS}" ("migration_set", "name")'
    )
    for table, columns in COLUMNS.items():
        connection.execute(_create_table(table, {name: definition(table, name) for name in columns}))
    for name, select in newest_views().items():
        connection.execute(f'CREATE VIEW "{name}" AS {select}')
    applied_at = str(datetime.now(UTC))
    connection.executemany(
        f"INSERT INTO {MIGRATIONS} (migration_set, name, applied_at) VALUES (?, ?, ?)",  # noqa: S608 - our own name
        [(MIGRATION_SET, name, applied_at) for name in VERSIONS],
    )


def _create_table(name: str, columns: Mapping[str, str]) -> str:
    """The CREATE TABLE statement as sqlite-utils writes it, from the type and constraint of each column."""
    definitions = ",\n".join(f'   "{column}" {words.upper()}' for column, words in columns.items())
    return f'CREATE TABLE "{name}" (\n{definitions}\n)'
