"""Verify that a log is whole, and list every problem, one line each.

A log cut off by a power failure is whole: everything committed is there. A log is not whole if SQLite finds a damaged
page, a row refers to a missing session or channel, time runs backwards in a source, or a value is impossible.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from firmware_bridge.errors import LogError
from firmware_bridge.protocols import ubx
from firmware_bridge.protocols.nmea import checksum
from logger.boundary.untrusted_json import loads
from logger.logfile.border import open_log_readonly
from logger.logfile.columns import strange_values
from logger.logfile.rows import BUSES_PER_PORT, MAX_FRAME_BYTES, TABLES
from logger.logfile.value_ranges import RANGES

REQUIRED_META = ("format", "software", "buses", "ports")
"""Keys that make a log self-describing, so that it can be read years later."""
_MAX_PROBLEMS = 20
"""A ruined log has thousands of problems; only this many are listed."""
_PAGES_SHARE = 0.4
"""Share of the time that SQLite's check of the pages takes for a whole log; the screening takes as long."""
_EACH_VALUE = ("meta", "session", "channel", "clock", "event", "fix", "progress", "rejected")
"""Tables in which the kind of each value is checked; `fast_verify` screens the large ones (frame, reading,
sentence)."""
_SENTENCES = 16_384
"""Screened at a time."""
_SOURCES = {
    "sentence": "port",
    "fix": "0",
    "reading": "channel",
    "clock": "source",
    "progress": "0",
    "frame": f"bus / {BUSES_PER_PORT}",
}
"""By table, the column whose clock stamped a row; the buses of an adapter share its clock."""

Progress = Callable[[float], None]


def verify(path: Path, progress: Progress = lambda _done: None) -> list[str]:
    """The problems of a log, one line each; an empty list for a whole log.

    `progress` is called with the share done, 0 to 1.
    """
    problems: list[str] = []
    try:
        with open_log_readonly(path) as connection:
            for problem in _problems(connection, progress):
                problems.append(problem)
                if len(problems) >= _MAX_PROBLEMS:
                    return [*problems, "and more"]
    except LogError as error:
        problems.append(error.what)
    progress(1.0)
    return problems


def _problems(connection: sqlite3.Connection, progress: Progress) -> Iterator[str]:
    fast = _fast_verify()
    progress(0.0)
    damaged = False
    for problem in _pages(connection):
        damaged = True
        yield problem
    progress(_PAGES_SHARE)
    whole: set[str] = set()
    if fast and not damaged:
        whole = fast.whole_tables(connection, lambda done: progress(_PAGES_SHARE * (1 + done)))
    tables = [table for table in TABLES if table not in whole]
    steps = (
        strange_values(connection, _EACH_VALUE),
        _meta(connection),
        _sessions(connection, tables),
        _order(connection, tables),
        _frames(connection, tables),
        _fixes(connection),
        _sentences(connection, fast.suspect_sentences if fast else lambda texts: range(len(texts))),
        _references(connection, tables),
        _events(connection),
    )
    for done, step in enumerate(steps):
        progress(2 * _PAGES_SHARE + (1 - 2 * _PAGES_SHARE) * done / len(steps))
        yield from step


def _fast_verify() -> ModuleType | None:
    """The screen of large tables, imported only once a log is open; None without numpy, and each row is checked."""
    try:
        from logger.logfile import fast_verify  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        return None
    return fast_verify


def _pages(connection: sqlite3.Connection) -> Iterator[str]:
    for (message,) in _integrity(connection):
        if message != "ok":
            yield f"damaged: {message}"


def _integrity(connection: sqlite3.Connection) -> list[tuple[str]]:
    """SQLite's own problems, in a thread: SQLite calls no handler during this check, so Ctrl-C would have to wait."""
    with ThreadPoolExecutor(1) as thread:
        check = thread.submit(
            lambda: connection.execute(f"PRAGMA integrity_check({_MAX_PROBLEMS})").fetchall()
        )
        try:
            return check.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def _meta(connection: sqlite3.Connection) -> Iterator[str]:
    keys = {row[0] for row in connection.execute("SELECT key FROM meta")}
    for key in REQUIRED_META:
        if key not in keys:
            yield f"meta has no '{key}'"


def _sessions(connection: sqlite3.Connection, tables: Collection[str]) -> Iterator[str]:
    if not connection.execute("SELECT count(*) FROM session").fetchone()[0]:
        yield "it has no session"
    for table in tables:
        unknown = connection.execute(
            f"SELECT DISTINCT session FROM {table} EXCEPT SELECT id FROM session"  # noqa: S608
        ).fetchall()
        for (session,) in unknown:
            yield f"{table}: rows of session {session}, which does not exist"


def _order(connection: sqlite3.Connection, tables: Collection[str]) -> Iterator[str]:
    for table, source in _SOURCES.items():
        if table in tables:
            rows = connection.execute(f"SELECT session, {source}, t_us FROM {table} ORDER BY rowid")  # noqa: S608
            yield from _backwards(table, rows)


def _backwards(table: str, rows: sqlite3.Cursor) -> Iterator[str]:
    latest: dict[tuple[int, object], float] = {}
    for session, source, t_us in rows:
        key = (session, source)
        if not isinstance(t_us, int | float):
            yield f"{table}: a row of session {session} has no time"
            return
        if t_us > RANGES["t_us"][1]:
            yield f"{table}: a row of session {session} has {t_us} as t_us"
            return
        if t_us < latest.get(key, 0):
            yield f"{table}: time runs backwards in session {session} at t_us {t_us}"
            return
        latest[key] = t_us


def _frames(connection: sqlite3.Connection, tables: Collection[str]) -> Iterator[str]:
    if "frame" not in tables:
        return
    wrong = connection.execute(
        "SELECT count(*) FROM frame WHERE typeof(data) <> 'blob' OR length(data) > ? OR can_id < 0",
        (MAX_FRAME_BYTES,),
    ).fetchone()[0]
    if wrong:
        yield f"frame: {wrong} rows that are not a valid CAN frame"


def _fixes(connection: sqlite3.Connection) -> Iterator[str]:
    wrong = connection.execute(
        "SELECT count(*) FROM fix WHERE (lat IS NULL) <> (lon IS NULL) OR abs(lat) > 90 OR abs(lon) > 180"
        " OR (quality = 0 AND lat IS NOT NULL) OR speed_mps < 0 OR course_deg < 0 OR course_deg > 360"
    ).fetchone()[0]
    if wrong:
        yield f"fix: {wrong} rows that are not a valid position"


def _sentences(
    connection: sqlite3.Connection, suspects: Callable[[list[Any]], Iterable[int]]
) -> Iterator[str]:
    cursor = connection.execute("SELECT text FROM sentence")
    wrong = 0
    while rows := cursor.fetchmany(_SENTENCES):
        wrong += sum(not _checksum_holds(rows[at][0]) for at in suspects([text for (text,) in rows]))
    if wrong:
        yield f"sentence: {wrong} rows with a wrong checksum"


def _checksum_holds(text: object) -> bool:
    if not isinstance(text, str):
        return False
    if text.startswith(ubx.TEXT_START):
        return ubx.holds(text)
    body, star, digits = text[1:].rpartition("*")
    return bool(star) and digits.strip().upper() == f"{checksum(body.encode('latin-1', 'replace')):02X}"


def _references(connection: sqlite3.Connection, tables: Collection[str]) -> Iterator[str]:
    if "reading" not in tables:
        return
    lost = connection.execute("SELECT DISTINCT channel FROM reading EXCEPT SELECT id FROM channel").fetchall()
    for (channel,) in lost:
        yield f"reading: rows of channel {channel}, which does not exist"


def _events(connection: sqlite3.Connection) -> Iterator[str]:
    for rowid, detail in connection.execute("SELECT rowid, detail FROM event"):
        try:
            is_object = isinstance(loads(detail), dict)
        except (TypeError, ValueError):
            is_object = False
        if not is_object:
            yield f"event: row {rowid} holds no JSON object"
