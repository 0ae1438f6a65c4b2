"""Where each key of a TOML text stands.

`tomllib` gives values without places; a crew member who mends a file at night needs the line. This reads the
text a second time, knowing no values, only the shape: headers, keys, and how strings, arrays and inline
tables nest. It may assume that the text is TOML (`tomllib` has read it before), which keeps it this small.
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
    """The line, counted from 1, on which each key, table and array element of a valid TOML text begins."""
    return _Locator(text).found


class _Locator:
    def __init__(self, text: str) -> None:
        self.found: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}  # how many [[...]] headers each array of tables has had
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
            self.found.setdefault(path, line)
        if is_array:
            self._elements[path] = self._elements.get(path, 0) + 1
        if path in self._elements:
            path += (self._elements[path] - 1,)
            self.found.setdefault(path, line)
        return path

    def _pair(self, table: KeyPath) -> None:
        line, path = self._line, table
        for part in self._key():
            path += (part,)
            self.found.setdefault(path, line)
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
                    self.found[(*path, index)] = self._line
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
    """Kind, word and line of every token that is not blank."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "", match.group()
        if kind != "blank":
            yield kind, word, line
        line += word.count("\n")
