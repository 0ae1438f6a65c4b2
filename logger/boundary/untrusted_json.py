"""JSON that somebody else wrote: a car's answer, a line of a note, a text inside a log.

    from logger.boundary.untrusted_json import loads
    document = loads(body)          # ValueError is all that it raises

Bounded in size and depth, so that whoever walks through the result meets no RecursionError; finite: NaN, Infinity and
1e999 are refused, as JSON has no such numbers; and writable: half of a surrogate pair, which no file or terminal takes,
is refused or replaced.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

MOST_BYTES: Final = 4 * 1024 * 1024
"""A car's list of nine thousand logs. The worst text of this size takes some 150 MB when it is parsed."""
MOST_DEPTH: Final = 32
"""Of arrays and objects within one another: what we write has five."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""Where a text may have one; json itself joins those that are pairs."""
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


def loads(
    text: str | bytes,
    *,
    most_bytes: int = MOST_BYTES,
    most_depth: int = MOST_DEPTH,
    replace_surrogates: bool = False,
) -> Any:
    """Parse JSON. Raises ValueError for everything that can be wrong with it.

    `replace_surrogates` is for a list of which one bad entry must not cost the others: half a pair becomes "?".
    """
    if len(text) > most_bytes:
        raise ValueError(f"over {most_bytes:,} bytes")
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    elif not text.isascii():
        text = text.encode("utf-8", "replace" if replace_surrogates else "strict").decode("utf-8")
    if text.count("[") + text.count("{") > most_depth:
        _require_shallow(text, most_depth)
    found = json.loads(text, parse_float=_finite, parse_constant=_refuse)
    if not _SURROGATE.search(text):
        return found
    whole = json.dumps(found, ensure_ascii=False).encode(
        "utf-8", "replace" if replace_surrogates else "strict"
    )
    return json.loads(whole)


def _require_shallow(text: str, most_depth: int) -> None:
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
                if depth > most_depth:
                    raise ValueError(f"nested more than {most_depth} deep")
            case "]" | "}":
                depth -= 1


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"a number out of range: {digits[:20]}")
    return number


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number of JSON's")
