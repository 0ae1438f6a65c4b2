"""Encode live documents as lines of JSON, and reuse the text of the long parts that rarely change.

The waypoints of a section and the trace of the last kilometres are nine tenths of a line. The waypoints change with the
section, the trace every 20 m; to encode both for each of ten lines per second took half of the recorder's time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class LineEncoder:
    """Encodes the documents of one live state, one after another."""

    def __init__(self) -> None:
        self._marks, self._trace = _Part(), _Part()

    def line(self, document: Mapping[str, Any]) -> bytes:
        """Return a live document (`document.document` and the recorder's groups) as one line of UTF-8."""
        rest = dict(document)
        trace, section = self._trace.text(rest.pop("trace")), dict(rest.pop("section"))
        marks = self._marks.text(section.pop("marks"))
        text = f'{_encode(rest)[:-1]},"section":{_encode(section)[:-1]},"marks":{marks}}},"trace":{trace}}}\n'
        return text.encode(errors="backslashreplace")  # JSON's escape, for a path that is not UTF-8


class _Part:
    """A part of the documents, and its text."""

    def __init__(self) -> None:
        self._value: Any = None
        self._text = "null"

    def text(self, value: Any) -> str:
        """The value as JSON; encoded only if it differs from the last one."""
        if value != self._value:
            self._value, self._text = value, _encode(value)
        return self._text
