"""Is a log whole? Every way in which it could not be, in words.

A log cut off by a power failure is whole: what was committed is all there. A log is not whole when SQLite finds
its pages damaged, when rows point nowhere, when time runs backwards in a source, or when a value cannot be true.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from firmware_bridge.errors import LogError
from firmware_bridge.protocols.nmea import checksum
from logger.recording.reader import open_log_readonly
from logger.recording.rows import TABLES

REQUIRED_META = ("format", "software", "buses", "ports")
"""Keys without which a log could not be read years later."""
_MOST_PROBLEMS = 20
"""A ruined log is ruined in thousands of places; so many are told."""


def verify(path: Path, progress: Callable[[float], None] = lambda _done: None) -> list[str]:
    """What is wrong with a log, a sentence each; an empty list for a whole one.

    `progress` is called with the share done, 0 to 1.
    """
    problems: list[str] = []
    try:
        with open_log_readonly(path) as connection:
            steps = _steps(connection)
            for done, step in enumerate(steps):
                progress(done / len(steps))
                for problem in step():
                    problems.append(problem)
                    if len(problems) >= _MOST_PROBLEMS:
                        return [*problems, "and more"]
    except LogError as error:
        problems.append(error.what)
    progress(1.0)
    return problems


def _steps(connection: sqlite3.Connection) -> list[Callable[[], Iterator[str]]]:
    return [
        lambda: _pages(connection),
        lambda: _meta(connection),
        lambda: _sessions(connection),
        lambda: _order(connection),
        lambda: _frames(connection),
        lambda: _fixes(connection),
        lambda: _sentences(connection),
        lambda: _references(connection),
        lambda: _events(connection),
    ]


def _pages(connection: sqlite3.Connection) -> Iterator[str]:
    for (said,) in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})"):
        if said != "ok":
            yield f"damaged: {said}"


def _meta(connection: sqlite3.Connection) -> Iterator[str]:
    there = {row[0] for row in connection.execute("SELECT key FROM meta")}
    for key in REQUIRED_META:
        if key not in there:
            yield f"meta has no '{key}'"


def _sessions(connection: sqlite3.Connection) -> Iterator[str]:
    if not connection.execute("SELECT count(*) FROM session").fetchone()[0]:
        yield "no session was ever begun"
    for table in TABLES:
        strangers = connection.execute(
            f"SELECT DISTINCT session FROM {table} EXCEPT SELECT id FROM session"  # noqa: S608
        ).fetchall()
        for (session,) in strangers:
            yield f"{table}: rows of session {session}, which there is none of"


def _order(connection: sqlite3.Connection) -> Iterator[str]:
    sources = {"sentence": "port", "fix": "0", "reading": "channel", "clock": "source", "progress": "0"}
    for table, source in sources.items():
        latest: dict[tuple[int, object], int] = {}
        rows = connection.execute(f"SELECT session, {source}, t_us FROM {table} ORDER BY rowid")  # noqa: S608
        yield from _backwards(table, rows, latest)


def _frames(connection: sqlite3.Connection) -> Iterator[str]:
    # An adapter's buses share its clock; 16 numbers belong to each.
    rows = connection.execute("SELECT session, bus / 16, t_us FROM frame ORDER BY rowid")
    yield from _backwards("frame", rows, {})
    wrong = connection.execute(
        "SELECT count(*) FROM frame WHERE typeof(data) <> 'blob' OR length(data) > 64 OR can_id < 0"
    ).fetchone()[0]
    if wrong:
        yield f"frame: {wrong} rows that can be no CAN frame"


def _backwards(table: str, rows: sqlite3.Cursor, latest: dict[tuple[int, object], int]) -> Iterator[str]:
    for session, source, t_us in rows:
        key = (session, source)
        if t_us < latest.get(key, 0):
            yield f"{table}: time runs backwards in session {session} at t_us {t_us}"
            return
        latest[key] = t_us


def _fixes(connection: sqlite3.Connection) -> Iterator[str]:
    wrong = connection.execute(
        "SELECT count(*) FROM fix WHERE (lat IS NULL) <> (lon IS NULL) OR abs(lat) > 90 OR abs(lon) > 180"
        " OR (quality = 0 AND lat IS NOT NULL) OR speed_mps < 0 OR course_deg < 0 OR course_deg > 360"
    ).fetchone()[0]
    if wrong:
        yield f"fix: {wrong} rows that can be no position"


def _sentences(connection: sqlite3.Connection) -> Iterator[str]:
    wrong = sum(not _checksum_holds(text) for (text,) in connection.execute("SELECT text FROM sentence"))
    if wrong:
        yield f"sentence: {wrong} rows whose checksum does not hold"


def _checksum_holds(text: str) -> bool:
    body, star, told = text[1:].rpartition("*")
    return bool(star) and told.strip().upper() == f"{checksum(body.encode('latin-1', 'replace')):02X}"


def _references(connection: sqlite3.Connection) -> Iterator[str]:
    lost = connection.execute("SELECT DISTINCT channel FROM reading EXCEPT SELECT id FROM channel").fetchall()
    for (channel,) in lost:
        yield f"reading: rows of channel {channel}, which there is none of"


def _events(connection: sqlite3.Connection) -> Iterator[str]:
    for rowid, detail in connection.execute("SELECT rowid, detail FROM event"):
        try:
            json.loads(detail)
        except (TypeError, ValueError):
            yield f"event: row {rowid} holds no JSON"
