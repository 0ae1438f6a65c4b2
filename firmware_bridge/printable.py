"""Make text from outside safe to show: on a terminal, in a journal, in a line of an error.

Names, notes and messages come from files, cars and crews. A control or escape character in one could clear a screen,
colour it, forge a line, or turn the reading direction; each becomes a visible mark. One call where such text meets
people; what is stored stays as it was.
"""

from __future__ import annotations

MOST_CHARS = 200
"""Shown of one name or message: more is not read, and a hostile one has megabytes."""
_SPACES = frozenset(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
"""Unicode's other spaces (category Zs) are shown as a space: French writes one before a colon."""


def printable(text: object, most_chars: int = MOST_CHARS) -> str:
    r"""`text` on one line, each character that is not printable as a mark such as \x1b, cut at `most_chars`."""
    shown = str(text)
    is_cut = len(shown) > most_chars
    shown = marked(shown[:most_chars])
    return shown + "…" if is_cut else shown


def marked(text: str) -> str:
    """`text` with a mark for each character that is not printable, line ends and tabs too."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in _SPACES else character.encode("unicode_escape", "replace").decode()
