"""Values that no recorder writes: numbers, texts and blobs for any column, JSON for details, TOML and DBC."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

_DEEP = 100_000
_LARGE = 10_000_000
Value = Callable[[Random], object]


def _is(value: object) -> Value:
    return lambda _rng: value


def _flipped(rng: Random) -> object:
    return 1_768_461_600_000_000 ^ (1 << rng.randrange(63))


ANY: dict[str, Value] = {
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
JSON: dict[str, Value] = {
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
TOML: dict[str, Value] = {
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
