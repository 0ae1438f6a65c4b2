"""Find the line of each key in a TOML text.

`tomllib` returns values without positions; the crew needs the line of a mistake. This module parses the text a second
time, without values, only for its structure: headers, keys, and how strings, arrays and inline tables nest. It
assumes valid TOML (`tomllib` has parsed it before), which keeps it small.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

KeyPath = tuple[str | int, ...]
"""A key path: ("can", 0, "port") is the key `port` of the first `[[can]]`."""

_TOKEN = re.compile(
    r"""
    (?P<blank>  [ \t\r]+ | \#[^\n]*)
  | (?P<string> \"{3} (?:\\.|[^\\])*? \"{3,5} (?!\") | '{3} .*? '{3,5} (?!')
              | " (?:\\.|[^"\\])* " | ' [^']* ')
  | (?P<bare>   [A-Za-z0-9_+:-]+)
  | (?P<mark>   [\n\[\]{}=,.])
    """,
    re.VERBOSE | re.DOTALL,
)


def lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of each key, table and array element of a valid TOML text."""
    return _Locator(text).lines


class _Locator:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}  # the number of [[...]] headers per array of tables so far
        self._tokens = tokens(text)
        self._next()
        self._document()

    def _next(self) -> None:
        self._kind, self._word, self._line = next(self._tokens, ("end", "", 0))

    def _take(self, mark: str) -> bool:
        if self._kind == "mark" and self._word == mark:
            self._next()
            return True
        return False

    def _document(self) -> None:
        table: KeyPath = ()
        while self._kind != "end":
            line = self._line
            if self._take("\n"):
                continue
            if self._take("["):
                is_array = self._take("[")
                table = self._header(self._key(), is_array, line)
                self._take("]")
                self._take("]")
            else:
                self._pair(table)

    def _header(self, key: list[str], is_array: bool, line: int) -> KeyPath:
        path: KeyPath = ()
        for part in key:
            if path in self._elements:
                path += (self._elements[path] - 1,)
            path += (part,)
            self.lines.setdefault(path, line)
        if is_array:
            self._elements[path] = self._elements.get(path, 0) + 1
        if path in self._elements:
            path += (self._elements[path] - 1,)
            self.lines.setdefault(path, line)
        return path

    def _pair(self, table: KeyPath) -> None:
        line, path = self._line, table
        for part in self._key():
            path += (part,)
            self.lines.setdefault(path, line)
        self._take("=")
        self._value(path)

    def _key(self) -> list[str]:
        parts = []
        while True:
            quoted = self._kind == "string"
            parts.append(tomllib.loads(f"key = {self._word}")["key"] if quoted else self._word)
            self._next()
            if not self._take("."):
                return parts

    def _value(self, path: KeyPath) -> None:
        if self._take("["):
            index = 0
            while not self._take("]"):
                if not (self._take("\n") or self._take(",")):
                    self.lines[(*path, index)] = self._line
                    self._value((*path, index))
                    index += 1
        elif self._take("{"):
            while not self._take("}"):
                if not (self._take("\n") or self._take(",")):
                    self._pair(path)
        else:
            while self._kind != "end" and not (self._kind == "mark" and self._word in "\n,]}"):
                self._next()


def tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of every token that is not blank."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "", match.group()
        if kind != "blank":
            yield kind, word, line
        line += word.count("\n")
