"""One thing that the doctor has to say."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["ok", "note", "wrong"]
SUDO = "call the doctor with sudo"
"""The mend where this user may not look."""


class Finding(NamedTuple):
    """`where` it is, `what` it is, and for what is wrong the `mend`. A note is worth knowing and needs nothing done."""

    verdict: Verdict
    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.verdict.upper():<5}  {self.where}: {self.what}{hint}"


def ok(where: str, what: str) -> Finding:
    """All is well there."""
    return Finding("ok", where, what)


def note(where: str, what: str, hint: str = "") -> Finding:
    """Worth knowing."""
    return Finding("note", where, what, hint)


def wrong(where: str, what: str, hint: str) -> Finding:
    """To be mended before the start."""
    return Finding("wrong", where, what, hint)


def some(words: list[str], most: int = 6) -> str:
    """A list for people: the first few, and how many more."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
