"""Mutations of values: values that no recorder writes, in a valid schema."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from functools import partial
from random import Random

from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, ESI_FLAG, FD_FLAG, RTR_FLAG
from logger.logfile.columns import COLUMNS
from tests.fuzz.hostile.schemas import Change, columns

_FLAGS = (EFF_FLAG, RTR_FLAG, ERR_FLAG, FD_FLAG, BRS_FLAG, ESI_FLAG)
_DEEP = 100_000
_LARGE = 10_000_000
Value = Callable[[Random], object]


def _is(value: object) -> Value:
    return lambda _rng: value


def _flipped(rng: Random) -> object:
    return 1_768_461_600_000_000 ^ (1 << rng.randrange(63))


_ANY: dict[str, Value] = {
    "nothing": _is(None),
    "2^63-1": _is(2**63 - 1),
    "-2^63": _is(-(2**63)),
    "-1": _is(-1),
    "zero": _is(0),
    "4e18": _is(4_000_000_000_000_000_000),
    "1e15": _is(1_000_000_000_000_000),
    "a flipped bit of a time": _flipped,
    "2^31": _is(2**31),
    "2^53+1": _is(2**53 + 1),
    "infinity": _is(float("inf")),
    "-infinity": _is(float("-inf")),
    "1e308": _is(1e308),
    "the least float": _is(5e-324),
    "half": _is(0.5),
    "a pole": _is(90.0),
    "beyond the pole": _is(90.000001),
    "the antimeridian": _is(-180.0),
    "1e9 degrees": _is(1e9),
    "a blob": _is(b"\x00\xff\xfe"),
    "a blob that is a NaN": _is(b"\x7f\xf8\x00\x00\x00\x00\x00\x00"),
    "an empty blob": _is(b""),
    "a large blob": _is(bytes(_LARGE)),
    "text": _is("seven"),
    "an empty text": _is(""),
    "NaN as text": _is("nan"),
    "1e999": _is("1e999"),
    "NUL in a text": _is("a\0b"),
    "escapes": _is("\x1b[2J\x1b]0;owned\x07\r\n\u202eevil\x9b31m\x7f"),
    "markup": _is(
        "[red]</script><script>alert(1)</script>[/nope][link=file:///etc/passwd]x[/link] &amp; ]]> %s {0}"
    ),
    "a formula": _is("=cmd|' /C calc'!A0"),
    "a path": _is("../../../../etc/cron.d/x"),
    "a large text": _is("x" * _LARGE),
    "a text of lines": _is("line\n" * 100_000),
    "combining marks": _is("e" + "\u0301" * 100_000),
    "noncharacters": _is("\ufffe\uffff\U0010ffff\ud7ff\ue000"),
    "many digits": _is("9" * 100_000),
}
_JSON_KEYS = (
    "number", "name", "class", "crew", "index", "state", "reason", "km", "kind", "port", "text",
    "live", "boot_id", "boot_us", "command", "level", "file", "gap_s", "count", "distance_m", "t_us",
    "utc_us", "seconds",
)  # fmt: skip
_JSON: dict[str, Value] = {
    "JSON of arrays 100,000 deep": _is("[" * _DEEP + "]" * _DEEP),
    "JSON of objects 100,000 deep": _is('{"a":' * _DEEP + "1" + "}" * _DEEP),
    "JSON 5,000 deep": _is('{"detail":' + "[" * 5_000 + "]" * 5_000 + "}"),
    "JSON 1e999": _is('{"number": 1e999, "index": 1e999, "reason": 1e999, "state": 1e999}'),
    "JSON NaN": _is('{"number": NaN, "index": NaN, "km": -Infinity, "speed_kmh": NaN, "t_us": NaN}'),
    "JSON of duplicates": _is(
        '{"number": 1, "number": 2, "state": "started", "state": [], "index": 0, "index": -1}'
    ),
    "JSON number of digits": _is('{"number": ' + "9" * 100_000 + ', "index": ' + "9" * 5_000 + "}"),
    "JSON null": _is("null"),
    "JSON list": _is("[]"),
    "JSON number": _is("5"),
    "JSON text": _is('"text"'),
    "half a JSON": _is('{"number": '),
    "JSON surrogates": _is('{"number": "\\ud800", "name": "\\udfff\\u0000\\u001b[2J", "text": "\\ud834"}'),
    "JSON objects for all": _is(json.dumps({key: {"a": []} for key in _JSON_KEYS})),
    "JSON huge numbers for all": _is(
        json.dumps(
            dict.fromkeys(
                (
                    "number",
                    "name",
                    "class",
                    "crew",
                    "index",
                    "state",
                    "reason",
                    "km",
                    "kind",
                    "port",
                    "text",
                    "boot_us",
                    "gap_s",
                    "count",
                    "distance_m",
                    "t_us",
                    "utc_us",
                    "seconds",
                ),
                10**30,
            )
        )
    ),
    "JSON of a million items": _is('{"number": [' + ",".join(["0"] * 1_000_000) + "]}"),
    "JSON of 200,000 keys": _is("{" + ",".join(f'"k{n}": {n}' for n in range(200_000)) + "}"),
    "JSON escapes as keys": _is('{"\\u001b[2J\\n": "\\u001b[31m", "index": "\\u202e"}'),
}
_KINDS = (
    "section", "waypoint", "overspeed", "alarm", "link", "lost", "command", "session_end", "mark", "resumed", "state",
    "clock", "clock_step", "wheel", "trip", "dropped", "loss", "leg", "stage", "gps", "rejected", "dbc", "device",
)  # fmt: skip
_JSON_COLUMNS = (("event", "detail"), ("meta", "value"))
_TOML: dict[str, Value] = {
    "TOML 50,000 keys": _is(".".join(["a"] * 50_000) + " = 1"),
    "TOML digits": _is("[stage]\nnumber = 0x" + "f" * 100_000),
    "TOML dates": _is(
        '[stage]\nname = "x"\ndate = 0001-01-01\n[[section]]\nkind = "liaison"\nlength_km = 1e308\n'
    ),
    "TOML deep": _is("a = " + "[" * 50_000),
    "TOML of 100,000 sections": _is(
        '[stage]\nname = "x"\n' + '[[section]]\nkind = "liaison"\nlength_km = 1\n' * 100_000
    ),
    "TOML of 100,000 waypoints": _is(
        '[stage]\nname = "x"\n[[section]]\nkind = "selective"\nname = "S"\nlength_km = 100001\n'
        + "".join(
            f'[[section.waypoint]]\nkm = {n}\nkind = "wpm"\nlat = 21.7\nlon = 40.7\n' for n in range(100_000)
        )
    ),
    "TOML of hostile names": _is(
        '[stage]\nname = "\\u001b[2J</script>"\nevent = "../../x"\nnumber = 9223372036854775807\n'
        '[[section]]\nkind = "selective"\nname = "\\u202e\\u0000[red]"\nlength_km = 1e-300\nmax_speed_kmh = 1e300\n'
    ),
    "TOML zones upon zones": _is(
        '[stage]\nname = "x"\n[[section]]\nkind = "selective"\nname = "S"\nlength_km = 14.0\n'
        + "".join(
            f'[[section.waypoint]]\nkm = {n / 1000}\nkind = "{"dz" if n % 2 == 0 else "fz"}"\n'
            + ("speed_kmh = 30\n" if n % 2 == 0 else "")
            for n in range(14_000)
        )
    ),
    "DBC message of 10^6 bytes": _is(
        'BO_ 256 M: 1000000 X\n SG_ rpm : 0|16@1+ (0.25,0) [0|8000] "1/min" X\n'
    ),
    "DBC signal of 10^9 bits": _is('BO_ 256 M: 8 X\n SG_ rpm : 0|1000000000@1+ (1,0) [0|0] "" X\n'),
    "DBC 5,000 multiplexed": _is(
        'BO_ 256 M: 8 X\n SG_ mux M : 0|16@1+ (1,0) [0|0] "" X\n'
        + "".join(f' SG_ s{n} m{n} : 16|8@1+ (1,0) [0|0] "" X\n' for n in range(5_000))
    ),
    "DBC 50,000 messages": _is(
        "".join(f'BO_ {n} M{n}: 8 X\n SG_ s : 0|8@1+ (1,0) [0|0] "" X\n' for n in range(50_000))
    ),
    "DBC of odd numbers": _is(
        'BO_ 256 M: 8 X\n SG_ rpm : 0|16@1+ (1e308,1e308) [nan|inf] "\x1b[2J" X\n SG_ two : 0|64@1- (0,0) [1|0] "" X\n'
    ),
    "DBC that repeats itself": _is('BO_ 256 M: 8 X\n SG_ rpm : 0|16@1+ (1,0) [0|0] "" X\n' * 20_000),
    "DBC of one signal name": _is("BO_ 256 M: 8 X\n" + ' SG_ rpm : 0|16@1+ (1,0) [0|0] "" X\n' * 3_000),
}
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
        for what, value in _ANY.items()
    },
    **{
        f"{table}.{column}: no UTF-8": partial(_not_utf8, table, column)
        for table, names in COLUMNS.items()
        for column in names
    },
    **{
        f"{table}.{column}: {what}": partial(_set, table, column, value)
        for table, column in _JSON_COLUMNS
        for what, value in _JSON.items()
    },
    **{f"events of {what}": partial(_event, value) for what, value in _JSON.items()},
    **{
        f"meta {key}: {what}": partial(_meta, key, value)
        for key in _META
        for what, value in (_JSON | _TOML | _ANY).items()
    },
    **{f"a key: {what}": partial(_key, value) for what, value in _ANY.items()},
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
