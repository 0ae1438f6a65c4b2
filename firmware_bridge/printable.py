"""Make text from outside safe to show: on a terminal, in a journal, in a line of an error.

Names, notes and messages come from files, cars and crews. A control or escape character in one could clear a screen,
colour it, forge a line, or turn the reading direction; each becomes a visible mark. One call where such text meets
people; what is stored stays as it was.
"""

from __future__ import annotations

MOST_CHARS = 200
"""Shown of one name or message: more is not read, and a hostile one has megabytes."""


def printable(text: object, most_chars: int = MOST_CHARS) -> str:
    r"""`text` on one line, each character that is not printable as a mark such as \x1b, cut at `most_chars`."""
    shown = str(text)
    is_cut = len(shown) > most_chars
    shown = marked(shown[:most_chars])
    return shown + "…" if is_cut else shown


def marked(text: str) -> str:
    """`text` with a mark for each character that is not printable, line ends and tabs too."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
