"""The state of a port, as the recorder shows it."""

from __future__ import annotations

from typing import NamedTuple


class LinkState(NamedTuple):
    """The state since `since_t_us` of the session, with counts of good and bad pieces since the start."""

    state: str
    detail: str
    since_t_us: int
    good: int
    bad: int
    foreign_bytes: int
    warning: str = ""
