"""Mutations of values: values that no recorder writes (`odd_values`), in a valid schema."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from random import Random

from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, ESI_FLAG, FD_FLAG, RTR_FLAG
from logger.logfile.columns import COLUMNS
from tests.fuzz.hostile.odd_values import ANY, JSON, TOML, Value
from tests.fuzz.hostile.schemas import Change, columns

_FLAGS = (EFF_FLAG, RTR_FLAG, ERR_FLAG, FD_FLAG, BRS_FLAG, ESI_FLAG)
_KINDS = (
    "section", "waypoint", "overspeed", "alarm", "link", "lost", "command", "session_end", "mark", "resumed", "state",
    "clock", "clock_step", "wheel", "trip", "dropped", "loss", "leg", "stage", "gps", "rejected", "dbc", "device",
)  # fmt: skip
_JSON_COLUMNS = (("event", "detail"), ("meta", "value"))
_META = (
    "car",
    "stage",
    "itinerary",
    "rules",
    "dbc:a.dbc",
    "buses",
    "ports",
    "state",
    "software",
    "format",
    "links",
)


def _set(table: str, column: str, value: Value, connection: sqlite3.Connection, rng: Random) -> None:
    """Set a column's value in one row, some, or all."""
    rows = rng.choice(
        ("rowid = (SELECT min(rowid) FROM {})", "rowid = (SELECT max(rowid) FROM {})", "rowid % 7 = 3", "1")
    )
    drawn = value(rng)
    if isinstance(drawn, str | bytes) and len(drawn) > 100_000:
        rows = "rowid = (SELECT min(rowid) FROM {})"
    connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {rows.format(table)}", (drawn,))


def _not_utf8(table: str, column: str, connection: sqlite3.Connection, _rng: Random) -> None:
    """Set texts to invalid UTF-8: a lone surrogate and half a character."""
    connection.execute(
        f"UPDATE OR IGNORE {table} SET {column} = CAST(x'61eda080ff62c3' AS TEXT) WHERE rowid % 5 = 1"
    )


def _event(value: Value, connection: sqlite3.Connection, rng: Random) -> None:
    """Add events of every kind with one odd detail."""
    text = value(rng)
    kinds = _KINDS if isinstance(text, str) and len(text) < 1000 else (rng.choice(_KINDS),)
    rows = [(rng.randrange(100_000_000), kind, text) for kind in kinds]
    connection.executemany("INSERT INTO event VALUES (1, ?, ?, ?)", rows)


def _detail(connection: sqlite3.Connection, rng: Random) -> None:
    """Replace one value in the details of valid events."""
    odd: tuple[object, ...] = (
        None,
        -1,
        10**30,
        "x",
        [],
        {},
        float("nan"),
        float("inf"),
        True,
        1e308,
        "\x1b[2J",
        [[]],
        -(10**18),
        0.5,
    )
    for rowid, text in connection.execute("SELECT rowid, detail FROM event").fetchall():
        detail = json.loads(text)
        if detail and rng.random() < 0.7:
            detail[rng.choice(list(detail))] = rng.choice(odd)
            connection.execute("UPDATE event SET detail = ? WHERE rowid = ?", (json.dumps(detail), rowid))


def _state(connection: sqlite3.Connection, rng: Random) -> None:
    """Replace one value in the state of the live computation."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'state'").fetchone()
    at = saved = json.loads(row[0]) if row else {"boot_id": "x", "boot_us": 1, "live": {}}
    while True:
        key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        inside = at[key]
        if not isinstance(inside, dict | list) or not inside or rng.random() < 0.2:
            break
        at = inside
    at[key] = rng.choice((None, -1, 10**30, "x", [], {}, float("nan"), 1e308, [[[]]], True))
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('state', ?)", (json.dumps(saved),))


def _meta(key: str, value: Value, connection: sqlite3.Connection, rng: Random) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value(rng)))


def _key(value: Value, connection: sqlite3.Connection, rng: Random) -> None:
    """Add odd keys to `meta`, one of them as a DBC file's."""
    drawn = value(rng)
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, 'x')", (drawn,))
    named = f"dbc:{drawn[:1000]}" if isinstance(drawn, str) else "dbc:"
    connection.execute(
        "INSERT OR REPLACE INTO meta SELECT ?, value FROM meta WHERE key = 'dbc:a.dbc'", (named,)
    )


def _channels(name: object, connection: sqlite3.Connection, _rng: Random) -> None:
    """Add many channels with the same name, each with readings."""
    connection.executemany(
        "INSERT OR IGNORE INTO channel VALUES (?, ?, ?, 'odd')",
        [(n, name, "1/min" if n % 2 else None) for n in range(2, 60)],
    )
    connection.executemany(
        "INSERT INTO reading VALUES (1, ?, ?, ?)", [(n * 100_000, n % 60, n * 1.5) for n in range(600)]
    )


def _frames(connection: sqlite3.Connection, rng: Random) -> None:
    """Add frames with every combination of identifier flags and odd lengths."""
    rows = []
    for n in range(200):
        can_id = rng.getrandbits(32) & 0x1FFF_FFFF
        for flag in _FLAGS:
            can_id |= flag * rng.getrandbits(1)
        can_id = rng.choice((can_id, can_id, -can_id, can_id << 20, 0x100))
        length = rng.choice((0, 1, 7, 8, 9, 13, 63, 64, 65, 255, 4096))
        rows.append((n * 1000, rng.choice((0, 1, 255, -1, 2**40)), can_id, rng.randbytes(length)))
    connection.executemany("INSERT INTO frame VALUES (1, ?, ?, ?, ?)", rows)


def _fixes(connection: sqlite3.Connection, rng: Random) -> None:
    """Add fixes at impossible positions."""
    odd = (None, 0.0, 90.0, -90.0, 180.0, -180.0, 1e308, -1e308, float("inf"), float("-inf"), 5e-324, 1000.0)
    width = len(columns(connection, "fix")) - 3
    rows = [
        (
            n * rng.choice((0, 1, 200_000)),
            rng.choice((None, 0, -1, 1_768_461_600_000_000 + n, 2**62)),
            *rng.choices(odd, k=width),
        )
        for n in range(300)
    ]
    connection.executemany(f"INSERT INTO fix VALUES (1, {', '.join('?' * (width + 2))})", rows)


def _times(table: str, connection: sqlite3.Connection, rng: Random) -> None:
    """Set times of a table to random values of random magnitude."""
    connection.create_function(
        "odd", 0, lambda: rng.getrandbits(rng.randrange(1, 63)) * rng.choice((1, 1, -1))
    )
    connection.execute(f"UPDATE {table} SET t_us = odd() WHERE rowid % 3 = 1")


def _sentences(connection: sqlite3.Connection, rng: Random) -> None:
    """Add invalid sentences, and some with absurd dates."""
    texts = (
        "$",
        "$*",
        "$GPRMC,,,,,,,,,,*00",
        "x" * 100_000,
        "\x1b[2J",
        "$GPZDA,235959.99,31,12,9999,00,00*7F",
        "$GPGGA," + "9" * 5000,
    )
    times = (0, -1, 4 * 10**18, 2**63 - 1, 10**15, 5)
    connection.executemany(
        "INSERT INTO sentence VALUES (?, ?, ?, ?)",
        [
            (
                rng.choice((1, 0, 7)),
                rng.choice(times),
                rng.choice(("gps", "", "\x1b")),
                rng.choice(texts),
            )
            for _ in range(100)
        ],
    )


def _sessions(numbers: tuple[int, ...], connection: sqlite3.Connection, _rng: Random) -> None:
    """Add sessions with odd numbers, and move rows to them."""
    connection.executemany(
        "INSERT OR IGNORE INTO session VALUES (?, 'b', 's', 'w', 'c')", [(n,) for n in numbers]
    )
    for table in ("fix", "clock", "progress", "event", "frame"):
        connection.executemany(f"UPDATE {table} SET session = ? WHERE rowid % 5 = 1", [(numbers[0],)])


CHANGES: dict[str, Change] = {
    **{
        f"{table}.{column}: {what}": partial(_set, table, column, value)
        for table, names in COLUMNS.items()
        for column in names
        for what, value in ANY.items()
    },
    **{
        f"{table}.{column}: no UTF-8": partial(_not_utf8, table, column)
        for table, names in COLUMNS.items()
        for column in names
    },
    **{
        f"{table}.{column}: {what}": partial(_set, table, column, value)
        for table, column in _JSON_COLUMNS
        for what, value in JSON.items()
    },
    **{f"events of {what}": partial(_event, value) for what, value in JSON.items()},
    **{
        f"meta {key}: {what}": partial(_meta, key, value)
        for key in _META
        for what, value in (JSON | TOML | ANY).items()
    },
    **{f"a key: {what}": partial(_key, value) for what, value in ANY.items()},
    **{f"{table}: odd times": partial(_times, table) for table, names in COLUMNS.items() if "t_us" in names},
    **{
        f"channels of one name {name!r}": partial(_channels, name)
        for name in ("rpm", "", None, "\x1b[2J", "../x", "=1+1")
    },
    **{f"details changed {n}": _detail for n in range(40)},
    **{f"the state changed {n}": _state for n in range(40)},
    **{f"odd frames {n}": _frames for n in range(20)},
    **{f"odd fixes {n}": _fixes for n in range(20)},
    **{f"odd sentences {n}": _sentences for n in range(10)},
    **{
        f"sessions {numbers}": partial(_sessions, numbers)
        for numbers in ((0, -1), (2**62, 2**63 - 1), (-(2**63),), (2, 3, 1000), (2**31, 2**32))
    },
}
