"""Copy a log while it may be recorded, in one of three ways.

    file    no process has it open: one file that does not change, copied byte for byte, damage included
    pages   it may be growing: SQLite's backup, as fast as the disk, in one read transaction. This does not block
            the recorder, but meanwhile the write-ahead log cannot restart; when that has grown too long, the copy
            is abandoned and made by rows
    rows    it grows faster than it is copied: rows are only added to a log and never changed, so a short first
            transaction copies what is small and notes each table's last row; then the rows up to there are fetched
            in slices, one short transaction each. However long that takes, the copy is the log as it was at the
            first transaction

Each writes to the card half a megabyte at a time, with pauses, so that the recorder's own sync never waits much
longer. Each returns False if the log was opened or closed meanwhile, so that another way is needed.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from firmware_bridge.errors import LogError
from logger.logfile.border import budgeted, harden, limit_schema, require_pages
from logger.logfile.connect import connect_with_wal, has_wal, is_left_behind, stored_bytes, wal_of
from logger.logfile.reader import last_row
from logger.logfile.rows import TABLES
from logger.logfile.schema import require_ours
from logger.transfer.slow_delete import remove

MAX_WAL_BYTES = 8 * 1024 * 1024
"""The recorder checkpoints its write-ahead log at 4 MB; it may grow to twice that while pages are copied, and the
checkpoint then takes twice the usual time."""
STEP_PAGES = 512
"""Pages copied between two checks of the write-ahead log: some milliseconds."""
HOLD_S = 0.02
"""Target time for which a slice of rows holds the log; the number of rows per slice is adjusted to it."""
SYNC_BYTES = 512 * 1024
"""Bytes written between syncs; also the limit for a slice of rows and SQLite's cache, so that it does not become much
more (twice as much at most was measured). The recorder's own sync waits for it: 25 ms on a slow card."""
FIRST_ROWS, MAX_ROWS = 2_000, 100_000
"""Rows of a slice, at first and at most; they are in memory meanwhile, some 60 bytes each."""
MAX_PAUSE_S = 0.2
"""Maximum pause after a sync: when a sync takes longer, this copy is not the cause."""

Progress = Callable[[float], None]


class WalTooLongError(Exception):
    """The write-ahead log has grown too long to keep the read transaction open."""


def copy_file(log: Path, to: Path, progress: Progress) -> bool:
    """Copy a log that no process has open."""
    with log.open("rb", buffering=0) as source, to.open("wb", buffering=0) as copy:
        before, synced = os.fstat(source.fileno()), 0
        while block := source.read(SYNC_BYTES):
            copy.write(block)
            synced = _sync(copy.fileno(), synced)
            progress(min(1.0, copy.tell() / max(before.st_size, 1)))
        os.fsync(copy.fileno())
        after = os.fstat(source.fileno())
    changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    return not changed and not has_wal(log)


def copy_pages(log: Path, to: Path, progress: Progress) -> bool:
    """Copy a log that may be growing. Raises WalTooLongError when it grows too fast for this; sqlite3.Error."""
    remove(to)
    wal = wal_of(log)
    grows = not is_left_behind(log)
    with closing(connect_with_wal(log)) as source:
        source.isolation_level = None
        harden(source)
        try:
            source.execute("BEGIN")
            require_ours(source)
            require_pages(source, log)
        except sqlite3.OperationalError:
            if has_wal(log):
                raise
            return False
        with closing(sqlite3.connect(to, isolation_level=None)) as copy:
            _no_journal(copy, source.execute("PRAGMA page_size").fetchone()[0])
            with to.open("rb") as written:
                synced = 0

                def look(_status: int, remaining: int, total: int) -> None:
                    nonlocal synced
                    synced = _sync(written.fileno(), synced)
                    if grows and wal.stat().st_size > MAX_WAL_BYTES:
                        raise WalTooLongError
                    progress(1 - remaining / max(total, 1))

                source.backup(copy, pages=STEP_PAGES, progress=look)
                copy.execute("PRAGMA journal_mode = DELETE")  # so that the copy is one file
                os.fsync(written.fileno())
    return True


def copy_rows(log: Path, to: Path, progress: Progress) -> bool:
    """Copy a log that is growing. Raises sqlite3.Error."""
    remove(to)
    with closing(sqlite3.connect(to, isolation_level=None, uri=True)) as copy, budgeted(copy, log):
        limit_schema(copy)
        try:
            copy.execute("ATTACH ? AS log", (f"{log.absolute().as_uri()}?mode=ro",))
            page_bytes = copy.execute("PRAGMA log.page_size").fetchone()[0]
        except sqlite3.OperationalError:
            if has_wal(log):
                raise
            return False
        _no_journal(copy, page_bytes)
        copy.execute("PRAGMA temp_store = MEMORY")
        last_rows = _copy_small_tables(copy)
        with to.open("rb") as written:
            _copy_slices(copy, last_rows, written.fileno(), 2 * stored_bytes(log) + SYNC_BYTES, progress)
            os.fsync(written.fileno())
    return True


def _no_journal(copy: sqlite3.Connection, page_bytes: int) -> None:
    """Turn off journal and SQLite's syncs: a copy that fails is deleted, and `_sync` syncs."""
    cache = f"cache_size = -{SYNC_BYTES // 1024}"
    for setting in (f"page_size = {page_bytes}", "journal_mode = OFF", "synchronous = OFF", cache):
        copy.execute(f"PRAGMA main.{setting}")


def _copy_small_tables(copy: sqlite3.Connection) -> dict[str, int]:
    """Copy schema and small tables, and note the last row of each large table, all in one transaction."""
    copy.execute("BEGIN")
    require_ours(copy, "log")
    schema = copy.execute(
        "SELECT name, sql, type = 'table' AS is_table FROM log.sqlite_master"
        " WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY is_table DESC, rowid"
    ).fetchall()
    for name, sql, is_table in schema:
        copy.execute(sql)
        if is_table and name not in TABLES:
            copy.execute(f'INSERT INTO main."{name}" SELECT * FROM log."{name}"')  # noqa: S608
    for setting in ("application_id", "user_version"):
        value = copy.execute(f"PRAGMA log.{setting}").fetchone()[0]
        copy.execute(f"PRAGMA main.{setting} = {value}")
    last_rows = {table: last_row(copy, table, "log") for table in TABLES}
    copy.execute("COMMIT")
    return last_rows


def _copy_slices(
    copy: sqlite3.Connection, last_rows: dict[str, int], written: int, max_bytes: int, progress: Progress
) -> None:
    """Copy the rows up to the last ones. The log is held only while a slice of them is read into memory.

    A damaged log whose rows share pages gives a longer copy: raises LogError at `max_bytes`.
    """
    total, done, rows, synced = max(sum(last_rows.values()), 1), 0, FIRST_ROWS, 0
    for table, last in last_rows.items():
        copy.execute(f"CREATE TEMP TABLE slice AS SELECT rowid AS number, * FROM log.{table} LIMIT 0")  # noqa: S608
        columns = ", ".join(row[1] for row in copy.execute(f"PRAGMA log.table_info({table})"))
        at = 0
        while at < last:
            until = min(at + rows, last)
            began = time.monotonic()
            copy.execute(
                f"INSERT INTO slice SELECT rowid, * FROM log.{table} WHERE rowid > ? AND rowid <= ?",  # noqa: S608
                (at, until),
            )
            held_s, before = time.monotonic() - began, os.fstat(written).st_size
            copy.execute(f"INSERT INTO main.{table} (rowid, {columns}) SELECT * FROM slice")  # noqa: S608
            copy.execute("DELETE FROM slice")
            rows = _next_slice_rows(until - at, held_s, os.fstat(written).st_size - before)
            done += until - at
            at = until
            if os.fstat(written).st_size > max_bytes:
                raise LogError(
                    "damaged: its copy is longer than the log", hint="run `stagelog verify` for details"
                )
            synced = _sync(written, synced)
            progress(done / total)
        copy.execute("DROP TABLE slice")


def _next_slice_rows(rows: int, held_s: float, grown_bytes: int) -> int:
    """Rows of the next slice, after one of `rows` that held the log for `held_s` and grew the copy by `grown_bytes`."""
    share = min(2.0, HOLD_S / max(held_s, 1e-6), SYNC_BYTES / max(grown_bytes, 1))
    return max(1, min(MAX_ROWS, round(rows * share)))


def _sync(written: int, synced: int) -> int:
    """Sync a file once SYNC_BYTES have been added since `synced` bytes; returns the bytes synced.

    Then pauses for as long as the sync took: the recorder's own sync gets its turn.
    """
    size = os.fstat(written).st_size
    if size - synced < SYNC_BYTES:
        return synced
    began = time.monotonic()
    os.fdatasync(written)
    time.sleep(min(time.monotonic() - began, MAX_PAUSE_S))
    return size
