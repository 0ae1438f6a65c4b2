"""Stage 11 as published: distances, splits, gaps, limits; and other itineraries as planned."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.drive import Drive
from logger.demo import planning, stages
from logger.demo.planning import Plan
from logger.demo.timetable import REACTION_S, START_AFTER_S
from logger.stage import geo
from logger.stage.itinerary import load

STAGE = stages.stage("dakar-2026-11")
SELECTIVE = 1
PLANS = {car.key: stages.plan(STAGE, car) for car in STAGE.cars}
MARGIN_M = 0.5
"""A zone's edge belongs to both sides."""


def elapsed_s(plan: Plan, name: str) -> float:
    """Elapsed time of the timed section, the neutralisation not counted."""
    at = {p.name if p.kind != "dn" else "DN": p.t_s for p in plan.passages if p.section == SELECTIVE}
    paused = 900.0 if at[name] > at["DN"] else 0.0
    return at[name] - plan.sections[SELECTIVE][0] - paused


SPLITS = [
    ("baciuska", "ASS", 3 * 3600 + 27 * 60 + 36),
    ("peterhansel", "ASS", 3 * 3600 + 27 * 60 + 36 + 49),
    ("price", "ASS", 3 * 3600 + 27 * 60 + 36 + 57),
    ("baciuska", "CP1", 24 * 60 + 31),
    ("peterhansel", "CP1", 24 * 60 + 31 - 11),
    ("baciuska", "CP3", 2 * 3600 + 25 * 60 + 2),
    ("peterhansel", "CP3", 2 * 3600 + 25 * 60 + 2 + 58),
]


@pytest.mark.parametrize(("car", "waypoint", "seconds"), SPLITS)
def test_splits_are_those_of_the_source(car: str, waypoint: str, seconds: int) -> None:
    assert elapsed_s(PLANS[car], waypoint) == pytest.approx(seconds, abs=0.001)


def test_the_leader_changes_where_it_was_reported() -> None:
    order = {
        name: sorted(PLANS, key=lambda car: elapsed_s(PLANS[car], name))
        for name in ("CP1", "CP2", "CP3", "ASS")
    }
    assert order["CP1"][0] == "peterhansel"
    assert order["CP2"][0] == order["CP3"][0] == "baciuska"
    assert order["ASS"] == ["baciuska", "peterhansel", "price"]


def test_the_winner_averages_100_kmh_exactly() -> None:
    assert 346.0 / (elapsed_s(PLANS["baciuska"], "ASS") / 3600) == pytest.approx(100.0, abs=1e-4)


@pytest.mark.parametrize("car", PLANS)
def test_distances(car: str) -> None:
    plan = PLANS[car]
    assert [round(plan.drive.at(end).distance_m, 3) for _, end in plan.sections] == [
        320_000.0,
        666_000.0,
        882_000.0,
    ]
    assert plan.drive.at(plan.drive.end_s).distance_m == pytest.approx(882_000.0, abs=1e-3)
    assert plan.drive.at(plan.drive.end_s).speed_mps == 0.0


@pytest.mark.parametrize("car", PLANS)
def test_the_car_is_where_its_waypoints_are_when_it_passes_them(car: str) -> None:
    points = [point for section in STAGE.itinerary.sections for point in section.waypoints]
    for passage, point in zip(PLANS[car].passages, points, strict=True):
        assert point.position is not None
        moment = PLANS[car].drive.at(passage.t_s)
        assert geo.distance_m(moment.lat, moment.lon, *point.position) < 0.5, passage


def test_the_start_is_crossed_on_the_second_and_no_neutralisation_is_left_early() -> None:
    for plan in PLANS.values():
        at = {(p.kind, p.km): p.t_s for p in plan.passages if p.section == SELECTIVE}
        start, dn, fn = at[("dss", 0.0)], at[("dn", 178.0)], at[("fn", 178.6)]
        assert start == pytest.approx(round(start), abs=1e-6)
        assert fn - dn == pytest.approx(900.0 + REACTION_S, abs=1e-6)
        for t_s in (start, fn):
            assert plan.drive.at(t_s).speed_mps > 5.0
            assert plan.drive.at(t_s - 10.0).speed_mps == 0.0


def test_cars_start_in_their_interval_and_on_the_day() -> None:
    starts = [plan.drive.utc_s + plan.sections[SELECTIVE][0] for plan in PLANS.values()]
    assert np.diff(starts) == pytest.approx([120.0, 120.0])
    assert datetime.fromtimestamp(starts[0], UTC).date() == STAGE.itinerary.stage.date


def over_limit(plan: Plan, index: int) -> list[tuple[float, float]]:
    """(km, km/h over) wherever the truth is above the limit of the section, the class or a zone."""
    section = STAGE.itinerary.sections[index]
    begin, end = plan.sections[index]
    start_m = plan.drive.at(begin).distance_m
    distance, speed = plan.drive.motion(np.arange(begin, end, 0.1))
    km, kmh = (distance - start_m) / 1000, speed * 3.6
    limit = np.full(len(km), min(section.max_speed_kmh or 170.0, 170.0))
    zone_from = None
    for point in section.waypoints:
        if point.kind == "dz":
            zone_from = point
        elif point.kind == "fz" and zone_from is not None and zone_from.speed_kmh is not None:
            inside = (km > zone_from.km + MARGIN_M / 1000) & (km < point.km - MARGIN_M / 1000)
            limit[inside] = np.minimum(limit[inside], zone_from.speed_kmh)
    return [(float(k), float(v - top)) for k, v, top in zip(km, kmh, limit, strict=True) if v > top]


@pytest.mark.parametrize("car", PLANS)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_only_price_exceeds_a_limit_once(car: str, index: int) -> None:
    over = over_limit(PLANS[car], index)
    if (car, index) == ("price", SELECTIVE):
        assert 44.6 <= min(km for km, _ in over) < max(km for km, _ in over) <= 45.4
        assert 14.0 < max(kmh for _, kmh in over) < 16.5
    else:
        assert over == []


@pytest.mark.parametrize("car", PLANS)
def test_a_car_could_do_it(car: str) -> None:
    t = np.arange(0.0, PLANS[car].drive.end_s, 0.1)
    _, speed = PLANS[car].drive.motion(t)
    acceleration = np.diff(speed) / 0.1
    assert -6.1 < acceleration.min() < acceleration.max() < 4.1
    assert 150.0 < speed.max() * 3.6 < 170.0


def test_one_section_alone_has_the_minutes_around_it() -> None:
    alone = stages.drive(STAGE, STAGE.cars[0], SELECTIVE)
    whole = PLANS["baciuska"]
    begins = whole.drive.utc_s + whole.sections[SELECTIVE][0]
    assert 60 <= begins - alone.utc_s <= 200
    assert alone.at(begins - alone.utc_s).distance_m == pytest.approx(320_000.0, abs=1e-3)
    assert alone.at(alone.end_s).distance_m > 666_000.0
    with pytest.raises(ConfigurationError, match="no section 4"):
        stages.drive(STAGE, STAGE.cars[0], 3)


def test_errors_for_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no built-in stage"):
        stages.stage("dakar-1979")
    with pytest.raises(ConfigurationError, match="neither a built-in stage nor a readable itinerary"):
        stages.find(str(tmp_path / "nothing.toml"))
    with pytest.raises(ConfigurationError, match='no car "sainz"'):
        STAGE.car("sainz")
    assert STAGE.car("Price") is STAGE.car("503")


OWN = """
[stage]
name = "Own"
date = 2026-03-01
max_speed_kmh = 130

[[section]]
kind = "liaison"
length_km = 12.0
target_min = 20

[[section]]
kind = "selective"
length_km = 25.0
target_min = 17

  [[section.waypoint]]
  km = 4.0
  kind = "dz"
  speed_kmh = 30

  [[section.waypoint]]
  km = 5.5
  kind = "fz"

  [[section.waypoint]]
  km = 14.0
  kind = "dn"
  time_s = 300

  [[section.waypoint]]
  km = 14.6
  kind = "fn"

[[section]]
kind = "selective"
length_km = 9.0

[[section]]
kind = "neutralisation"
length_km = 3.0
target_min = 15

[[section]]
kind = "transfer"
length_km = 0.2
"""


def test_a_users_own_itinerary_without_coordinates_is_driven_as_planned(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    found = stages.find(str(file))
    plan = stages.plan(found, found.cars[0])
    drive: Drive = plan.drive
    assert drive.at(drive.end_s).distance_m == pytest.approx(49_200.0, abs=1e-3)
    (leave, _), (start, finish), (second, _), (rest, _), (goes_on, _) = plan.sections
    assert start - leave >= 20 * 60
    assert finish - start - 300.0 == pytest.approx(17 * 60, abs=1e-3)
    assert goes_on - rest == pytest.approx(15 * 60, abs=60.0)
    zone_from, zone_to = (p.t_s for p in plan.passages if p.km in (4.0, 5.5))
    assert drive.motion(np.arange(zone_from, zone_to, 0.1))[1].max() * 3.6 <= 30.0
    assert drive.motion(np.arange(0, drive.end_s, 0.1))[1].max() * 3.6 <= 130.0
    assert second - finish >= START_AFTER_S
    assert drive.at(second - 1).speed_mps == 0.0


def test_an_impossible_target_is_driven_as_fast_as_possible() -> None:
    hopeless = load(
        '[stage]\nname = "x"\n[[section]]\nkind = "selective"\nlength_km = 20.0\ntarget_min = 1\n', "x"
    )
    plan = planning.plan(hopeless)
    begin, end = plan.sections[0]
    assert 400 < end - begin < 1200


def test_coordinates_that_contradict_the_kilometres_are_an_error() -> None:
    wrong = load(
        '[stage]\nname = "x"\n[[section]]\nkind = "liaison"\nlength_km = 10.0\n'
        '[[section.waypoint]]\nkm = 0.0\nkind = "tc"\nlat = 20.0\nlon = 40.0\n'
        '[[section.waypoint]]\nkm = 10.0\nkind = "tc"\nlat = 21.0\nlon = 40.0\n',
        "x",
    )
    with pytest.raises(ConfigurationError, match="further than the road between them"):
        planning.plan(wrong)
