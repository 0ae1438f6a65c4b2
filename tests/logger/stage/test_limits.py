"""Current speed limit, zones by circle and by kilometre, and over-speeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from firmware_bridge.virtual.drive import Drive
from logger.stage.events import Event
from logger.stage.itinerary import Itinerary, Section, Stage
from logger.stage.live_stage import LiveStage
from logger.stage.rules import load
from tests.logger.stage import truth
from tests.logger.stage.truth import follow, live_stage, of_kind, one_section, shown

S = 1_000_000
ROAD = truth.road(15_000)
ZONED: list[tuple[Any, ...]] = [
    (0, "dss"),
    (3000, "dz", {"name": "Village", "speed_kmh": 50}),
    (4000, "fz"),
    (8000, "ass"),
]


def steady(kmh: float, zone_kmh: float | None = None, from_m: float = 2900, to_m: float = 4100) -> Drive:
    """A drive at one speed, slower (or not) between two metres of the section that begins at 200 m."""
    plan: list[tuple[float, float]] = [(20, 0.0), (10, kmh)]
    if zone_kmh is None:
        return truth.planned(ROAD, [*plan, (400, kmh)])
    into_m = from_m + 200 - kmh / 7.2 * 10 - (kmh + zone_kmh) / 7.2 * 5
    plan += [(into_m / (kmh / 3.6), kmh), (5, zone_kmh), ((to_m - from_m) / (zone_kmh / 3.6), zone_kmh)]
    return truth.planned(ROAD, [*plan, (5, kmh), (200, kmh)])


def limit(live: LiveStage) -> dict[str, Any]:
    shot: dict[str, Any] = shown(live, live.last_fix.t_us if live.last_fix else 0)["limit"]
    return shot


def along(live: LiveStage, drive: Drive, hz: float = 10) -> Iterator[tuple[float, dict[str, Any]]]:
    """(metres in the section, snapshot) at each fix."""
    for fix in truth.fixes(drive, hz, noise=False):
        live.fix(fix)
        if fix.utc_us is not None:
            metres = drive.at((fix.utc_us - truth.START_UTC_US) / 1e6).distance_m - 200
            yield metres, shown(live, fix.t_us)


def limits_along(live: LiveStage, drive: Drive) -> list[tuple[float, dict[str, Any]]]:
    """(metres in the section, limit) at each fix."""
    return [(metres, shot["limit"]) for metres, shot in along(live, drive)]


@pytest.mark.parametrize(
    ("class_name", "stage_kmh", "section_kmh", "kmh", "reason"),
    [
        ("Stock", None, None, 170, "class"),
        ("Stock", 160, None, 160, "stage"),
        ("Stock", 160, 120, 120, "section"),
        ("SSV", 160, 140, 125, "class"),
        ("unheard of", None, None, None, None),
        (None, 170, None, 170, "stage"),
    ],
)
def test_the_lowest_holds(
    class_name: str | None,
    stage_kmh: float | None,
    section_kmh: float | None,
    kmh: float | None,
    reason: str | None,
) -> None:
    section = Section("liaison", 10, max_speed_kmh=section_kmh)
    live = live_stage(Itinerary(Stage("x", max_speed_kmh=stage_kmh), (section,)), class_name=class_name)
    assert (limit(live)["kmh"], limit(live)["reason"]) == (kmh, reason)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_zone_holds_from_its_circle_to_its_end_and_is_free_around_both(hidden: bool) -> None:
    itinerary = one_section(ROAD, ZONED, 8000, hidden=hidden)
    live = live_stage(itinerary, class_name="Stock")
    if hidden:  # the crew starts it on the line
        live.command(0, "start_section", {})
        live.command(0, "set_distance", {"km": 0})
        live.progress.run = live.progress.run._replace(correction_m=-200.0)
    seen = limits_along(live, steady(90))
    slow = [metres for metres, lim in seen if lim["reason"] == "zone"]
    edge_m = 0 if hidden else 90
    assert slow[0] == pytest.approx(3000 - edge_m, abs=4)
    assert slow[-1] == pytest.approx(4000 - edge_m, abs=4)
    assert {lim["kmh"] for metres, lim in seen if 3100 < metres < 3900} == {50}
    assert {lim["zone"] for metres, lim in seen if 3100 < metres < 3900} == {"Village"}
    free = [metres for metres, lim in seen if lim["free"]]
    judged = [metres for metres, lim in seen if lim["reason"] == "zone" and not lim["free"]]
    assert judged[0] == pytest.approx(3090, abs=4)
    assert judged[-1] == pytest.approx(3910, abs=4)
    assert max(free) == pytest.approx(4090, abs=4)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_zone_is_announced_a_kilometre_before_with_the_distance_to_the_next_waypoint(hidden: bool) -> None:
    live = live_stage(one_section(ROAD, ZONED, 8000, hidden=hidden), class_name="Stock")
    if hidden:
        live.command(0, "start_section", {})
        live.progress.run = live.progress.run._replace(correction_m=-200.0)
    near = []
    for metres, shot in along(live, steady(90)):
        if (way_m := shot["limit"]["approaching_m"]) is not None:
            near.append((metres, way_m))
            assert shot["next"]["kind"] == "dz"
            assert way_m == pytest.approx(shot["next"]["distance_km"] * 1000, abs=0.051)
            assert shot["limit"]["approaching_kmh"] == 50
    assert near[0][0] == pytest.approx(2000, abs=4)
    assert near[0][1] == pytest.approx(1000, abs=4)
    assert near[-1][1] == pytest.approx(0, abs=5)


def test_a_zone_holds_whatever_road_is_driven() -> None:
    """The car never meets the dz: from its kilometre, with some doubt, to the fz the zone holds all the same."""
    itinerary = one_section(
        ROAD, [(0, "dss"), (3000, "dz", {"speed_kmh": 50, "clear_m": 20}), (4000, "fz"), (8000, "ass")], 8000
    )
    (timed,) = itinerary.sections
    moved = [
        w
        if w.kind != "dz"
        else type(w)(w.km, "dz", "", (w.lat or 0) + 0.002, (w.lon or 0) - 0.002, 50, clear_m=20)
        for w in timed.waypoints
    ]
    live = live_stage(
        Itinerary(Stage("x"), (Section("selective", 8, "SS", waypoints=tuple(moved)),)), class_name="Stock"
    )
    slow = [metres for metres, lim in limits_along(live, steady(90)) if lim["reason"] == "zone"]
    assert slow[0] == pytest.approx(3200, abs=5)
    assert slow[-1] == pytest.approx(3910, abs=5)


def test_a_zone_whose_end_was_not_passed_ends_by_kilometre() -> None:
    itinerary = one_section(ROAD, ZONED, 8000)
    (timed,) = itinerary.sections
    moved = [
        w if w.kind != "fz" else type(w)(w.km, "fz", "", (w.lat or 0) + 0.01, w.lon) for w in timed.waypoints
    ]
    live = live_stage(
        Itinerary(Stage("x"), (Section("selective", 8, "SS", waypoints=tuple(moved)),)), class_name="Stock"
    )
    slow = [metres for metres, lim in limits_along(live, steady(90)) if lim["reason"] == "zone"]
    assert slow[-1] == pytest.approx(5000, abs=5)


@pytest.mark.parametrize(("kmh", "warns"), [(167.8, False), (168.2, True), (171.0, True)])
def test_the_warning_comes_before_the_limit(kmh: float, warns: bool) -> None:
    live = live_stage(None, class_name="Stock")
    follow(live, truth.fixes(steady(kmh), 5, noise=False, to_s=60))
    assert limit(live)["warning"] is warns
    assert limit(live)["over_kmh"] == pytest.approx(max(0.0, kmh - 170), abs=0.05)


def overspeeds(
    drive: Drive, hz: float, *, noise: bool = False, rules: str = "", marks: Any = None
) -> list[Event]:
    live = live_stage(one_section(ROAD, marks or ZONED, 8000), load(rules, "r"), class_name="Stock")
    return of_kind(follow(live, truth.fixes(drive, hz, noise=noise)), "overspeed")


@pytest.mark.parametrize("hz", [1, 5, 10])
def test_an_overspeed_in_a_zone_is_measured(hz: float) -> None:
    drive = steady(90, 49, 3300, 4200)  # brakes 300 m late
    (over,) = overspeeds(drive, hz)
    began = drive.time_at(200 + 3090)
    ended = drive.time_at(200 + 3300) - 5 * 1 / 41  # it is at 50 that much before 49
    detail = over.detail
    assert detail["limit_kmh"] == 50
    assert detail["zone"] == "Village"
    assert detail["max_kmh"] == pytest.approx(90, abs=0.1)
    assert detail["duration_s"] == pytest.approx(ended - began, abs=0.15)
    assert detail["distance_m"] == pytest.approx(3300 - 3090, abs=2.5)
    assert detail["km"] == pytest.approx(3.09, abs=0.0025)
    assert detail["utc_us"] == pytest.approx(truth.START_UTC_US + began * S, abs=0.1 * S)
    assert detail["impulses"] == 2  # at once, and after 150 m


@pytest.mark.parametrize(("kmh", "count"), [(50.9, 0), (51.2, 1), (53.0, 1)])
def test_less_than_1_kmh_over_is_not_an_overspeed(kmh: float, count: int) -> None:
    assert len(overspeeds(steady(kmh), 5)) == count


@pytest.mark.parametrize(
    ("kmh", "rules", "impulses"),
    [
        (60.0, "", 1 + 820 // 150),  # 54 km/h and faster: metres come first
        (52.0, "", 1 + int(820 / (52 / 3.6) // 10)),  # slower: seconds do
        (60.0, "[speed]\nimpulse_m = 100\n", 1 + 820 // 100),
    ],
)
@pytest.mark.parametrize("hz", [1, 10])
def test_impulses_come_by_time_or_distance_whichever_is_first(
    kmh: float, rules: str, impulses: int, hz: float
) -> None:
    (over,) = overspeeds(steady(kmh), hz, rules=rules)
    assert over.detail["impulses"] == pytest.approx(impulses, abs=0 if hz == 10 else 1)


def test_nothing_is_charged_in_the_free_areas() -> None:
    assert overspeeds(steady(90, 50, 3070, 3930), 10) == []


def test_noise_at_the_limit_does_not_give_many_events() -> None:
    assert len(overspeeds(steady(52, 49.8, 3090, 3910), 10, noise=True)) <= 1


def test_an_overspeed_that_gps_did_not_see_the_end_of_ends_where_it_was_last_seen() -> None:
    live = live_stage(one_section(ROAD, ZONED, 8000), class_name="Stock")
    drive = steady(90)
    lost_s = drive.time_at(200 + 3500)
    (over,) = of_kind(
        follow(live, truth.fixes(drive, 10, noise=False, lost=[(lost_s, lost_s + 120)])), "overspeed"
    )
    assert over.detail["distance_m"] == pytest.approx(410, abs=6)


def test_class_limits_are_judged_on_the_road_as_well() -> None:
    plan = [(20, 0.0), (15, 150.0), (60, 150.0), (5, 180.0), (10, 180.0), (5, 120.0), (40, 120.0)]
    (over,) = overspeeds(truth.planned(ROAD, plan), 10, marks=[(0, "dss"), (8000, "ass")])
    assert over.detail["limit_kmh"] == 170
    assert over.detail["max_kmh"] == pytest.approx(180, abs=0.1)
    assert over.detail["duration_s"] == pytest.approx(10 + 5 * 9 / 30 + 5 * 10 / 60, abs=0.1)


def test_an_overspeed_in_progress_ends_with_the_log_at_the_last_fix() -> None:
    live = live_stage(one_section(ROAD, ZONED, 8000), class_name="Stock")
    drive = steady(90)
    ends_s = drive.time_at(200 + 3600)
    events = follow(live, truth.fixes(drive, 10, noise=False, to_s=ends_s))
    assert of_kind(events, "overspeed") == []
    live.finish()
    (over,) = of_kind(live.take_events(), "overspeed")
    assert over.detail["km"] == pytest.approx(3.09, abs=0.004)
    assert over.detail["distance_m"] == pytest.approx(510, abs=4)
    assert over.detail["duration_s"] == pytest.approx(510 / 25, abs=0.2)
    live.finish()
    assert live.take_events() == []
    assert live.state()[-1] is None, "the next session does not tell it again"


def test_an_overspeed_in_progress_ends_with_its_section() -> None:
    live = live_stage(one_section(ROAD, ZONED, 8000), class_name="Stock")
    fixes = truth.fixes(steady(90), 10, noise=False, to_s=steady(90).time_at(200 + 3600))
    follow(live, fixes[:-2])
    live.command(fixes[-3].t_us, "finish_section", {})
    (over,) = of_kind(follow(live, fixes[-2:]), "overspeed")
    assert over.detail["section"] == 0
    assert over.detail["distance_m"] == pytest.approx(510, abs=10)
