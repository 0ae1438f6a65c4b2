"""Decide from write errors whether the writer needs a new SQLite connection. Pure.

A full or locked log only needs another try. A damaged or replaced file needs a new connection at once. Other errors
may pass, for example on a busy card; but after a file system failure SQLite keeps failing on the old connection, even
when the card is back.
"""

from __future__ import annotations

import sqlite3

from logger.logfile.open_or_quarantine import is_damage
from logger.logfile.store import ReplacedError

GIVE_UP_S = 5.0
"""An error that lasts this long is taken as the connection's own."""
_RETRY_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""Errors that a new connection would get too."""


class WriteErrors:
    """The write errors since the last commit."""

    def __init__(self) -> None:
        self.damage_count = 0
        """Consecutive times that SQLite reported the file as damaged."""
        self._since_s: float | None = None

    def take(self, error: Exception, now_s: float) -> bool:
        """Take an error at `now_s` of the monotonic clock; whether to give the connection up."""
        if is_damage(error):
            self.damage_count += 1
            return True
        if isinstance(error, ReplacedError):
            return True
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _RETRY_CODES:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= GIVE_UP_S

    def opened_again(self) -> None:
        """Restart the time: the connection is new."""
        self._since_s = None

    def committed(self) -> None:
        """Forget all errors: a commit succeeded."""
        self.damage_count, self._since_s = 0, None
