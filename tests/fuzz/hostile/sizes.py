"""Mutations of size: more rows, sessions and texts than any drive has, in a few tens of megabytes."""

from __future__ import annotations

import sqlite3
from functools import partial
from random import Random

from tests.fuzz.hostile.schemas import Change, columns

_COUNT = "WITH RECURSIVE c(x) AS (SELECT {first} UNION ALL SELECT x + 1 FROM c LIMIT {count})"


def _many(table: str, count: int, values: str, connection: sqlite3.Connection, _rng: Random) -> None:
    width = len(columns(connection, table))
    row = values + ", NULL" * (width - values.count(",") - 1 + values.count("(x,"))
    connection.execute(
        f"INSERT OR IGNORE INTO {table} {_COUNT.format(first=2, count=count)} SELECT {row} FROM c"
    )


def _several(
    additions: tuple[tuple[str, int, str], ...], connection: sqlite3.Connection, rng: Random
) -> None:
    for table, count, values in additions:
        _many(table, count, values, connection, rng)


def _rows_of_one(size: int, table: str, column: str, connection: sqlite3.Connection, _rng: Random) -> None:
    """Give a hundred rows a value of `size` bytes each."""
    connection.execute(f"UPDATE {table} SET {column} = hex(zeroblob({size // 2})) WHERE rowid <= 100")


CHANGES: dict[str, Change] = {
    "60,000 sessions": partial(_many, "session", 60_000, "x, 'boot-' || x, '1970', 'stagelog', ''"),
    "60,000 sessions with a row of everything": partial(
        _several,
        (
            ("session", 60_000, "x, 'boot-' || x, '1970', 'stagelog', ''"),
            ("clock", 60_000, "x, 1000, 1768461600000000 + x * 1000000, 1000, 'gps'"),
            (
                "fix",
                60_000,
                "x, 2000, 1768461600001000 + x * 1000000, 21.62, 40.72, 900.0, 20.0, 0.0, 1, 9, 0.9",
            ),
            ("event", 60_000, "x, 3000, 'mark', '{}'"),
            ("progress", 60_000, "x, 3000, 0, 1.0 * x, 1.0, 1.0, 100.0, 1.0"),
        ),
    ),
    "200,000 rows of clock": partial(
        _many, "clock", 200_000, "1, x * 10, 1768461600000000 + x * 13, 1000, 'gps'"
    ),
    "100,000 rows of clock, each a year on": partial(
        _many, "clock", 100_000, "1, x * 31536000000000, x * 31536000000000, 1000, 'gps'"
    ),
    "200,000 fixes at one moment": partial(
        _many, "fix", 200_000, "1, 50000000, 1768461650000000, 21.62, 40.72, 900.0, 20.0, 0.0, 1, 9, 0.9"
    ),
    "100,000 fixes, a year between": partial(
        _many,
        "fix",
        90_000,
        "1, x * 100000000000000, x * 100000000000000, 21.62, 40.72, 900.0, 20.0, 0.0, 1, 9, 0.9",
    ),
    "100,000 fixes round the earth": partial(
        _many,
        "fix",
        100_000,
        "1, x * 200000, 1768461650000000 + x * 200000, (x % 180) - 90.0, (x * 7 % 360) - 180.0, 0.0, 9e9, 0.0, 1,"
        " 9, 0.9",
    ),
    "300,000 frames": partial(_many, "frame", 300_000, "1, x * 100, 0, x % 2048, x'0011223344556677'"),
    "100,000 frames of as many identifiers": partial(
        _many, "frame", 100_000, "1, x * 100, x % 256, x + 2147483648, x'0011'"
    ),
    "100,000 marks": partial(_many, "event", 100_000, "1, x * 1000, 'mark', '{\"text\": \"x\"}'"),
    "100,000 alarms": partial(
        _many,
        "event",
        100_000,
        '1, x * 1000, \'alarm\', \'{"name": "a\' || x || \'", "state": "raised", "level": "warn"}\'',
    ),
    "100,000 links": partial(
        _many, "event", 100_000, '1, x * 1000, \'link\', \'{"port": "p\' || x || \'", "state": "open"}\''
    ),
    "50,000 sections begun and finished": partial(
        _many,
        "event",
        50_000,
        "1, x * 1000, 'section', '{\"state\": \"' || iif(x % 2, 'started', 'finished') || '\", \"index\": 0}'",
    ),
    "100,000 kinds of event": partial(_many, "event", 100_000, "1, x * 1000, 'kind-' || x, '{}'"),
    "100,000 channels": partial(_many, "channel", 100_000, "x, 'channel-' || x, 'u', 's'"),
    "20,000 channels with a reading each": partial(
        _several,
        (
            ("channel", 20_000, "x, 'channel-' || x, 'u', 's'"),
            ("reading", 20_000, "1, x * 1000, x, x * 1.5"),
        ),
    ),
    "300,000 readings": partial(_many, "reading", 300_000, "1, x * 100, 1, x * 1.5"),
    "200,000 progress rows": partial(
        _many, "progress", 200_000, "1, x * 1000, x % 1000, x * 1.0, 1.0, 1.0, 100.0, 1.0"
    ),
    "200,000 rejected": partial(
        _many, "rejected", 200_000, "1, x * 100, 'port-' || x, 'reason-' || x, x'00'"
    ),
    "100,000 sentences": partial(
        _many, "sentence", 100_000, "1, x * 100, 'gps', '$GPGLL,5057.970,N,00146.110,E,142451,A*27'"
    ),
    "100,000 texts of meta": partial(_many, "meta", 100_000, "'key-' || x, 'value'"),
    "20,000 DBC files": partial(_many, "meta", 20_000, "'dbc:' || x || '.dbc', 'BO_ 256 M: 8 X'"),
    "100 rows of 200 kB": partial(_rows_of_one, 200_000, "event", "detail"),
    "100 sentences of 200 kB": partial(_rows_of_one, 200_000, "sentence", "text"),
    "100 frames of 200 kB": partial(_rows_of_one, 200_000, "frame", "data"),
    "100 ports of 100 kB": partial(_rows_of_one, 100_000, "sentence", "port"),
}
