"""Names for file formats that hold ASCII only: without accents, without control characters, each one unique."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def ascii_text(text: str, max_chars: int) -> str:
    """Text in printable ASCII on one line, at most so long: e for é, ? for what has no such letter."""
    plain = unicodedata.normalize("NFKD", text[: 4 * max_chars])
    letters = (letter for letter in plain if not unicodedata.combining(letter))
    shown = "".join(letter if letter.isspace() or "!" <= letter <= "~" else "?" for letter in letters)
    return " ".join(shown.split())[:max_chars].rstrip()


def unique(names: Iterable[str], taken: Iterable[str] = (), max_chars: int = 64) -> list[str]:
    """The names in order, those that repeat an earlier or taken one (in any case) numbered: rpm, rpm_2."""
    used = {name.lower() for name in taken}
    numbers: dict[str, int] = {}
    result = []
    for given in names:
        name = chosen = given or "channel"
        while chosen.lower() in used:
            number = numbers[name.lower()] = numbers.get(name.lower(), 1) + 1
            tail = f"_{number}"
            chosen = name[: max_chars - len(tail)] + tail
        used.add(chosen.lower())
        result.append(chosen)
    return result
