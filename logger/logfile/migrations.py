"""The log's tables, as migrations; no other module changes a table.

Logs stay readable for years, so a released migration never changes: a schema change is a new migration, with the same
change in `columns` and `views`, from which `schema` creates a blank log. There are no secondary indexes: while
recording, an index would multiply the bytes written to the card by nine.
"""

from __future__ import annotations

import sqlite3

from logger.logfile.known_schema import MIGRATION_SET
from logger.logfile.light_sqlite_utils import Database, Migrations
from logger.logfile.views import ACCURACY, first_views, track

migrations = Migrations(MIGRATION_SET)


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


@migrations()
def m002_views(db: Database) -> None:
    """Views for use with sqlite3 or Datasette: times in UTC, speeds in km/h. Each begins with utc, session, t_s.

    speed         every fix's speed with the limit and the section of that second: speed_kmh, limit_kmh, over_kmh,
                  section (from 1), distance_km
    track         every fix with a position: latitude, longitude, alt_m, speed_kmh, course_deg, quality, satellites,
                  hdop
    engine        every reading: channel, value, unit, source
    frames_hex    every frame: bus, id (3 or 8 hex digits), extended, remote, error, fd (0 or 1), length, data
    events        every event: kind, detail (JSON)
    progress_kmh  what the crew saw, once a second: section (from 1), distance_km, elapsed_s, average_kmh,
                  limit_kmh, speed_kmh
    clock_minute  the clock that the other views join

    A fix has its epoch's own time where it agrees with the clock to 2 s; every other row has the time of its arrival.
    `utc` is NULL in a session that never had GPS time.
    """
    for name, sql in first_views().items():
        db.create_view(name, sql)


@migrations()
def m003_accuracy(db: Database) -> None:
    """The receiver's own accuracy estimate, one standard deviation; NULL where it reports none.

    Adds accuracy_m (horizontal), alt_accuracy_m and speed_accuracy_mps to `fix` and to the view `track`.
    """
    for name in ("accuracy_m", "alt_accuracy_m", "speed_accuracy_mps"):
        db.table("fix").add_column(name, float)
    db.create_view("track", track(ACCURACY), replace=True)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a log that is open for writing to the newest schema."""
    migrations.apply(Database(connection))
