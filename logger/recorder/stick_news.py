"""What the copying onto a USB stick says of itself, kept for the crew: state, words, age.

It is a process of its own (logger.stick) and may be killed or pulled out with the stick at any moment, so its
silence is news as well. Pure: time is an argument.

    copying    how far it is        copied   all is on the stick, which is still in use
    done       it may be pulled     partly   it may be pulled, but not all is on it
    failed     why
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATES = ("copying", "copied", "done", "partly", "failed")
WORDS_CHARS = 300
SILENT_US = 60_000_000
"""It speaks every second while it copies; a stick that takes nothing for a minute is as good as gone."""
SHOWN_US = 300_000_000
"""Outcomes are looked at for so long; then the crew's page has other things to show."""


class StickNews:
    """The newest word."""

    def __init__(self) -> None:
        self._state: str | None = None
        self._detail = ""
        self._told_us = 0

    def take(self, t_us: int, said: Mapping[str, Any]) -> bool:
        """A word of the copying process; True when the state is another one. Raises ValueError, one line."""
        state, detail = said.get("state"), said.get("detail")
        if state not in STATES or not isinstance(detail, str) or set(said) != {"state", "detail"}:
            raise ValueError(f"stick: a state ({', '.join(STATES)}) and a detail, and nothing else")
        is_news: bool = state != self._state
        self._state, self._detail, self._told_us = state, detail[:WORDS_CHARS], t_us
        return is_news

    def snapshot(self, t_us: int) -> dict[str, Any]:
        """What the crew is shown; None where there is nothing to show."""
        age_us = t_us - self._told_us
        state, detail = self._state, self._detail
        if state == "copying" and age_us > SILENT_US:
            state, detail = "failed", "it has fallen silent; nothing in the car is lost: plug it in again"
        if state == "copied" and age_us > SILENT_US:  # by hand, or on a stick that takes no end
            detail = f"{detail}; it is still mounted: unmount it before it is pulled"
        if state is None or age_us > SHOWN_US:
            return {"state": None, "detail": None, "age_s": None}
        return {"state": state, "detail": detail, "age_s": round(age_us / 1e6, 3)}
