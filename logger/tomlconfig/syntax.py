"""Describe a line that is not TOML: what is wrong with it, and the line to write instead.

tomllib's own messages are for people who know its grammar. The mistakes that people make are few: no quotes, a colon,
an open bracket, a comma in a number, quotes from a word processor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

GENERAL_HINT: Final = 'a line is key = value, [table] or [[table]]; text is in "quotes"'
_MAX_VALUE_CHARS = 40
"""Of the value in a hint: a path, not a paragraph."""
_MAX_LINE_CHARS = 1000
"""Of a line that is searched for a key without its sign: the search is quadratic in blanks."""
_SECRET = re.compile(r"(.*_)?(pin|passw).*", re.IGNORECASE)
"""Keys, also misspelt ones, whose value never appears in a message."""
_PAIR = re.compile(r"\s*(?P<key>[A-Za-z0-9_.-]+)\s*(?P<sign>[=:])\s*(?P<value>[^#]*?)\s*(#.*)?")
_NO_SIGN = re.compile(r"\s*(?P<key>[A-Za-z_]\w*)\s+(?P<value>[^=:#]*?)\s*(#.*)?", re.ASCII)
_SPACED = re.compile(r"\s*(?P<key>[A-Za-z]\w*(?: +\w+)+)\s*[=:].*", re.ASCII)
_HEADER = re.compile(r"\s*(?P<open>\[{1,2})\s*(?P<name>[A-Za-z0-9_.-]+)\s*\]?\s*(#.*)?")
_TYPOGRAPHIC = re.compile("[\u2018-\u201f\u00ab\u00bb]")
_BOOLEANS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?|true|false")
"""A value that is right: the mistake is elsewhere."""
_DATE = re.compile(r"\d+-\d+-\d+.*")
_NUMBERS: Final = {
    "a comma in a number": re.compile(r"([+-]?\d+) ?,(\d+)"),
    "a zero before a number": re.compile(r"0+(\d+)"),
    "a sign after a number": re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:[;,]|//).*"),
    "a unit after a number": re.compile(r"([+-]?\d+(?:\.\d+)?)\s*[^\W\d_][^\W\d_/%]*"),
}
"""The wrong forms of a number; their groups are the parts of the right one."""
_OTHER_COMMENTS = ("//", "/*", ";", "--", "%", "REM ")
_TWICE = "is there twice"
_WORDS: Final = {
    "Cannot declare": f"this table {_TWICE}",
    "Cannot mutate": f"this table {_TWICE}",
    "Cannot redefine": f"this table {_TWICE}",
    "Cannot overwrite": f"this key {_TWICE}",
    "Duplicate": f"a key of this table {_TWICE}",
    "Unclosed array": "the ] of a list is missing",
    "Unclosed inline table": "the } of a table is missing",
    "Unterminated string": "the quotes are not closed",
    'Expected \'"""\'': "the quotes are not closed",
    "Illegal character '\\n'": "the quotes are not closed",
    "Unescaped": r"a \ within quotes",
    "Invalid hex": r"a \ within quotes",
    "Escaped character": r"a \ within quotes",
    "Illegal character": "it has a control character",
    "Found invalid character": "it has a character that is not allowed there",
    "Expected newline": "there is more after the value",
    "Invalid value": "the value is neither a number nor text in quotes",
    "Expected '='": "the = is missing",
}
"""Our words for the beginnings of tomllib's messages."""
_HINTS: Final = {
    f"this table {_TWICE}": "move its keys into the first one; several CAN adapters are [[can]] tables",
    f"this key {_TWICE}": "keep one of them",
    f"a key of this table {_TWICE}": "keep one of them",
    r"a \ within quotes": r"write / or \\",
    "there is more after the value": "give each key its own line; a comment begins with #",
}


def explained(message: str, line: str) -> tuple[str, str]:
    """What is wrong with a line and how to fix it, from tomllib's message without its position."""
    if (pair := _PAIR.fullmatch(line)) is not None and _DATE.fullmatch(pair["value"]):
        return "it is no date", "write it as 2026-01-15"
    if line.lstrip().startswith(_OTHER_COMMENTS):
        return "a comment of another language", "begin the line with #"
    what = next((words for begin, words in _WORDS.items() if message.startswith(begin)), "it cannot be read")
    if found := _in_pair(line, what) or _in_header(line) or _in_key(line, what):
        return found
    return what, _HINTS.get(what, GENERAL_HINT)


def _in_header(line: str) -> tuple[str, str] | None:
    """The words for `[gps`."""
    header = _HEADER.fullmatch(line)
    if header is None or line.count("]") == len(header["open"]):
        return None
    name = f"{header['open']}{header['name']}{']' * len(header['open'])}"
    return "the ] is missing", f"write {name}; {GENERAL_HINT}"


def _in_key(line: str, what: str) -> tuple[str, str] | None:
    """The words for `number 501` and `wifi name = "car"`."""
    if what != "the = is missing" or len(line) > _MAX_LINE_CHARS:
        return None
    if (spaced := _SPACED.fullmatch(line)) is not None:
        return "a space in the name of a key", f"write {'_'.join(spaced['key'].split())} = ..."
    if (pair := _NO_SIGN.fullmatch(line)) is not None and pair["value"].isprintable():
        return what, f"write {pair['key']} = {_corrected(pair['key'], pair['value'])}"
    return None


def unclosed(lines: Sequence[str]) -> int | None:
    """The number, from 1, of the first line whose quotes are not closed; None if there is none."""
    pairs = ((number, _PAIR.fullmatch(line)) for number, line in enumerate(lines, 1))
    return next((number for number, pair in pairs if pair and _is_unclosed(pair["value"])), None)


def _is_unclosed(value: str) -> bool:
    return value[:1] in ("'", '"') and value.count(value[0]) == 1


def _in_pair(line: str, what: str) -> tuple[str, str] | None:
    """The words for a line of a key and a value."""
    pair = _PAIR.fullmatch(line)
    if pair is None or "twice" in what:
        return None
    key = pair["key"]
    fault = next(_faults(pair["sign"], key, pair["value"].lstrip("= ")), None)
    if fault is None:
        return None
    what, value = fault
    return what, f"write {key} = {value}" if value else f"write it after {key} ="


def _faults(sign: str, key: str, value: str) -> Iterator[tuple[str, str]]:
    """The mistakes in a value, the likeliest first, each with the value to write."""
    if not value:
        yield "the value is missing", ""
    if not value or not value.isprintable() or (sign == "=" and _WHOLE.fullmatch(value)):
        return
    if _TYPOGRAPHIC.search(value):
        yield "the quotes are those of a word processor", _quoted(key, value)
    if sign == ":":
        yield "a : instead of =", _corrected(key, value)
    if _is_unclosed(value):
        yield "the quotes are not closed", _quoted(key, value)
    if value[0] in "\"'[{" or "=" in value:
        return
    for what, pattern in _NUMBERS.items():
        if not _SECRET.fullmatch(key) and (number := pattern.fullmatch(value)) is not None:
            yield what, ".".join(number.groups())
    yield "text without quotes", _corrected(key, value)


def _corrected(key: str, value: str) -> str:
    """A value as TOML: numbers and lists as they are, a truth value as TOML has it, anything else in quotes."""
    if re.fullmatch(r"[+-]?\d+(\.\d+)?|[\"'\[{].*", value) and not _SECRET.fullmatch(key):
        return value
    return _BOOLEANS.get(value.lower()) or _quoted(key, value)


def _quoted(key: str, value: str) -> str:
    bare = _TYPOGRAPHIC.sub("", value).strip("\"' ")
    is_shown = not _SECRET.fullmatch(key) and len(bare) <= _MAX_VALUE_CHARS and not set(bare) & set('"\\')
    return f'"{bare}"' if is_shown else '"..."'
