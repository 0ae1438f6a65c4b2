"""SQL views of a log, for use with sqlite3 or Datasette; `migrations.m002_views` lists their columns.

Each version's SELECT stays as released: a log keeps the views of the stagelog that wrote it.
"""

from __future__ import annotations

from firmware_bridge.records import EFF_FLAG, ERR_FLAG, EXTENDED_MASK, FD_FLAG, RTR_FLAG
from logger.logfile.known_schema import select_text

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
"""  # noqa: S608 - our own constant
"""The clock row that applies in each minute of a session: `offset_us` is UTC minus session time, from `from_us` to
before `until_us`. The newest row at or before a moment applies; the first one also applies before it, the last one
for a day after it."""


def _timed(columns: str, table: str, utc_us: str = "r.t_us + c.offset_us", joins: str = "") -> str:
    """A view's SELECT: rows of a table in order, with UTC in ISO 8601 to the millisecond and session seconds.

    Matching the minute makes the join an equality, for which SQLite builds a temporary index; a join by time alone
    would compare every row with every minute of the drive.
    """
    return (
        f"SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ({utc_us}) / 1e6, 'unixepoch') AS utc, r.session,"  # noqa: S608
        f" r.t_us / 1e6 AS t_s, {columns} FROM {table} AS r LEFT JOIN clock_minute AS c ON c.session = r.session"
        f" AND c.minute = r.t_us / {_MINUTE_US} AND r.t_us >= c.from_us AND r.t_us < c.until_us {joins}"
    )


_FIX_UTC = "iif(abs(r.utc_us - r.t_us - c.offset_us) < 2000000, r.utc_us, r.t_us + c.offset_us)"
_SPEED_KMH = "r.speed_mps * 3.6"


def track(more: str = "") -> str:
    """The view `track`, with the columns of `more` at its end."""
    return _timed(
        f"r.lat AS latitude, r.lon AS longitude, r.alt_m, {_SPEED_KMH} AS speed_kmh, r.course_deg, r.quality,"
        f" r.satellites, r.hdop{more}",
        "(SELECT * FROM fix WHERE lat IS NOT NULL)",
        _FIX_UTC,
    )


ACCURACY = ", r.accuracy_m, r.alt_accuracy_m, r.speed_accuracy_mps"
"""Columns that `m003_accuracy` adds to the view `track`."""


def first_views() -> dict[str, str]:
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
        "track": track(),
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


def newest_views() -> dict[str, str]:
    """The SELECT of each view of a new log."""
    return first_views() | {"track": track(ACCURACY)}


def views_of_all_versions() -> dict[str, set[str]]:
    """Every released SELECT of each view, for comparison."""
    older, newer = first_views(), newest_views()
    return {name: {select_text(older[name]), select_text(newer[name])} for name in newer}
