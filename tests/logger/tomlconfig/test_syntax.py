"""The words for lines that are not TOML: what people type instead, and what they should write."""

from __future__ import annotations

import pytest

from logger.tomlconfig.schema import TomlError, TomlFile

GENERAL = 'a line is key = value, [table] or [[table]]; text is in "quotes"'


def message(text: str) -> str:
    with pytest.raises(TomlError) as caught:
        TomlFile(text, "f.toml")
    return str(caught.value).partition("not TOML: ")[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port = /dev/gps", 'text without quotes; write port = "/dev/gps"'),
        ("name = O'Neill", 'text without quotes; write name = "O\'Neill"'),
        ("host = 192.168.1.1", 'text without quotes; write host = "192.168.1.1"'),
        ("poll = yes", "text without quotes; write poll = true"),
        ("poll = Off  # never", "text without quotes; write poll = false"),
        ("port: /dev/gps", 'a : instead of =; write port = "/dev/gps"'),
        ("baud: 9600", "a : instead of =; write baud = 9600"),
        ("port /dev/gps", 'the = is missing; write port = "/dev/gps"'),
        ('gps port = "/dev/gps"', "a space in the name of a key; write gps_port = ..."),
        ("// the receiver", "a comment of another language; begin the line with #"),
        ("; the receiver", "a comment of another language; begin the line with #"),
        ("baud = 9600;", "a sign after a number; write baud = 9600"),
        ("baud = 9600 // usual", "a sign after a number; write baud = 9600"),
        ("wifi_password = dune 9", 'text without quotes; write wifi_password = "..."'),
        ("port =", "the value is missing; write it after port ="),
        ("port = # none", "the value is missing; write it after port ="),
        ("port = \u201c/dev/gps\u201d", 'the quotes are those of a word processor; write port = "/dev/gps"'),
        ('port = "/dev/gps', 'the quotes are not closed; write port = "/dev/gps"'),
        ("port = '/dev/gps", 'the quotes are not closed; write port = "/dev/gps"'),
        ("port = '/dev/gps\nbaud = 1", 'the quotes are not closed; write port = "/dev/gps"'),
        ('folder = "C:\\logs"', r"a \ within quotes; write / or \\"),
        ("lat = 12,5", "a comma in a number; write lat = 12.5"),
        ("bitrate = 500k", "a unit after a number; write bitrate = 500"),
        ("length = 12.5 km", "a unit after a number; write length = 12.5"),
        ("number = 007", "a zero before a number; write number = 7"),
        ("date = 2026-13-40", "it is no date; write it as 2026-01-15"),
        ("date = 15-01-2026", "it is no date; write it as 2026-01-15"),
        ("a = 1 b = 2", "there is more after the value; give each key its own line; a comment begins with #"),
        ("[gps", f"the ] is missing; write [gps]; {GENERAL}"),
        ("[[can]", f"the ] is missing; write [[can]]; {GENERAL}"),
        ("a = 1\na = 2", "this key is there twice; keep one of them"),
        (
            "[can]\na = 1\n[can]",
            "this table is there twice; move its keys into the first one; several CAN adapters are [[can]] tables",
        ),
        ("a = [1, 2\nb = 3", f"the ] of a list is missing; {GENERAL}"),
        ("<gpx>", f"it cannot be read; {GENERAL}"),
    ],
)
def test_what_people_type(text: str, expected: str) -> None:
    assert message(text) == expected


@pytest.mark.parametrize("text", ["pin = 4711x", "pin = 47 11", 'pin = "4711', "pin: 4711", "pin = 4711,0"])
def test_a_pin_is_never_shown(text: str) -> None:
    assert "47" not in message(text)


@pytest.mark.parametrize("value", ["x" * 10_000, "\x1b[31m", 'a"b', "\u202e"])
def test_a_value_is_shown_only_if_it_is_short_and_plain(value: str) -> None:
    line = message(f"key = {value}")
    assert len(line) < 200
    assert line.isprintable()


@pytest.mark.parametrize("line", ["write port = 1", 'write port = "/dev/gps"'])
def test_what_is_written_instead_can_be_read(line: str) -> None:
    TomlFile(line.removeprefix("write "), "f.toml")
