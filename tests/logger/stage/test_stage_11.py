"""Stage 11 of the Dakar 2026 on the crew page: splits, gap and average as published."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from logger.demo import stages
from logger.stage.live_stage import LiveStage
from logger.stage.rules import default_rules
from tests.logger.stage import truth
from tests.logger.stage.truth import of_kind, shown

STAGE = stages.stage("dakar-2026-11")
SS11 = 1
S = 1_000_000
WINNER_S = 3 * 3600 + 27 * 60 + 36
GAP_AT_CP1_S = 11


@cache
def driven(key: str) -> tuple[dict[str, Any], dict[str, Any], list[float]]:
    """After the finish: what the page shows, the section's last event, and the averages of the progress table."""
    car = STAGE.car(key)
    drive = stages.drive(STAGE, car, SS11)
    live = LiveStage(STAGE.itinerary, default_rules(), class_name=car.car_class)
    live.command(0, "start_section", {})  # the liaison before it: it is over
    live.command(0, "finish_section", {})
    averages: list[float] = []
    for fix in truth.fixes(drive, 1, noise=False):
        live.fix(fix)
        live.tick(fix.t_us)
        row = live.progress_row(fix.t_us)
        if row.section == SS11 and row.average_mps is not None:
            averages.append(row.average_mps * 3.6)
    (finish,) = of_kind(live.take_events(), "section", state="finished", index=SS11)
    return shown(live, fix.t_us), dict(finish.detail), averages


@cache
def arrivals() -> list[datetime]:
    """When the page expects the winner at the finish, every ten minutes of the section."""
    car = STAGE.car("baciuska")
    live = LiveStage(STAGE.itinerary, default_rules(), class_name=car.car_class)
    live.command(0, "start_section", {})
    live.command(0, "finish_section", {})
    arrivals = []
    for fix in truth.fixes(stages.drive(STAGE, car, SS11), 1, noise=False):
        live.fix(fix)
        if fix.t_us // S % 600 == 0:
            section = shown(live, fix.t_us)["section"]
            if section["index"] == SS11 and section["distance_km"] > 20:
                arrivals.append(datetime.fromisoformat(section["eta_utc"]))
    return arrivals


def splits(key: str) -> dict[str, dict[str, Any]]:
    return {split["name"]: split for split in driven(key)[0]["splits"]}


def test_the_winner_averages_100_at_the_finish_in_every_view() -> None:
    _, finish, averages = driven("baciuska")
    assert splits("baciuska")["ASS"]["elapsed_s"] == pytest.approx(WINNER_S, abs=0.2)
    assert splits("baciuska")["ASS"]["average_kmh"] == pytest.approx(100.0, abs=0.02)
    assert finish["average_mps"] * 3.6 == pytest.approx(100.0, abs=0.02)
    assert averages[-1] == pytest.approx(100.0, abs=0.05)  # a second or less before the line


def test_the_leader_at_the_first_checkpoint_leads_by_the_gap_of_the_source() -> None:
    leader, winner = splits("peterhansel")["CP1"], splits("baciuska")["CP1"]
    assert winner["elapsed_s"] - leader["elapsed_s"] == pytest.approx(GAP_AT_CP1_S, abs=0.2)
    assert leader["average_kmh"] == pytest.approx(43.0 / leader["elapsed_s"] * 3600, abs=0.02)


@pytest.mark.parametrize(
    ("key", "gaps"),
    [
        ("baciuska", {"CP1": 11, "ASS": 0}),
        ("peterhansel", {"CP1": 0, "ASS": 49}),
        ("price", {"CP1": 18, "ASS": 57}),
    ],
)
def test_the_gaps_to_the_leader_are_those_of_the_source(key: str, gaps: dict[str, int]) -> None:
    """The splits are still shown, with their gaps, on the liaison after the finish."""
    assert driven(key)[0]["section"]["index"] == SS11 + 1
    gap_of = {name: (split["gap_s"], split["to_beat"]) for name, split in splits(key).items()}
    assert gap_of == {
        "CP1": (gaps["CP1"], "Peterhansel"),
        "CP2": (None, None),
        "CP3": (None, None),
        "ASS": (gaps["ASS"], "Baciuska"),
    }


def test_the_arrival_that_is_expected_counts_the_refuelling_stop() -> None:
    plan = stages.plan(STAGE, STAGE.car("baciuska"))
    drive = stages.section_drive(plan, SS11)
    finish_s = next(p.t_s for p in plan.passages if p.name == "ASS") + plan.drive.utc_s - drive.utc_s
    finish = datetime.fromtimestamp(truth.START_UTC_US / 1e6 + finish_s, UTC)
    late_s = [(arrival - finish).total_seconds() for arrival in arrivals()]
    assert len(late_s) > 15
    assert max(late_s) < 600, "the average before the fast gravel is not that of the stage"
    assert min(late_s) > -600, "15 minutes of refuelling are not forgotten"
    assert abs(late_s[-1]) < 60
