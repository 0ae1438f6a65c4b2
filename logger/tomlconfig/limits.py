"""Refuse TOML that would cost the parser or its reader too much, before it is parsed.

Configurations, itineraries and rules may come from anybody. tomllib takes quadratic time for a dotted key, any depth of
nesting and integers of any length. What people and programs write is far below these limits.
"""

from __future__ import annotations

from typing import Final

from logger.tomlconfig.positions import tokens

MOST_CHARS: Final = 1_000_000
"""The longest itinerary, a day with a thousand waypoints, has some 200,000."""
MOST_PARTS: Final = 16
"""Of a dotted key: the deepest that any file of ours has is three."""
MOST_DEPTH: Final = 16
"""Of arrays and inline tables within one another: ours have two."""
MOST_BARE_CHARS: Final = 1000
"""Of a word without quotes: a key, a number or a date. Python refuses to print integers of over 4,300 digits."""


def excess(text: str) -> tuple[str, int] | None:
    """What is too much in a TOML text, and on which line; None for a text that may be parsed."""
    if len(text) > MOST_CHARS:
        return f"over {MOST_CHARS:,} characters", 1
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
            if depth > MOST_DEPTH:
                return f"nested more than {MOST_DEPTH} deep", line
            continue
        parts = parts + 1 if dotted else 1
        dotted = False
        if parts > MOST_PARTS:
            return f"a key of more than {MOST_PARTS} parts", line
        if kind == "bare" and len(word) > MOST_BARE_CHARS:
            return f"a word of over {MOST_BARE_CHARS} characters without quotes", line
    return None
