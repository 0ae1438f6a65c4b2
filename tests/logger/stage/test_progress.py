"""Splits and waypoints of drives whose every instant is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.records import Fix
from firmware_bridge.virtual.drive import Path
from logger.stage.itinerary import Itinerary, Section, Stage, Waypoint
from tests.examples import examples
from tests.logger.stage import truth
from tests.logger.stage.known_drive import BEGINS_M, DRIVE, MARKS, S, instant, splits, utc_s
from tests.logger.stage.truth import follow, live_stage, of_kind, one_section, shown


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
def test_no_pass_is_missed_at_170_kmh_and_one_fix_per_second(radius_m: float) -> None:
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


def test_missed_waypoints_are_reported_when_a_later_one_passes() -> None:
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


def test_fixes_without_position_give_no_position() -> None:
    live = live_stage(one_section(DRIVE.path, MARKS, 14_000))
    live.fix(Fix(0, truth.START_UTC_US, None, None, None, None, None, 0, 0, None))
    shot = shown(live, S)
    assert shot["gps"]["lat"] is None
    assert shot["speed_kmh"] is None
