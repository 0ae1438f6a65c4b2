"""The whole live computation: alarms, commands, and resuming after a power cut at any moment."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.records import Channel, Fix, Reading
from logger.stage.alarms import HEALTH_VALUES, OWN_VALUES
from logger.stage.commands import COMMANDS
from logger.stage.live_stage import LiveStage
from logger.stage.rules import default_rules
from tests.examples import examples
from tests.logger.stage import truth
from tests.logger.stage.truth import follow, live_stage, of_kind, one_section, shown

S = 1_000_000
DRIVE = truth.rally(15_500, seed=5)
MARKS: list[tuple[Any, ...]] = [
    (0, "dss"),
    (2500, "wpm"),
    (4000, "cp", {"name": "CP1"}),
    (5000, "dz", {"speed_kmh": 50}),
    (6500, "fz"),
    (8000, "cp", {"name": "CP2"}),
    (14_000, "ass"),
]
ITINERARY = one_section(DRIVE.path, MARKS, 14_000, target_min=10)
FIXES = truth.fixes(DRIVE, 5, noise=False)
VOLTS = Channel("battery_v", "V", "test")
REVS = Channel("rpm", "1/min", "test")


def stage(**options: Any) -> LiveStage:
    return live_stage(ITINERARY, alarms=default_rules().alarms, class_name="Stock", **options)


def until(t_s: float) -> list[Fix]:
    return [fix for fix in FIXES if fix.t_us <= t_s * S]


def test_alarms_of_engine_and_recorder() -> None:
    live = stage()
    follow(live, until(100))
    live.health("writer_lag_s", 3.0)
    live.health("can_age_s", None)
    for second in range(100, 115):
        live.readings([Reading(second * S, VOLTS, 12.1), Reading(second * S, REVS, 3000.0)])
        live.tick(second * S)
    assert [alarm["name"] for alarm in shown(live, 114 * S)["alarms"]] == [
        "log",
        "gps lost",
        "alternator",
    ] or [alarm["name"] for alarm in shown(live, 114 * S)["alarms"]] == ["log", "alternator", "gps lost"]
    live.command(115 * S, "acknowledge", {"name": "log"})
    assert {a["name"]: a["acknowledged"] for a in shown(live, 115 * S)["alarms"]}["log"] is True
    events = live.take_events()
    assert len(of_kind(events, "alarm", state="raised")) == 3
    assert of_kind(events, "alarm", state="acknowledged", name="log")
    assert of_kind(events, "command", name="acknowledge")


def test_the_default_alarms_use_only_known_channels() -> None:
    car = {"battery_v", "rpm", "coolant_c", "oil_bar"}
    used = {name for rule in default_rules().alarms for name in rule.when.names}
    assert used <= car | OWN_VALUES | HEALTH_VALUES
    live = stage()
    follow(live, until(100))
    assert live.values(100 * S).keys() >= OWN_VALUES


def test_a_silent_receiver_raises_an_alarm_after_the_cold_start_time() -> None:
    live = stage()
    live.tick(59 * S)
    assert shown(live, 59 * S)["alarms"] == []
    live.tick(61 * S)
    assert [alarm["name"] for alarm in shown(live, 61 * S)["alarms"]] == ["gps lost"]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("launch", {}, "is not a command"),
        ("undoo", {}, 'did you mean "undo"'),
        ("undo", {"twice": True}, '"twice" is not one of its arguments'),
        ("adjust_distance", {}, '"metres" is missing'),
        ("adjust_distance", {"metres": "10"}, "metres must be a number"),
        ("adjust_distance", {"metres": math.nan}, "metres must be a number"),
        ("adjust_distance", {"metres": True}, "metres must be a number"),
        ("adjust_distance", {"metres": 10, "trip": 3}, "trip must be a whole number from 1 to 2"),
        ("set_distance", {"km": -1}, "km must be a number"),
        ("reset_trip", {"trip": None}, "trip must be"),
        ("start_section", {"index": 9}, "no section is left"),
        ("start_section", {"index": -1}, "index must be"),
        ("schedule_start", {"utc": "25:00"}, "is not a time"),
        ("schedule_start", {"utc": "soon"}, "is not a time"),
        ("schedule_start", {"utc": "2020-01-01T00:00:00Z"}, "more than two days"),
        ("acknowledge", {"name": "nothing"}, "is not an alarm"),
        ("mark", {"note": "x" * 300}, "at most 200"),
        ("undo", {}, "nothing to undo"),
        ("finish_section", {}, "no section is running"),
    ],
)
def test_wrong_commands_say_why_in_one_line_and_change_nothing(
    name: str, arguments: dict[str, Any], says: str
) -> None:
    live = stage()
    follow(live, until(5))
    before = live.state()
    with pytest.raises(ValueError, match=says) as caught:
        live.command(5 * S, name, arguments)
    assert "\n" not in str(caught.value)
    assert live.state()[2:] == before[2:]  # all but the clock, which has gone on
    assert live.take_events() == []


def test_the_two_trips() -> None:
    live = stage()
    follow(live, until(100))
    live.command(100 * S, "reset_trip", {"trip": 2})
    live.command(100 * S, "adjust_distance", {"metres": 30, "trip": 2})
    follow(live, [fix for fix in FIXES if 100 * S < fix.t_us <= 200 * S])
    live.command(200 * S, "set_distance", {"km": 7, "trip": 1})
    first, second = shown(live, 200 * S)["trip"]
    driven_m = DRIVE.at(199.8).distance_m - DRIVE.at(99.8).distance_m
    assert first["distance_km"] == 7
    assert second["distance_km"] * 1000 == pytest.approx(driven_m + 30, abs=3)
    assert second["average_kmh"] == pytest.approx((driven_m + 30) / 99.8 * 3.6, rel=0.01)


def test_the_last_ten_controls() -> None:
    live = stage()
    follow(live, FIXES)
    controls = shown(live, round(DRIVE.end_s * S))["controls"]
    assert [(c["kind"], c["name"]) for c in controls] == [
        ("dss", "DSS"),
        ("cp", "CP1"),
        ("cp", "CP2"),
        ("ass", "ASS"),
    ]
    assert controls[0]["elapsed_s"] == 0


def cut(live: LiveStage, at_s: float, gap_s: float, *, known: bool) -> tuple[LiveStage, int]:
    """A power cut at `at_s`: the state of the last whole second goes on `gap_s` later in a new session."""
    state = json.loads(json.dumps(live.state()))
    again = stage()
    assert again.restore(state, gap_s if known else None)
    return again, round((at_s + gap_s) * S)


@examples(12)
@given(st.floats(20, DRIVE.end_s - 70), st.floats(0.5, 30), st.booleans(), st.integers(0, 10**6))
def test_a_power_cut_at_any_moment(at_s: float, gap_s: float, known: bool, phase_us: int) -> None:
    whole, live = stage(), stage()
    for one in (whole, live):
        follow(one, until(at_s))
    resumed, zero_us = cut(live, at_s, gap_s, known=known)
    rest = [fix for fix in FIXES if fix.t_us > zero_us + phase_us]
    follow(resumed, [fix._replace(t_us=fix.t_us - zero_us) for fix in rest])
    follow(whole, [fix for fix in FIXES if fix.t_us > at_s * S])
    end_us = FIXES[-1].t_us
    expected, found = shown(whole, end_us), shown(resumed, end_us - zero_us)
    blind_s = (rest[0].t_us - (until(at_s)[-1].t_us)) / S
    blind_m = DRIVE.at(at_s + blind_s + 0.2).distance_m - DRIVE.at(at_s - 0.2).distance_m
    assert found["section"]["index"] == expected["section"]["index"]
    assert len(found["splits"]) == len(expected["splits"])
    for mine, theirs in zip(found["splits"], expected["splits"], strict=True):
        assert mine["elapsed_s"] == pytest.approx(
            theirs["elapsed_s"], abs=blind_s if mine["estimated"] else 0.1
        )
    assert resumed.odometer.total_m == pytest.approx(whole.odometer.total_m, abs=max(1.0, blind_m))


@examples(12)
@given(st.floats(60, 400), st.floats(0.5, 30))
def test_elapsed_time_continues_across_a_power_cut_to_a_tenth(at_s: float, gap_s: float) -> None:
    live = stage()
    follow(live, until(at_s))
    began_s = DRIVE.time_at(200)
    resumed, zero_us = cut(live, at_s, gap_s, known=False)
    rest = [fix for fix in FIXES if fix.t_us > zero_us + 2 * S][:40]
    follow(resumed, [fix._replace(t_us=fix.t_us - zero_us) for fix in rest])
    t_us = rest[-1].t_us
    section = shown(resumed, t_us - zero_us)["section"]
    assert section["index"] == 0
    assert section["elapsed_s"] == pytest.approx(t_us / S - 0.08 - began_s, abs=0.1)


def test_everything_of_the_crew_survives_a_power_cut() -> None:
    live = stage()
    follow(live, until(150))
    live.command(150 * S, "adjust_distance", {"metres": 70})
    live.command(150 * S, "reset_trip", {"trip": 1})
    live.health("writer_lag_s", 9.0)
    live.tick(151 * S)
    live.command(151 * S, "acknowledge", {"name": "log"})
    resumed, zero_us = cut(live, 151, 0.0, known=True)
    before, after = shown(live, 151 * S), shown(resumed, 151 * S - zero_us)
    for key in ("section", "next", "splits", "trip", "controls", "alarms", "countdown"):
        assert after[key] == before[key], key
    resumed.command(0, "undo", {})
    resumed.command(0, "undo", {})
    assert shown(resumed, 0)["section"]["distance_km"] == pytest.approx(
        before["section"]["distance_km"] - 0.07, abs=1e-4
    )


def test_a_state_is_small() -> None:
    live = stage()
    follow(live, FIXES)
    assert len(json.dumps(live.state(), separators=(",", ":"))) < 2500


def test_many_instant_restarts_change_nothing() -> None:
    """Repeated power cuts between two fixes, with an immediate restart."""
    whole = stage()
    follow(whole, FIXES)
    live, zero_us = stage(), 0
    for start in range(0, len(FIXES), 97):
        follow(live, [fix._replace(t_us=fix.t_us - zero_us) for fix in FIXES[start : start + 97]])
        live, zero_us = cut(live, FIXES[min(start + 96, len(FIXES) - 1)].t_us / S, 0.0, known=True)
    assert live.progress.run.earlier_splits == whole.progress.run.earlier_splits
    assert live.odometer.total_m == pytest.approx(whole.odometer.total_m, abs=1e-6)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@examples(60)
@given(st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=8), max_leaves=30))
def test_a_broken_state_is_refused_and_changes_nothing(state: Any) -> None:
    live, fresh = stage(), stage()
    assert live.restore(state, None) is False
    assert live.state() == fresh.state()
    assert [event.kind for event in live.take_events()] == ["state_refused"]


@examples(40)
@given(st.data())
def test_a_damaged_state_never_raises_later(data: st.DataObject) -> None:
    live = stage()
    follow(live, until(130))
    state = json.loads(json.dumps(live.state()))
    place = state
    while True:
        index = data.draw(st.integers(0, len(place) - 1))
        if isinstance(place[index], list) and place[index] and data.draw(st.booleans()):
            place = place[index]
            continue
        place[index] = data.draw(_LEAVES | st.just([]))
        break
    again = stage()
    again.restore(state, 3.0)
    follow(again, [fix for fix in FIXES if 130 * S < fix.t_us < 150 * S])
    json.dumps(shown(again, 150 * S), allow_nan=False)
    json.dumps(again.state(), allow_nan=False)


def test_a_state_of_another_itinerary_is_refused() -> None:
    live = stage()
    follow(live, FIXES)
    other = live_stage(None)
    assert other.restore(json.loads(json.dumps(live.state())), 1.0) is False


_TIMES = st.integers(0, 600 * S)
_NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**9), 10**9)
_ARGUMENTS = st.none() | st.integers(-3, 9) | st.sampled_from(["08:15", "log", "2026-01-15"])
_INPUTS = st.one_of(
    st.builds(
        Fix, _TIMES, st.none() | st.integers(0, 4 * 10**15) | _TIMES.map(lambda t: truth.START_UTC_US + t),
        st.none() | st.floats(-90, 90), st.none() | st.floats(-180, 180), st.none(), st.none() | _NUMBERS.map(float),
        st.none(), st.integers(0, 6), st.none(), st.none(), st.booleans(),
    ),
    st.builds(Reading, _TIMES, st.sampled_from([truth.WHEEL, truth.OBD, VOLTS, REVS]), _NUMBERS.map(float)),
    st.tuples(st.just("tick"), _TIMES),
    st.tuples(st.just("command"), _TIMES, st.sampled_from(COMMANDS),
              st.dictionaries(st.sampled_from(["index", "utc", "metres", "km", "trip", "note", "name"]),
                              _ARGUMENTS, max_size=2)),
    st.sampled_from(FIXES),
)  # fmt: skip


@examples(80)
@given(st.lists(_INPUTS, max_size=50))
def test_no_input_raises(inputs: list[Any]) -> None:
    live = stage()
    total_m = 0.0
    for record in inputs:
        match record:
            case Fix():
                live.fix(record)
            case Reading():
                live.readings([record])
            case ("tick", t_us):
                live.tick(t_us)
            case (_, t_us, name, arguments):
                try:
                    live.command(t_us, name, arguments)
                except ValueError:
                    continue
        assert live.odometer.total_m >= total_m
        total_m = live.odometer.total_m
        json.dumps(
            shown(live, record[0] if isinstance(record, Fix | Reading) else record[1]), allow_nan=False
        )
    json.dumps([event.detail for event in live.take_events()], allow_nan=False)
    assert stage().restore(json.loads(json.dumps(live.state(), allow_nan=False)), 1.0)


def test_implausible_speeds_are_counted_by_source_and_reported_every_ten_seconds() -> None:
    live = stage()
    follow(live, until(20))
    live.take_events()
    for step in range(1, 251):  # 25 s
        at_us = 20 * S + step * S // 10
        live.fix(FIXES[0]._replace(t_us=at_us, utc_us=truth.START_UTC_US + at_us, speed_mps=400.0))
        live.readings([Reading(at_us, truth.WHEEL, 1e4), Reading(at_us, truth.OBD, -1.0)])
        live.tick(at_us)
    live.finish()
    details = [event.detail for event in of_kind(live.take_events(), "speeds_rejected")]
    for source in ("gps", "wheel", "obd"):
        assert [detail[source] for detail in details] == [1, 100, 100, 49]


def test_the_same_inputs_give_the_same_rows_and_events() -> None:
    results = []
    for _ in range(2):
        live = stage()
        rows, events = [], []
        for fix in FIXES:
            live.fix(fix)
            live.tick(fix.t_us)
            if fix.t_us % S < 200_000:
                rows.append(live.progress_row(fix.t_us))
            events += live.take_events()
        results.append((rows, events))
    assert results[0] == results[1]
