"""Sections: neutralisations, transfers, several per day, scheduled starts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from firmware_bridge.virtual.drive import Drive
from logger.stage.itinerary import Itinerary, Section, Stage
from tests.logger.stage import truth
from tests.logger.stage.known_drive import BEGINS_M, DRIVE, S, instant, sections, splits, utc_s
from tests.logger.stage.truth import follow, live_stage, of_kind, one_section, shown


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
