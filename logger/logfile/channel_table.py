"""The channels of a log, as its readers take them."""

from __future__ import annotations

import sqlite3
from typing import Final

from firmware_bridge.errors import LogError
from firmware_bridge.records import Channel

MOST_CHANNELS: Final = 20_000
"""The DBC files of a whole lorry have some 5,000 signals."""
_MOST_NUMBER: Final = 2**31 - 1
_MOST_CHARS: Final = 1000
"""Of a name, a unit or a source: a DBC's names have at most 128."""
_SQL: Final = (
    "SELECT id, name, unit, source FROM channel WHERE typeof(name) = 'text' AND length(name) <= ?"  # noqa: S608 - ours
    + "".join(
        f" AND (typeof({name}) = 'text' AND length({name}) <= ? OR {name} IS NULL)"
        for name in ("unit", "source")
    )
    + " ORDER BY id LIMIT ?"
)


def channels_of(connection: sqlite3.Connection) -> dict[int, Channel]:
    """By number, in its order. One that no recorder writes is left out, with its readings; `verify` reports it.

    Raises LogError for more channels than any car has, sqlite3.Error where the table cannot be read.
    """
    found = connection.execute(_SQL, (*[_MOST_CHARS] * 3, MOST_CHANNELS + 1)).fetchall()
    if len(found) > MOST_CHANNELS:
        raise LogError(f"it has over {MOST_CHANNELS} channels", mend="`stagelog verify` says more")
    return {
        number: Channel(name, unit or "", source or "")
        for number, name, unit, source in found
        if 0 <= number <= _MOST_NUMBER
    }
