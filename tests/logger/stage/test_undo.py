"""Undo: the exact inverse of every command and of automatic changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logger.stage.events import Event
from logger.stage.live_stage import LiveStage
from tests.examples import examples
from tests.logger.stage import truth
from tests.logger.stage.known_drive import DRIVE, MARKS, S, sections
from tests.logger.stage.truth import follow, live_stage, of_kind, one_section, shown


def moment(live: LiveStage, t_us: int) -> dict[str, Any]:
    shot = shown(live, t_us)
    return {key: shot[key] for key in ("section", "next", "splits", "trip", "limit", "countdown", "controls")}


COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("start_section", {}),
    ("start_section", {"index": 0}),
    ("start_section", {"index": 3}),
    ("finish_section", {}),
    ("schedule_start", {"utc": "09:30"}),
    ("adjust_distance", {"metres": 100}),
    ("adjust_distance", {"metres": -2500}),
    ("adjust_distance", {"metres": 10, "trip": 2}),
    ("set_distance", {"km": 0}),
    ("set_distance", {"km": 4.9}),
    ("set_distance", {"km": 1.5, "trip": 1}),
    ("reset_trip", {"trip": 1}),
]


@examples(25)
@given(
    st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=4),
    st.floats(10, 500),
    st.sampled_from([0.0, 0.0, 12.0]),
    st.booleans(),
)
def test_undo_is_the_inverse_of_any_commands(
    commands: list[tuple[str, dict[str, Any]]], until_s: float, drive_on_s: float, hidden: bool
) -> None:
    """Also if the car drives on in between: the result is as without the command."""
    itinerary = (
        one_section(DRIVE.path, MARKS, 14_000, hidden=hidden) if hidden else sections(DRIVE, target_min=3)
    )
    fixes = truth.fixes(DRIVE, 2, noise=False, to_s=until_s + drive_on_s)
    cut = sum(fix.t_us <= until_s * S for fix in fixes)
    commanded, left_alone = live_stage(itinerary), live_stage(itinerary)
    for live in (commanded, left_alone):
        follow(live, fixes[:cut])
    t_us = round(until_s * S)
    done = 0
    for name, arguments in commands:
        try:
            commanded.command(t_us, name, arguments)
            done += 1
        except ValueError:
            continue
    if not drive_on_s:
        for _ in range(done):
            commanded.command(t_us, "undo", {})
        assert moment(commanded, t_us) == moment(left_alone, t_us)
    else:
        for live in (commanded, left_alone):
            follow(live, fixes[cut:])
    assert commanded.odometer.total_m == left_alone.odometer.total_m


def test_after_undoing_an_automatic_change_it_does_not_come_again_at_once() -> None:
    for hidden in (False, True):
        live = live_stage(one_section(DRIVE.path, MARKS, 14_000, hidden=hidden))
        fixes = truth.fixes(DRIVE, 5, noise=False)
        if hidden:
            live.command(0, "start_section", {})
            live.command(0, "set_distance", {"km": 0})
        seen: list[Event] = []
        undone_m = None
        for fix in fixes:
            live.fix(fix)
            events = live.take_events()
            seen += events
            if undone_m is None and of_kind(events, "section", state="finished"):
                live.command(fix.t_us, "undo", {})
                undone_m = live.odometer.total_m
        assert undone_m is not None
        assert live.progress.course is not None
        assert len(of_kind(seen, "section", state="finished")) == 1
        assert live.progress.run.metres(live.odometer.total_m) > 14_000


def test_undoing_a_start_at_the_line_waits_for_another_crossing() -> None:
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    for fix in truth.fixes(DRIVE, 5, noise=False):
        live.fix(fix)
        if of_kind(live.take_events(), "section", state="started"):
            live.command(fix.t_us, "undo", {})
    assert live.progress.run.started_us is None
