"""Parse untrusted JSON, bounded in size and depth: a car's answer, a note, a text in a log.

    from logger.boundary.untrusted_json import loads
    document = loads(body)          # raises only ValueError

Depth is bounded, so that code that walks the result never hits RecursionError. Numbers are finite: NaN, Infinity and
1e999 are refused, as JSON lacks them. Text can be written anywhere: half of a surrogate pair, which no file or
terminal accepts, is refused or replaced.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, Literal, NoReturn

MAX_BYTES: Final = 4 * 1024 * 1024
"""A car's list of nine thousand logs. The worst text of this size takes about 150 MB to parse."""
MAX_DEPTH: Final = 32
"""Nested arrays and objects: our own documents have five levels."""

Surrogates = Literal["refuse", "replace", "keep"]
_ENCODING_ERRORS: dict[Surrogates, str] = {"refuse": "strict", "replace": "replace", "keep": "surrogatepass"}

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes that may be half of a surrogate pair; json itself joins complete pairs."""
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


def loads(
    text: str | bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    surrogates: Surrogates = "refuse",
) -> Any:
    """Parse JSON. Raises ValueError for any fault.

    `surrogates` is what happens to half of a surrogate pair. "replace" makes it "?", for a list in which one bad entry
    must not lose the others. "keep" is for our own notes of file names, which Python decodes to such halves.
    """
    if len(text) > max_bytes:
        raise ValueError(f"over {max_bytes:,} bytes")
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    elif not text.isascii():
        text = text.encode("utf-8", _ENCODING_ERRORS[surrogates]).decode(
            "utf-8", _ENCODING_ERRORS[surrogates]
        )
    if text.count("[") + text.count("{") > max_depth:
        _require_shallow(text, max_depth)
    document = json.loads(text, parse_float=_finite, parse_constant=_refuse)
    if surrogates == "keep" or not _SURROGATE.search(text):
        return document
    whole = json.dumps(document, ensure_ascii=False).encode("utf-8", _ENCODING_ERRORS[surrogates])
    return json.loads(whole)


def _require_shallow(text: str, max_depth: int) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth > max_depth:
                    raise ValueError(f"nested more than {max_depth} deep")
            case "]" | "}":
                depth -= 1


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"a number out of range: {digits[:20]}")
    return number


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
