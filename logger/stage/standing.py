"""Which recorded section changes and waypoint passages still stand after the crew's `undone` events.

One step is one section change: a finish together with the start at the same moment. Undoing a step takes back its
events and everything of sections and waypoints after it, exactly as live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

SECTION_STEPS = ("start of ", "finish of ")
"""Prefixes by which an `undone` event names a section change."""


class _Event(Protocol):
    @property
    def at_us(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def detail(self) -> Mapping[str, Any]: ...


_E = TypeVar("_E", bound=_Event)


def standing(events: Iterable[_E]) -> list[_E]:
    """The `section` and `waypoint` events that were not undone, in order."""
    kept: list[_E] = []
    steps: list[int] = []  # where each step begins in `kept`
    last: _E | None = None
    for event in events:
        if event.kind == "section":
            finished_here = last is not None and _state(last) == "finished" and last.at_us == event.at_us
            if not (_state(event) == "started" and finished_here):
                steps.append(len(kept))
            last = event
        if event.kind in ("section", "waypoint"):
            kept.append(event)
        elif event.kind == "undone" and steps and str(event.detail.get("what")).startswith(SECTION_STEPS):
            del kept[steps.pop() :]
    return kept


def _state(event: _Event) -> object:
    return event.detail.get("state")
