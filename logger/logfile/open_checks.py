"""Checks of a log before it is written: layout, tables, header, pages.

SQLite finds these faults late, with the rows of a drive already in the file. Each check raises sqlite3.DatabaseError.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from logger.logfile.columns import COLUMNS

_RESERVED_AT = 20
"""Offset in the file header of the count of reserved bytes per page; always 0 in our logs."""
_VACUUM_AT = 52
"""Offset of the largest root page, four bytes; 0 as in every file without auto-vacuum."""
_QUICK_CHECK_S = 5.0
"""Time limit of a check of the pages, whatever the log's size: half the watchdog's wait for the writer."""


def refuse_other_layout(path: Path) -> None:
    """Refuse a header that reserves part of every page, or claims auto-vacuum: SQLite would write in another layout.

    It would report a full disk. Runs before there is a connection: closing a file releases SQLite's locks on it.
    """
    with suppress(FileNotFoundError), path.open("rb") as file:
        header = file.read(_VACUUM_AT + 4)
        if any(header[_RESERVED_AT : _RESERVED_AT + 1] + header[_VACUUM_AT:]):
            raise sqlite3.DatabaseError("its header has another page layout")


def refuse_other_tables(connection: sqlite3.Connection) -> None:
    """Refuse a table whose columns differ (one damaged byte of the schema): no row could be inserted."""
    for table, columns in COLUMNS.items():
        names = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        if names != list(columns):
            raise sqlite3.DatabaseError(f"{table} has the columns {', '.join(names) or '(none)'}")


def refuse_wrong_header(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file shorter than its header claims, or with a damaged list of free pages: SQLite looks late."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    if path.stat().st_size < pages * page_bytes:
        raise sqlite3.DatabaseError("the file is shorter than its header claims")
    # A new page is taken from the list of free pages, whose header bytes may be damaged.
    connection.executescript("BEGIN; CREATE TABLE page_probe (x); ROLLBACK")


def refuse_damaged(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError if a time-limited check of the pages finds one damaged."""
    timer = threading.Timer(_QUICK_CHECK_S, connection.interrupt)
    timer.start()
    try:
        result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        result = "ok"
    finally:
        timer.cancel()
        timer.join()
    if result != "ok":
        raise sqlite3.DatabaseError(result)
