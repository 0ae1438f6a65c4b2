"""What a card's refusals mean for the connection that met them. Pure: errors and times in, a verdict out.

A full or locked log is only to be asked again. A file that is damaged, or another one in its place, wants a new
connection at once. Anything else may pass by itself, as a card does that is busy with itself; but after a failed file
system SQLite goes on failing for ever, though the card may long be back.
"""

from __future__ import annotations

import sqlite3

from logger.logfile.open_or_quarantine import is_damage
from logger.logfile.store import ReplacedError

GIVE_UP_S = 5.0
"""A refusal that lasts so long is the connection's own."""
_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""What another connection would meet as well."""


class Refusals:
    """Those since the last commit."""

    def __init__(self) -> None:
        self.called_damaged = 0
        """How often in a row SQLite has called the file damaged."""
        self._since_s: float | None = None

    def take(self, error: Exception, now_s: float) -> bool:
        """Whether the connection is to be given up, as one more error comes at `now_s` of the monotonic clock."""
        if is_damage(error):
            self.called_damaged += 1
            return True
        if isinstance(error, ReplacedError):
            return True
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= GIVE_UP_S

    def opened_again(self) -> None:
        """A new connection has its own time to prove itself."""
        self._since_s = None

    def committed(self) -> None:
        """All is well."""
        self.called_damaged, self._since_s = 0, None
