"""Escape control characters in untrusted text for terminals, journals and errors.

Names, notes and messages come from files, cars and crews. A control or escape character in them could clear or colour
a screen, forge a line, or reverse the reading direction; each becomes a visible escape. Call this where text is
displayed; stored text stays unchanged.
"""

from __future__ import annotations

MAX_CHARS = 200
"""Characters shown of one name or message: nobody reads more, and a hostile one has megabytes."""
_SPACES = frozenset(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
"""Unicode's other spaces (category Zs) are shown as a space: French writes one before a colon."""


def printable(text: object, max_chars: int = MAX_CHARS) -> str:
    r"""Return `text` on one line, unprintable characters as escapes such as \x1b, cut at `max_chars`."""
    shown = str(text)
    is_cut = len(shown) > max_chars
    shown = marked(shown[:max_chars])
    return shown + "…" if is_cut else shown


def marked(text: str) -> str:
    """Return `text` with unprintable characters, including line ends and tabs, as escapes."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in _SPACES else character.encode("unicode_escape", "replace").decode()
