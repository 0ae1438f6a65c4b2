"""Refuse a TOML text that would cost too much to parse or to read, before parsing it.

Configurations, itineraries and rules may come from strangers. tomllib takes quadratic time for a dotted key, and
accepts any depth of nesting and integers of any length. Real files are far below these limits.
"""

from __future__ import annotations

from typing import Final

from logger.tomlconfig.positions import tokens

MAX_CHARS: Final = 1_000_000
"""The longest itinerary, a day with a thousand waypoints, has about 200,000."""
MAX_PARTS: Final = 16
"""Parts of a dotted key: our deepest key has three."""
MAX_DEPTH: Final = 16
"""Nested arrays and inline tables: our files have two levels."""
MAX_BARE_CHARS: Final = 1000
"""Length of an unquoted word: a key, a number or a date. Python refuses to print integers of over 4,300 digits."""


def excess(text: str) -> tuple[str, int] | None:
    """The first exceeded limit of a TOML text and its line; None if the text may be parsed."""
    if len(text) > MAX_CHARS:
        return f"over {MAX_CHARS:,} characters", 1
    parts = depth = 0
    dotted = False
    for kind, word, line in tokens(text):
        if kind == "mark" and word in "[{":
            depth += 1
        elif kind == "mark" and word in "]}":
            depth = max(0, depth - 1)
        if kind == "mark":
            dotted = word == "."
            parts = parts if dotted else 0
            if depth > MAX_DEPTH:
                return f"nested more than {MAX_DEPTH} deep", line
            continue
        parts = parts + 1 if dotted else 1
        dotted = False
        if parts > MAX_PARTS:
            return f"a key of more than {MAX_PARTS} parts", line
        if kind == "bare" and len(word) > MAX_BARE_CHARS:
            return f"a word of over {MAX_BARE_CHARS} characters without quotes", line
    return None
