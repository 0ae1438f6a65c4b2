"""Logs for the transfer tests: closed, being recorded, and large; and their content."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from firmware_bridge.record_columns import FrameColumns
from firmware_bridge.records import CanFrame
from logger.logfile.rows import Rows
from logger.logfile.store import Log
from tests.logger.logfile.rows_made import META, START, drive

LARGE_BYTES = 64


def rows(count: int, first: int) -> Rows:
    """`count` frames, one per millisecond from 1 s on, numbered in their data."""
    return Rows(
        frame=FrameColumns.of(
            CanFrame(1_000_000 + 1000 * n, 0, 0x123, n.to_bytes(8, "big"))
            for n in range(first, first + count)
        )
    )


def large_rows(count: int, first: int) -> Rows:
    """The same with CAN FD frames: the fastest way to a large log."""
    return Rows(
        frame=FrameColumns.of(
            CanFrame(1_000_000 + 1000 * n, 0, 0x123, n.to_bytes(LARGE_BYTES, "big"))
            for n in range(first, first + count)
        )
    )


@contextmanager
def being_recorded(path: Path, frames: int = 3000, boot_id: str = "boot-1") -> Iterator[Log]:
    """A log that a process has open: its last commits are only in its write-ahead log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = Log(path)
    log.begin_session(replace(START, boot_id=boot_id), META)
    log.write(drive())
    log.write(rows(frames, 0))
    log.commit()
    try:
        yield log
    finally:
        log.close()


def closed(path: Path, frames: int = 3000, boot_id: str = "boot-1") -> Path:
    """A log that no process has open."""
    with being_recorded(path, frames, boot_id):
        pass
    return path


def large(path: Path, megabytes: int) -> Path:
    """A closed log of at least `megabytes`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = Log(path, durable=False)
    log.begin_session(START, META)
    log.write(drive())
    first = 0
    while path.stat().st_size < megabytes * 1_000_000:
        log.write(large_rows(50_000, first))
        log.commit()
        first += 50_000
    log.close()
    return path


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything in a log, by table; of the views, their definitions."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in names}
        found["schema"] = connection.execute(
            "SELECT type, name, sql FROM sqlite_master ORDER BY 2"
        ).fetchall()
        found["id"] = connection.execute("PRAGMA application_id").fetchall()
        return json.loads(json.dumps(found, default=bytes.hex))  # type: ignore[no-any-return]
