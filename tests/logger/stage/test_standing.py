"""Section changes and waypoints that still stand after undone steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from logger.stage.standing import standing


class Event(NamedTuple):
    at_us: int
    kind: str
    detail: dict[str, Any]


def section(at_us: int, state: str) -> Event:
    return Event(at_us, "section", {"state": state})


def undone(what: str = "finish of SS1") -> Event:
    return Event(99, "undone", {"what": what})


START, FINISH, NEXT = section(1, "started"), section(5, "finished"), section(5, "started")
CP = Event(3, "waypoint", {"name": "CP1"})
LATER = Event(7, "waypoint", {"name": "CP2"})


def test_a_finish_and_the_start_at_the_same_moment_are_one_step() -> None:
    assert standing([START, CP, FINISH, NEXT, LATER, undone()]) == [START, CP]
    assert standing([START, CP, FINISH, NEXT, LATER, undone(), undone("start of SS1")]) == []


def test_a_finish_and_a_later_start_are_two_steps() -> None:
    later = section(6, "started")
    assert standing([START, FINISH, later, LATER, undone("start of SS2")]) == [START, FINISH]


def test_only_section_changes_are_steps() -> None:
    assert standing([START, CP, undone("distance set to 3 km"), undone("start of SS1"), undone()]) == []
    assert standing([undone(), START, Event(2, "mark", {}), CP]) == [START, CP]


def test_a_section_after_an_undone_one() -> None:
    again = section(8, "finished")
    assert standing([START, CP, FINISH, undone(), again, LATER]) == [START, CP, again, LATER]
