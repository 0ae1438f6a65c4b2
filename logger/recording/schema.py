"""The log's tables, as migrations. Nothing else in the project creates or alters a table.

A log is written for years of reading, so a migration is never changed once released: a change is a new one.
There is no secondary index: while recording it would multiply the bytes written to the card by nine.
"""

from __future__ import annotations

import sqlite3

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from firmware_bridge.records import EFF_FLAG, ERR_FLAG, EXTENDED_MASK, FD_FLAG, RTR_FLAG
from logger.recording.light_sqlite_utils import Database, Migrations
from logger.recording.log_schema import (
    MIGRATIONS,
    MOST_OBJECTS,
    SchemaObject,
    difference,
    is_migrations,
    missing,
    select_text,
)

APPLICATION_ID = 0x53544C47
"""SQLite's application_id of a log: the letters STLG."""
PAGE_BYTES = 1024
"""SQLite's page. Every commit rewrites the last page of every table twice (WAL, then checkpoint), so small
pages save the card; the benchmark `disk` has the figures."""


class NoLogError(LogError):
    """A file that, by its own word, is not one of stagelog's."""


class NewerLogError(LogError):
    """A log of a later stagelog."""


_MOST_MIGRATIONS = 1000
"""Applied to one log; there are three."""
migrations = Migrations("stagelog")
VERSIONS = frozenset({"m001_log", "m002_views", "m003_accuracy"})
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


_MINUTE_US = 60_000_000
_CLOCK_MINUTE = f"""
WITH RECURSIVE step AS (
  SELECT session, iif(row_number() OVER steps = 1, 0, t_us) AS from_us,
         coalesce(lead(t_us) OVER steps, t_us + 1440 * {_MINUTE_US}) AS until_us, utc_us - t_us AS offset_us
  FROM clock WINDOW steps AS (PARTITION BY session ORDER BY t_us, rowid)
),
spread AS (
  SELECT session, from_us / {_MINUTE_US} AS minute, from_us, until_us, offset_us FROM step
  UNION ALL
  SELECT session, minute + 1, from_us, until_us, offset_us FROM spread
  WHERE (minute + 1) * {_MINUTE_US} < until_us
)
SELECT session, minute, from_us, until_us, offset_us FROM spread
"""  # noqa: S608 - a constant of ours
"""Which clock row holds in each minute of a session: `offset_us` is UTC minus session time from `from_us` to
before `until_us`. The newest row at or before a moment holds; the first also before it, the last for a day after it."""


def _timed(columns: str, table: str, utc_us: str = "r.t_us + c.offset_us", joins: str = "") -> str:
    """A view's SELECT: rows of a table in their order, with UTC in ISO 8601 to the millisecond and session seconds.

    Matching the minute makes the join an equality, for which SQLite builds its index as it goes: by time alone it
    would hold every row against every minute of the drive.
    """
    return (
        f"SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ({utc_us}) / 1e6, 'unixepoch') AS utc, r.session,"  # noqa: S608
        f" r.t_us / 1e6 AS t_s, {columns} FROM {table} AS r LEFT JOIN clock_minute AS c ON c.session = r.session"
        f" AND c.minute = r.t_us / {_MINUTE_US} AND r.t_us >= c.from_us AND r.t_us < c.until_us {joins}"
    )


_FIX_UTC = "iif(abs(r.utc_us - r.t_us - c.offset_us) < 2000000, r.utc_us, r.t_us + c.offset_us)"
_SPEED_KMH = "r.speed_mps * 3.6"


def _track(more: str = "") -> str:
    """The view `track`, with the columns of `more` at its end."""
    return _timed(
        f"r.lat AS latitude, r.lon AS longitude, r.alt_m, {_SPEED_KMH} AS speed_kmh, r.course_deg, r.quality,"
        f" r.satellites, r.hdop{more}",
        "(SELECT * FROM fix WHERE lat IS NOT NULL)",
        _FIX_UTC,
    )


_ACCURACY = ", r.accuracy_m, r.alt_accuracy_m, r.speed_accuracy_mps"
"""What `m003_accuracy` adds to the view `track`."""


def _first_views() -> dict[str, str]:
    """The SELECT of each view of `m002_views`."""
    limits = (
        "LEFT JOIN (SELECT session, t_us / 1000000 AS second, max(limit_kmh) AS limit_kmh, max(section) AS section,"
        " max(distance_m) AS distance_m FROM progress GROUP BY 1, 2) AS p"
        " ON p.session = r.session AND p.second = r.t_us / 1000000"
    )
    return {
        "clock_minute": _CLOCK_MINUTE,
        "speed": _timed(
            f"{_SPEED_KMH} AS speed_kmh, p.limit_kmh, max(0, {_SPEED_KMH} - p.limit_kmh) AS over_kmh,"
            " p.section + 1 AS section, p.distance_m / 1000.0 AS distance_km",
            "fix",
            _FIX_UTC,
            limits,
        ),
        "track": _track(),
        "engine": _timed(
            "h.name AS channel, r.value, h.unit, h.source",
            "reading",
            joins="LEFT JOIN channel AS h ON h.id = r.channel",
        ),
        "frames_hex": _timed(
            f"r.bus, printf(iif(r.can_id & {EFF_FLAG | ERR_FLAG}, '%08X', '%03X'), r.can_id & {EXTENDED_MASK}) AS id,"
            f" r.can_id & {EFF_FLAG} != 0 AS extended, r.can_id & {RTR_FLAG} != 0 AS remote,"
            f" r.can_id & {ERR_FLAG} != 0 AS error, r.can_id & {FD_FLAG} != 0 OR length(r.data) > 8 AS fd,"
            " length(r.data) AS length, hex(r.data) AS data",
            "frame",
        ),
        "events": _timed("r.kind, r.detail", "event"),
        "progress_kmh": _timed(
            "r.section + 1 AS section, r.distance_m / 1000.0 AS distance_km, r.elapsed_s,"
            f" r.average_mps * 3.6 AS average_kmh, r.limit_kmh, {_SPEED_KMH} AS speed_kmh",
            "progress",
        ),
    }


@migrations()
def m002_views(db: Database) -> None:
    """Views for people with sqlite3 or Datasette: times in UTC, speeds in km/h. Each begins with utc, session, t_s.

    speed         every fix's speed with the limit and the section of that second: speed_kmh, limit_kmh, over_kmh,
                  section (from 1), distance_km
    track         every fix with a position: latitude, longitude, alt_m, speed_kmh, course_deg, quality, satellites,
                  hdop
    engine        every reading: channel, value, unit, source
    frames_hex    every frame: bus, id (3 or 8 hexadecimal digits), extended, remote, error, fd (0 or 1), length, data
    events        every event: kind, detail (JSON)
    progress_kmh  what the crew saw, once a second: section (from 1), distance_km, elapsed_s, average_kmh, limit_kmh,
                  speed_kmh
    clock_minute  what the others take the time from

    A fix has its epoch's own time where the clock bears it out to 2 s; everything else the time of its arrival.
    `utc` is null in a session that never learned it.
    """
    for name, sql in _first_views().items():
        db.create_view(name, sql)


@migrations()
def m003_accuracy(db: Database) -> None:
    """What a receiver says of its own accuracy, as one standard deviation; NULL where it says nothing.

    `fix` has accuracy_m (horizontal), alt_accuracy_m and speed_accuracy_mps besides, and so has the view `track`.
    """
    for name in ("accuracy_m", "alt_accuracy_m", "speed_accuracy_mps"):
        db.table("fix").add_column(name, float)
    db.create_view("track", _track(_ACCURACY), replace=True)


def _our_views() -> dict[str, set[str]]:
    """The views of every version, for comparison."""
    views = {name: {select_text(sql)} for name, sql in _first_views().items()}
    views["track"].add(select_text(_track(_ACCURACY)))
    return views


def require_ours(connection: sqlite3.Connection, database: str = "main", *, complete: bool = True) -> None:
    """Compare a log's schema with ours before anything else is asked of it; changes nothing.

    `complete` asks for every table of ours: one that was just created has none yet. A blank file passes. Raises
    NoLogError for a schema that is not ours, NewerLogError for a later stagelog's, sqlite3.DatabaseError for damage.
    """
    rows = connection.execute(
        f"SELECT type, name, tbl_name, rootpage, sql FROM {database}.sqlite_master LIMIT {MOST_OBJECTS + 1}"  # noqa: S608
    )
    found = [SchemaObject(*row) for row in rows]
    if not found:
        return  # blank: ours to fill
    if connection.execute(f"PRAGMA {database}.application_id").fetchone()[0] != APPLICATION_ID:
        raise NoLogError(
            "this is no stagelog log", mend="name a file that `stagelog run` or `simulate` wrote"
        )
    applied = _applied(connection, database) if any(map(is_migrations, found)) else set()
    if newer := applied - VERSIONS:
        names = printable(", ".join(sorted(newer)))
        raise NewerLogError(f"this log's schema is newer ({names})", mend="update stagelog")
    what = difference(found, _our_views())
    if what is None and complete:
        what = missing(found)
    if what is None and len(found) > MOST_OBJECTS:
        what = f"it has over {MOST_OBJECTS} tables, views and indexes"
    if what is not None:
        raise NoLogError(f"not a log of stagelog's, or a damaged one: {what}", mend="fetch or copy it again")


def _applied(connection: sqlite3.Connection, database: str) -> set[str]:
    """The migrations by a log's own list, which is known to be a table. sqlite3.DatabaseError for a damaged one."""
    rows = connection.execute(
        f"SELECT name FROM {database}.{MIGRATIONS} WHERE migration_set = ? LIMIT ?",  # noqa: S608
        (migrations.name, _MOST_MIGRATIONS + 1),
    ).fetchall()
    if len(rows) > _MOST_MIGRATIONS:
        raise sqlite3.DatabaseError(f"the list of migrations has over {_MOST_MIGRATIONS} entries")
    names = {row[0] for row in rows}
    if not all(isinstance(name, str) for name in names):
        raise sqlite3.DatabaseError("the list of migrations has a name that is no text")
    return names


def prepare(connection: sqlite3.Connection) -> Database:
    """Bring a log that is open for writing to the newest schema, a blank one from nothing.

    In one transaction: a power cut leaves the log as it was, and a card that is slow to sync is waited for once.
    """
    database = Database(connection)
    with database.atomic():
        connection.execute(
            f"PRAGMA application_id = {APPLICATION_ID}"
        )  # always: it shows whether it can be written
        migrations.apply(database)
    return database
