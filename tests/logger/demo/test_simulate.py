"""`stagelog simulate`: complete and plausible logs, with the published splits in their fixes."""

from __future__ import annotations

import json
import multiprocessing
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.demo import simulate, stages
from logger.logfile.verify import verify
from logger.stage import geo
from tests.field_failures.recorder_process import query
from tests.logger.command_line import stagelog
from tests.logger.short_stage import LOG, simulated

WINNER_S = 3 * 3600 + 27 * 60 + 36
SPLITS = {
    "baciuska": {"CP1": 24 * 60 + 31, "ASS": WINNER_S},
    "peterhansel": {"CP1": 24 * 60 + 31 - 11, "ASS": WINNER_S + 49},
    "price": {"ASS": WINNER_S + 57},
}
"""Elapsed times (s) as published, except those at CP1 and Price's, which are invented."""
REFUELLING_S = 900.0
SELECTIVE = 1
FIT = 3
"""A track is taken to be straight for so many fixes before and after a place."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("simulated")).parent


def count(log: Path, table: str) -> int:
    return int(str(query(log, f"SELECT count(*) FROM {table}")[0][0]))


def test_the_log_is_whole_and_full(folder: Path) -> None:
    log = folder / LOG
    assert verify(log) == []
    duration_s = int(str(query(log, "SELECT max(t_us) FROM sentence")[0][0])) / 1e6
    assert duration_s > 180
    assert count(log, "frame") == pytest.approx(100 * duration_s, rel=0.01)
    assert count(log, "fix") == pytest.approx(5 * duration_s, rel=0.01)
    assert count(log, "progress") == pytest.approx(duration_s, abs=2)
    assert count(log, "clock") >= 1
    assert count(log, "rejected") == 0
    ends = query(log, "SELECT kind FROM event WHERE kind LIKE 'session_%' ORDER BY rowid")
    assert ends == [("session_begin",), ("session_end",)]


def test_its_rows_are_plausible(folder: Path) -> None:
    log = folder / LOG
    engine = {
        str(name): (low, high)
        for name, low, high in query(
            log, "SELECT name, min(value), max(value) FROM reading JOIN channel ON id = channel GROUP BY name"
        )
    }
    assert 600 < float(str(engine["rpm"][0])) < 1000
    assert 2000 < float(str(engine["rpm"][1])) < 7000
    assert float(str(engine["battery_v"][0])) > 12.0
    assert float(str(engine["battery_v"][1])) < 15.0
    fixes = query(log, "SELECT lat, lon, speed_mps, t_us, utc_us FROM fix WHERE quality > 0 ORDER BY rowid")
    positions = [(float(str(lat)), float(str(lon))) for lat, lon, *_ in fixes]
    driven_m = sum(geo.distance_m(*a, *b) for a, b in pairwise(positions[::25]))
    assert driven_m == pytest.approx(2000, rel=0.03)
    offsets = {round((int(str(utc)) - int(str(t_us))) / 1e6) for *_, t_us, utc in fixes}
    assert len(offsets) == 1, "one clock, one drive"


def test_a_second_run_replaces_the_log(folder: Path) -> None:
    log = folder / LOG
    before = query(log, "SELECT t_us, lat, lon FROM fix")
    log.write_bytes(b"what was there before")
    assert simulated(folder.parent) == log
    assert query(log, "SELECT t_us, lat, lon FROM fix") == before
    assert [path.name for path in folder.glob("*.part*")] == []


def test_the_log_is_self_describing(folder: Path) -> None:
    meta = {str(key): value for key, value in query(folder / LOG, "SELECT key, value FROM meta")}
    assert {"format", "software", "ports", "buses", "itinerary", "dbc:demo_engine.dbc"} <= meta.keys()
    assert "There and back" in str(meta["stage"])
    info = json.loads(stagelog("info", LOG, "--json", folder=folder).out)
    assert info["state"] == "closed"
    assert [session["ended"] for session in info["sessions"]] == ["stopped"]


def passed_utc_s(fixes: list[tuple[float, float, float]], lat: float, lon: float) -> float:
    """When the track of the fixes (UTC s, lat, lon) was nearest to a place."""
    at = min(range(len(fixes)), key=lambda n: geo.distance_m(*fixes[n][1:], lat, lon))
    before, after = fixes[at - FIT], fixes[at + FIT]
    a_m, b_m = (geo.distance_m(*fix[1:], lat, lon) for fix in (before, after))
    step_m = geo.distance_m(*before[1:], *after[1:])
    # Law of cosines: how far along the way from the one to the other the place lies.
    along = (a_m**2 + step_m**2 - b_m**2) / (2 * step_m**2)
    return before[0] + along * (after[0] - before[0])


@pytest.mark.parametrize("key", SPLITS)
def test_the_splits_of_the_source_are_in_the_fixes(tmp_path: Path, key: str) -> None:
    """Recorded around the start and each split only: a whole section would take its time."""
    built_in = stages.stage("dakar-2026-11")
    car = built_in.car(key)
    day = stages.plan(built_in, car)
    passed = {p.name: p.t_s for p in day.passages if p.section == SELECTIVE}
    utc_s = {}
    for point in built_in.itinerary.sections[SELECTIVE].waypoints:
        if point.name not in {"DSS", *SPLITS[key]} or point.position is None:
            continue
        log = tmp_path / f"{point.name}.db"
        around = day.drive.between(int(passed[point.name]) - 60, int(passed[point.name]) + 20)
        simulate.record_drive(log, built_in, car, around, 5, 0, around.end_s, lambda _done: None)
        assert verify(log) == []
        rows = query(log, "SELECT utc_us, lat, lon FROM fix WHERE lat IS NOT NULL ORDER BY rowid")
        fixes = [(int(str(utc)) / 1e6, float(str(lat)), float(str(lon))) for utc, lat, lon in rows]
        utc_s[point.name] = passed_utc_s(fixes, *point.position)
    for name, published_s in SPLITS[key].items():
        paused_s = REFUELLING_S if passed[name] > passed["Refuelling"] else 0.0
        assert utc_s[name] - utc_s["DSS"] - paused_s == pytest.approx(published_s, abs=0.5), name


def test_the_gaps_are_those_reported() -> None:
    """11 s at km 43, about a minute at km 241, 49 s at the finish."""
    at = {}
    built_in = stages.stage("dakar-2026-11")
    for car in built_in.cars:
        day = stages.plan(built_in, car)
        at[car.key] = {
            passage.name: passage.t_s - day.sections[SELECTIVE][0]
            for passage in day.passages
            if passage.section == SELECTIVE
        }
    winner, second, third = at["baciuska"], at["peterhansel"], at["price"]
    assert winner["CP1"] - second["CP1"] == pytest.approx(11.0, abs=1e-3)
    assert 50 <= second["CP3"] - winner["CP3"] <= 70
    assert second["ASS"] - winner["ASS"] == pytest.approx(49.0, abs=1e-3)
    assert third["ASS"] > second["ASS"]


def test_nothing_of_the_pool_lives_on_after_a_killed_process(tmp_path: Path) -> None:
    """Its thread closes a pipe that Python writes to when it exits: a traceback beside the error in one line."""
    before = set(threading.enumerate())

    def kill_one(_share: float) -> None:
        for process in multiprocessing.active_children()[:1]:
            process.kill()

    with pytest.raises(LogError, match="a car's process was killed"):
        simulate.simulate(simulate.orders("dakar-2026-11", (), 1, 1, None, tmp_path), kill_one)
    assert set(threading.enumerate()) <= before
    assert multiprocessing.active_children() == []
