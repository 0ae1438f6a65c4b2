"""Sections and waypoints against drives whose every instant is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.records import Fix
from firmware_bridge.virtual.drive import Drive, Path
from logger.stage.events import Event
from logger.stage.itinerary import Itinerary, Section, Stage, Waypoint
from logger.stage.live_stage import LiveStage
from tests.examples import examples
from tests.logger.stage import truth
from tests.logger.stage.truth import follow, live_stage, of_kind, one_section, shown

S = 1_000_000
BEGINS_M = 200.0
MARKS: list[tuple[Any, ...]] = [
    (0, "dss"),
    (2500, "wpm"),
    (4000, "cp", {"name": "CP1"}),
    (6100, "wpp"),
    (8000, "cp", {"name": "CP2"}),
    (11_000, "wpv"),
    (14_000, "ass"),
]
DRIVE = truth.rally(15_500, seed=3)


def instant(drive: Drive, section_m: float) -> float:
    return drive.time_at(BEGINS_M + section_m)


def splits(live: LiveStage, t_us: int = 10**10) -> dict[str, float]:
    return {split["name"]: split["elapsed_s"] for split in shown(live, t_us)["splits"]}


def utc_s(event: Event) -> float:
    seconds: float = (event.detail["utc_us"] - truth.START_UTC_US) / 1e6
    return seconds


@pytest.mark.parametrize("hz", [1, 2, 5, 10, 20])
@pytest.mark.parametrize("reset", [True, False])
def test_splits_are_those_of_the_truth_at_any_rate(hz: float, reset: bool) -> None:
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000), reset_at_marks=reset)
    events = follow(live, truth.fixes(DRIVE, hz, noise=False))
    began = instant(DRIVE, 0)
    for name, metres in (("CP1", 4000), ("CP2", 8000), ("ASS", 14_000)):
        assert splits(live)[name] == pytest.approx(instant(DRIVE, metres) - began, abs=0.1)
    assert [e.detail["km"] for e in of_kind(events, "waypoint", state="validated")] == [
        m[0] / 1000 for m in MARKS
    ]
    (finish,) = of_kind(events, "section", state="finished")
    assert finish.detail["elapsed_s"] == pytest.approx(instant(DRIVE, 14_000) - began, abs=0.1)
    assert finish.detail["cause"] == "crossing"
    assert shown(live, 10**10)["section"]["index"] is None


@pytest.mark.parametrize("hz", [1, 10])
def test_noise_moves_a_split_by_no_more_than_its_wander(hz: float) -> None:
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    follow(live, truth.fixes(DRIVE, hz))
    slowest_mps = 40 / 3.6
    for name, metres in (("CP1", 4000), ("CP2", 8000), ("ASS", 14_000)):
        truth_s = instant(DRIVE, metres) - instant(DRIVE, 0)
        assert splits(live)[name] == pytest.approx(truth_s, abs=2 * 4.5 / slowest_mps)


@pytest.mark.parametrize("radius_m", [20, 30, 90])
def test_no_pass_is_missed_at_170_kmh_and_one_fix_a_second(radius_m: float) -> None:
    drive = truth.planned(truth.road(40_000), [(20, 0.0), (12, 170.0), (800, 170.0)])
    marks = [
        (0, "dss"),
        *((1000 + 333.3 * i, "wpp", {"clear_m": radius_m}) for i in range(80)),
        (30_000, "ass"),
    ]
    live = live_stage(one_section(drive.path, marks, 30_000))
    events = follow(live, truth.fixes(drive, 1, noise=False))
    assert of_kind(events, "waypoint", state="missed") == []
    assert len(of_kind(events, "waypoint", state="validated")) == 82


def test_the_start_is_the_last_instant_of_standing_at_the_line() -> None:
    path = truth.road(5000)
    drive = truth.planned(path, [(10, 60.0), (2, 60.0), (4, 0.0), (90, 0.0), (6, 90.0), (100, 90.0)])
    stands_m = drive.at(50).distance_m
    for beyond_m in (-2.0, 0.0, 4.0):
        itinerary = one_section(path, [(0, "dss"), (2000, "ass")], 2000, begins_m=stands_m - beyond_m)
        for hz in (1, 10):
            live = live_stage(itinerary)
            events = follow(live, truth.fixes(drive, hz, noise=False))
            (start,) = of_kind(events, "section", state="started")
            assert utc_s(start) == pytest.approx(106.0, abs=1 / hz + 0.01), beyond_m


def test_waiting_before_the_line_the_start_is_crossing_it() -> None:
    path = truth.road(5000)
    drive = truth.planned(path, [(10, 60.0), (2, 60.0), (4, 0.0), (90, 0.0), (6, 90.0), (100, 90.0)])
    line_m = drive.at(50).distance_m + 15
    live = live_stage(one_section(path, [(0, "dss"), (2000, "ass")], 2000, begins_m=line_m))
    (start,) = of_kind(follow(live, truth.fixes(drive, 10)), "section", state="started")
    assert utc_s(start) == pytest.approx(drive.time_at(line_m), abs=0.7)


def test_a_stop_at_a_checkpoint_counts_as_arriving_there() -> None:
    path = truth.road(8000)
    drive = truth.planned(
        path, [(10, 0.0), (5, 72.0), (100, 72.0), (4, 0.0), (300, 0.0), (5, 72.0), (100, 72.0)]
    )
    stop_m = drive.at(200).distance_m
    itinerary = one_section(
        path, [(0, "dss"), (stop_m - BEGINS_M, "cp"), (stop_m + 500, "ass")], stop_m + 500
    )
    live = live_stage(itinerary)
    follow(live, truth.fixes(drive, 10, noise=False, to_s=150))
    assert splits(live) == {"CP": pytest.approx(119.0 - drive.time_at(BEGINS_M), abs=0.2)}


def test_missed_waypoints_are_told_when_a_later_one_passes() -> None:
    itinerary = one_section(DRIVE.path, MARKS, 14_000)
    (timed,) = itinerary.sections
    far = [  # a car that leaves the road around the wpp at km 6.1
        Waypoint(w.km, w.kind, w.name, (w.lat or 0) + 0.005, w.lon, clear_m=20) if w.kind == "wpp" else w
        for w in timed.waypoints
    ]
    live = live_stage(Itinerary(Stage("x"), (Section("selective", 14, "SS", waypoints=tuple(far)),)))
    events = follow(live, truth.fixes(DRIVE, 5, noise=False))
    assert [e.detail["kind"] for e in of_kind(events, "waypoint", state="missed")] == ["wpp"]
    assert len(of_kind(events, "waypoint", state="validated")) == 6


def test_opening_follows_the_kind() -> None:
    live = live_stage(
        one_section(
            DRIVE.path, [(0, "dss"), (4000, "wpm"), (5000, "wpe"), (9000, "wpc"), (14_000, "ass")], 14_000
        )
    )
    opened: dict[str, float] = {}
    for fix in truth.fixes(DRIVE, 5, noise=False):
        live.fix(fix)
        for event in of_kind(live.take_events(), "waypoint", state="open"):
            opened[event.detail["kind"]] = live.progress.run.metres(live.odometer.total_m)
    assert opened["wpm"] == pytest.approx(3200, abs=250)  # 800 m straight on a winding road
    assert opened["wpe"] == pytest.approx(4020, abs=30)  # once the one before it is validated
    assert set(opened) == {"wpm", "wpe"}


def test_the_road_that_comes_back_passes_each_mark_once_and_in_order() -> None:
    out = truth.road(6000)
    there_and_back = Path(
        np.concatenate([out.lat, out.lat[-2::-1]]),
        np.concatenate([out.lon, out.lon[-2::-1]]),
        np.zeros(2 * len(out.lat) - 1),
        np.concatenate([out.distance_m, 2 * out.distance_m[-1] - out.distance_m[-2::-1]]),
    )
    turn_m = float(out.distance_m[-1])
    drive = truth.planned(there_and_back, [(20, 0.0), (6, 80.0), (520, 80.0), (10, 0.0)])
    marks: list[tuple[Any, ...]] = [
        (0, "dss"),
        (3000, "cp", {"name": "A"}),
        (4500, "wpm"),
        (turn_m - 200, "wpv"),
        (2 * turn_m - 400 - 4500, "wpm"),
        (2 * turn_m - 400 - 3000, "cp", {"name": "B"}),
        (11_000, "ass"),
    ]
    live = live_stage(one_section(there_and_back, marks, 11_000))
    events = follow(live, truth.fixes(drive, 5, noise=False))
    assert of_kind(events, "waypoint", state="missed") == []
    for name, metres in (("A", 3000), ("B", 2 * turn_m - 400 - 3000)):
        assert splits(live)[name] == pytest.approx(instant(drive, metres) - instant(drive, 0), abs=0.1)


def test_kilometres_alone_are_enough() -> None:
    itinerary = one_section(DRIVE.path, MARKS, 14_000, hidden=True)
    live = live_stage(itinerary)
    fixes = truth.fixes(DRIVE, 10, noise=False)
    began_s = round(instant(DRIVE, 0), 1)
    first = round(began_s * 10) + 1
    follow(live, fixes[:first])
    live.command(round((began_s + 0.08) * S), "start_section", {})
    events = follow(live, fixes[first:])
    for name, metres in (("CP1", 4000), ("CP2", 8000), ("ASS", 14_000)):
        assert splits(live)[name] == pytest.approx(instant(DRIVE, metres) - began_s, abs=0.6)
    assert len(of_kind(events, "waypoint", state="validated")) == 6
    (finish,) = of_kind(events, "section", state="finished")
    assert finish.detail["cause"] == "distance"


def test_the_distance_is_reset_to_the_roadbook_at_each_mark() -> None:
    marks = [(m, kind, *rest) for m, kind, *rest in MARKS]
    itinerary = one_section(DRIVE.path, marks, 14_000)
    (timed,) = itinerary.sections
    wrong = tuple(
        Waypoint(w.km * 1.01, w.kind, w.name, w.lat, w.lon) for w in timed.waypoints
    )  # the book measures 1 % more
    itinerary = Itinerary(Stage("x"), (Section("selective", 14.14, "SS", waypoints=wrong),))
    for reset, expected_m in ((True, 8080 + 500), (False, 8500)):
        live = live_stage(itinerary, reset_at_marks=reset)
        to_s = instant(DRIVE, 8500)
        follow(live, truth.fixes(DRIVE, 10, noise=False, to_s=to_s))
        assert shown(live, 10**9)["section"]["distance_km"] * 1000 == pytest.approx(expected_m, abs=6)


@pytest.mark.parametrize("lost", [(-30.0, 30.0), (-5.0, 5.0), (-150.0, 120.0)])
@pytest.mark.parametrize("with_wheel", [True, False])
def test_a_checkpoint_passed_while_gps_is_lost(lost: tuple[float, float], with_wheel: bool) -> None:
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    at_s = instant(DRIVE, 8000)
    readings = list(truth.wheel(DRIVE)) if with_wheel else []
    events = follow(
        live, truth.fixes(DRIVE, 5, noise=False, lost=[(at_s + lost[0], at_s + lost[1])]), readings
    )
    passed = of_kind(events, "waypoint", name="CP2", state="validated")
    assert [e.detail["estimated"] for e in passed] == [True]
    if with_wheel:
        assert splits(live)["CP2"] == pytest.approx(at_s - instant(DRIVE, 0), abs=max(1.5, 0.01 * -lost[0]))
    assert splits(live)["ASS"] == pytest.approx(instant(DRIVE, 14_000) - instant(DRIVE, 0), abs=0.1)


def neutralised(time_s: float | None) -> tuple[Drive, Itinerary]:
    path = truth.road(20_000)
    drive = truth.planned(
        path, [(20, 0.0), (6, 90.0), (200, 90.0), (6, 0.0), (300, 0.0), (6, 90.0), (200, 90.0), (5, 0.0)]
    )
    stop_m = drive.at(300).distance_m
    time = {} if time_s is None else {"time_s": time_s}
    marks = [(0, "dss"), (stop_m - 600, "dn", time), (stop_m - BEGINS_M + 10, "fn"), (9000, "ass")]
    return drive, one_section(path, marks, 9000)


@pytest.mark.parametrize("time_s", [None, 300.0, 200.0, 400.0])
def test_a_neutralisation_takes_its_time_to_the_exact_second(time_s: float | None) -> None:
    drive, itinerary = neutralised(time_s)
    live = live_stage(itinerary)
    follow(live, truth.fixes(drive, 10, noise=False))
    (timed,) = itinerary.sections
    dn_s, fn_s = (instant(drive, w.km * 1000) for w in timed.waypoints[1:3])
    taken_s = fn_s - dn_s if time_s is None else time_s
    assert splits(live)["ASS"] == pytest.approx(instant(drive, 9000) - instant(drive, 0) - taken_s, abs=0.05)


@pytest.mark.parametrize(("opens", "closes", "counts"), [("dn", "fn", True), ("dt", "ft", False)])
def test_the_road_of_a_neutralisation_counts_and_that_of_a_transfer_does_not(
    opens: str, closes: str, counts: bool
) -> None:
    drive = truth.planned(truth.road(20_000), [(20, 0.0), (6, 90.0), (400, 90.0), (5, 0.0)])
    live = live_stage(
        one_section(drive.path, [(0, "dss"), (3000, opens), (5000, closes), (9000, "ass")], 9000)
    )
    follow(live, truth.fixes(drive, 10, noise=False))
    (split,) = live.progress.run.earlier_splits
    driven_m = 9000 if counts else 7000
    assert split.average_mps == pytest.approx(driven_m * 1e6 / split.elapsed_us, rel=1e-3)
    assert split.elapsed_us / S == pytest.approx(7000 / 25, abs=5)


def test_the_countdown_of_a_neutralisation() -> None:
    drive, itinerary = neutralised(300.0)
    live = live_stage(itinerary)
    follow(live, truth.fixes(drive, 10, noise=False, to_s=300.0))
    dn_s = instant(drive, (itinerary.sections[0].waypoints[1].km) * 1000)
    countdown = shown(live, 300 * S)["countdown"]
    assert countdown["kind"] == "neutralisation"
    assert countdown["remaining_s"] == pytest.approx(dn_s + 300 - 300, abs=0.15)
    before = shown(live, 300 * S)["section"]["elapsed_s"]
    live.tick(310 * S)
    assert shown(live, 310 * S)["section"]["elapsed_s"] == before


def sections(drive: Drive, *, target_min: float | None = None) -> Itinerary:
    """Liaison, timed section, neutralisation, timed section: without coordinates but for the first start."""
    return Itinerary(
        Stage("Day"),
        (
            Section("liaison", 0.2, "L1"),
            Section("selective", 5.0, "A", waypoints=(truth.waypoint(drive.path, 200, "dss", from_m=200),)),
            Section("neutralisation", 1.0, "N", target_min=target_min),
            Section("selective", 5.0, "B"),
        ),
    )


def test_a_day_of_several_sections() -> None:
    live = live_stage(sections(DRIVE, target_min=3))
    events = follow(live, truth.fixes(DRIVE, 10, noise=False))
    changes = [(e.detail["name"], e.detail["state"], e.detail["cause"]) for e in of_kind(events, "section")]
    assert changes == [
        ("L1", "started", "moving"),
        ("L1", "finished", "distance"),
        ("A", "started", "crossing"),
        ("A", "finished", "distance"),
        ("N", "started", "distance"),
        ("N", "finished", "distance"),
        ("B", "started", "schedule"),
        ("B", "finished", "distance"),
    ]
    (a_ends,) = of_kind(events, "section", name="A", state="finished")
    (b_starts,) = of_kind(events, "section", name="B", state="started")
    assert utc_s(b_starts) - utc_s(a_ends) == pytest.approx(180, abs=1e-5)


@pytest.mark.parametrize("tick_s", [0.1, 0.37, 5.0])
@pytest.mark.parametrize("how", ["crew", "plan"])
def test_a_scheduled_start_is_exact_whenever_the_tick_comes(tick_s: float, how: str) -> None:
    due = datetime(2026, 1, 15, 8, 5, 0, tzinfo=UTC)  # five minutes in
    plain = Section("selective", 50.0, "A", start_utc=due if how == "plan" else None)
    live = live_stage(Itinerary(Stage("x"), (plain,)))
    fixes = truth.fixes(DRIVE, 5, noise=False)
    events = follow(live, fixes[:100], tick_s=tick_s)
    if how == "crew":
        live.command(21 * S, "schedule_start", {"utc": "08:05"})
    countdown = shown(live, 21 * S)["countdown"]
    assert (countdown["kind"], countdown["utc"]) == ("start", "2026-01-15T08:05:00.000Z")
    events = follow(live, fixes[100:3000], tick_s=tick_s)
    (start,) = of_kind(events, "section", state="started")
    assert utc_s(start) == 300.0
    driven_m = DRIVE.at(2999 / 5).distance_m - DRIVE.at(300).distance_m
    assert live.progress.run.metres(live.odometer.total_m) == pytest.approx(driven_m, abs=3)


def test_a_start_given_too_late_gets_its_true_time_and_kilometre() -> None:
    live = live_stage(Itinerary(Stage("x"), (Section("selective", 50.0, "A"),)))
    follow(live, truth.fixes(DRIVE, 5, noise=False, to_s=400))
    live.command(400 * S, "schedule_start", {"utc": "08:03:20"})
    live.tick(401 * S)
    section = shown(live, 401 * S)["section"]
    assert section["elapsed_s"] == pytest.approx(201, abs=0.2)
    assert section["distance_km"] * 1000 == pytest.approx(
        DRIVE.at(399.8).distance_m - DRIVE.at(200).distance_m, abs=5
    )


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


@examples(15)
@given(st.sampled_from([1, 2, 4, 5, 10]), st.sampled_from([0.1, 0.7, 3.0]), st.floats(0, 0.4))
def test_rate_delay_and_ticks_do_not_move_splits_and_order_is_kept(
    hz: float, tick_s: float, delay_s: float
) -> None:
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    last: tuple[int, int, float] = (0, 0, 0.0)
    t_us = 0
    for fix in truth.fixes(DRIVE, hz, noise=False, delay_s=delay_s):
        while t_us <= fix.t_us:
            live.tick(t_us)
            t_us += round(tick_s * S)
        live.fix(fix)
        run = live.progress.run
        here = (run.section, run.done, live.odometer.total_m)
        assert here >= last
        last = here
    for name, metres in (("CP1", 4000), ("CP2", 8000), ("ASS", 14_000)):
        assert splits(live)[name] == pytest.approx(instant(DRIVE, metres) - instant(DRIVE, 0), abs=0.1)


def test_utc_that_becomes_known_late_corrects_times() -> None:
    fixes = truth.fixes(DRIVE, 10, noise=False)
    late = [fix._replace(utc_us=None) if fix.t_us < 120 * S else fix for fix in fixes]
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    follow(live, late)
    assert splits(live)["CP2"] == pytest.approx(instant(DRIVE, 8000) - instant(DRIVE, 0), abs=0.1)


def test_a_stop_counts_in_one_average_and_not_in_the_other() -> None:
    path = truth.road(9000)
    drive = truth.planned(
        path, [(20, 0.0), (10, 72.0), (100, 72.0), (10, 0.0), (110, 0.0), (10, 72.0), (100, 72.0)]
    )
    live = live_stage(one_section(path, [(0, "dss"), (8000, "ass")], 8000, target_min=6))
    follow(live, truth.fixes(drive, 10, noise=False, to_s=300))
    began = instant(drive, 0)
    driven_m = drive.at(299.9).distance_m - BEGINS_M
    section = shown(live, 300 * S)["section"]
    assert section["average_kmh"] == pytest.approx(driven_m / (299.9 - began) * 3.6, rel=0.002)
    assert section["moving_average_kmh"] == pytest.approx(driven_m / (299.9 - began - 110) * 3.6, rel=0.01)
    assert section["required_kmh"] == pytest.approx((8000 - driven_m) / (360 - (300 - began)) * 3.6, rel=0.01)
    eta = datetime.fromisoformat(section["eta_utc"]) - datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
    remaining_s = (8000 - driven_m) / (section["average_kmh"] / 3.6)
    assert eta.total_seconds() == pytest.approx(300 + remaining_s, abs=1)


def test_midnight_moves_nothing() -> None:
    shift = round(timedelta(hours=16).total_seconds()) * S - round(instant(DRIVE, 5000)) * S
    fixes = [fix._replace(utc_us=(fix.utc_us or 0) + shift) for fix in truth.fixes(DRIVE, 5, noise=False)]
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    follow(live, fixes)
    assert splits(live)["CP2"] == pytest.approx(instant(DRIVE, 8000) - instant(DRIVE, 0), abs=0.1)


def test_without_an_itinerary() -> None:
    live = live_stage(None)
    follow(live, truth.fixes(DRIVE, 5, noise=False))
    shot = shown(live, round(DRIVE.end_s * S))
    assert shot["section"]["distance_km"] == pytest.approx(DRIVE.length_m / 1000, rel=0.001)
    assert shot["trip"][0]["distance_km"] == pytest.approx(DRIVE.length_m / 1000, rel=0.001)
    assert shot["section"]["index"] is None
    with pytest.raises(ValueError, match="there is no itinerary"):
        live.command(0, "start_section", {})


def test_fixes_without_position_are_no_position() -> None:
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    live.fix(Fix(0, truth.START_UTC_US, None, None, None, None, None, 0, 0, None))
    shot = shown(live, S)
    assert shot["gps"]["lat"] is None
    assert shot["speed_kmh"] is None
