"""The log's tables, as migrations. Nothing else in the project creates or alters a table.

A log is written for years of reading, so a migration is never changed once released: a change is a new one.
There is no secondary index: while recording it would multiply the bytes written to the card by nine.
"""

from __future__ import annotations

import sqlite3

from firmware_bridge.errors import LogError
from logger.recording.light_sqlite_utils import Database, Migrations

APPLICATION_ID = 0x53544C47
"""SQLite's application_id of a log: the letters STLG."""
PAGE_BYTES = 1024
"""SQLite's page. Every commit rewrites the last page of every table twice (WAL, then checkpoint), so small
pages save the card; the benchmark `disk` has the figures."""

migrations = Migrations("stagelog")
VERSIONS = frozenset({"m001_log"})
"""Every migration below: what a log may have applied and still be ours to read."""


@migrations()
def m001_log(db: Database) -> None:
    """The tables of the first version."""
    db.create_table("meta", {"key": str, "value": str}, pk="key")
    db.create_table(
        "session",
        {"id": int, "boot_id": str, "started_utc": str, "software": str, "config": str},
        pk="id",
    )
    drive = {"session": int, "t_us": int}
    tables: dict[str, dict[str, type]] = {
        "clock": {"utc_us": int, "error_us": int, "source": str},
        "sentence": {"port": str, "text": str},
        "fix": {
            "utc_us": int,
            "lat": float,
            "lon": float,
            "alt_m": float,
            "speed_mps": float,
            "course_deg": float,
            "quality": int,
            "satellites": int,
            "hdop": float,
        },
        "frame": {"bus": int, "can_id": int, "data": bytes},
        "reading": {"channel": int, "value": float},
        "event": {"kind": str, "detail": str},
        "progress": {
            "section": int,
            "distance_m": float,
            "elapsed_s": float,
            "average_mps": float,
            "limit_kmh": float,
            "speed_mps": float,
        },
        "rejected": {"port": str, "reason": str, "data": bytes},
    }
    for name, columns in tables.items():
        db.create_table(name, drive | columns, not_null={"session", "t_us"})
    db.create_table("channel", {"id": int, "name": str, "unit": str, "source": str}, pk="id")


def require_ours(connection: sqlite3.Connection) -> None:
    """Raise LogError when a file is another program's, or a newer stagelog's; changes nothing."""
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return  # blank: ours to fill
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LogError("this is no stagelog log", mend="name a file that `stagelog run` or `simulate` wrote")
    newer = {migration.name for migration in migrations.applied(Database(connection))} - VERSIONS
    if newer:
        raise LogError(f"this log's schema is newer ({', '.join(sorted(newer))})", mend="update stagelog")


def prepare(connection: sqlite3.Connection) -> Database:
    """Bring a log that is open for writing to the newest schema, a blank one from nothing."""
    database = Database(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrations.apply(database)
    return database
