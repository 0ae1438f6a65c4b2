"""Findings of the doctor: a verdict, a place, a message and a hint."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["ok", "note", "wrong"]
SUDO = "run the doctor with sudo"
"""The hint where this user lacks permission to read."""


class Finding(NamedTuple):
    """`where` it is, `what` it is, and for a wrong finding how to fix it (`hint`). A note needs no action."""

    verdict: Verdict
    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.verdict.upper():<5}  {self.where}: {self.what}{hint}"


def ok(where: str, what: str) -> Finding:
    """A finding without a problem."""
    return Finding("ok", where, what)


def note(where: str, what: str, hint: str = "") -> Finding:
    """A finding that is worth knowing and needs no action."""
    return Finding("note", where, what, hint)


def wrong(where: str, what: str, hint: str) -> Finding:
    """A problem to fix before the start."""
    return Finding("wrong", where, what, hint)


def first_few(items: list[str], limit: int = 6) -> str:
    """The first items as a list for people, and the number of the others."""
    more = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {more} more" if more > 0 else "")
