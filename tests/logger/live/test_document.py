"""The live document: its keys, its values, and how they age."""

from __future__ import annotations

import json

import pytest

from firmware_bridge.records import Reading
from logger.live.document import document
from tests.logger.stage import truth
from tests.logger.stage.test_live_stage import DRIVE, FIXES, VOLTS, S, stage, until
from tests.logger.stage.truth import follow, shown


def test_the_document_has_the_promised_keys_and_is_json() -> None:
    live = stage()
    empty = shown(live, 0)
    follow(live, until(200), truth.wheel(DRIVE, 1))
    full = shown(live, 200 * S)
    promised: dict[str, set[str]] = {
        "gps": {"age_s", "quality", "satellites", "hdop", "lat", "lon", "course_deg"},
        "limit": {"kmh", "reason", "over_kmh", "zone", "approaching_m", "age_s"},
        "stage": {"event", "number", "name"},
        "section": {"index", "kind", "name", "distance_km", "length_km", "remaining_km", "progress", "elapsed_s",
                    "average_kmh", "moving_average_kmh", "required_kmh", "eta_utc", "estimated", "age_s"},
        "next": {"kind", "name", "km", "distance_km", "age_s"},
    }  # fmt: skip
    for shot in (empty, full):
        json.dumps(shot, allow_nan=False)
        assert {"utc", "speed_kmh", "speed_source", "splits", "trip", "engine", "alarms"} <= shot.keys()
        for group, keys in promised.items():
            assert keys <= shot[group].keys()
        assert [{"distance_km", "average_kmh", "age_s"} <= trip.keys() for trip in shot["trip"]] == [
            True,
            True,
        ]
    assert set(full["engine"]["wheel_kmh"]) == {"value", "unit", "age_s"}
    assert {"name", "km", "elapsed_s", "average_kmh"} <= full["splits"][0].keys()
    assert empty["utc"] is None
    assert empty["speed_kmh"] is None
    assert empty["gps"]["lat"] is None


def test_the_document_agrees_with_the_truth() -> None:
    live = stage()
    follow(live, until(200.1))
    shot, here = shown(live, round(200.08 * S)), DRIVE.at(200.0)
    assert shot["utc"] == "2026-01-15T08:03:20.000Z"
    assert shot["speed_kmh"] == pytest.approx(here.speed_mps * 3.6, abs=0.1)
    assert shot["speed_source"] == "gps"
    assert shot["section"]["distance_km"] == pytest.approx((here.distance_m - 200) / 1000, abs=0.004)
    assert shot["section"]["elapsed_s"] == pytest.approx(200.0 - DRIVE.time_at(200), abs=0.1)
    assert shot["section"]["progress"] == pytest.approx((here.distance_m - 200) / 14_000, abs=0.001)
    assert shot["limit"]["kmh"] == 170
    assert shot["gps"]["age_s"] == 0


def test_values_age_and_vanish() -> None:
    live = stage()
    follow(live, until(200))
    live.readings([Reading(199 * S, VOLTS, 14.0)])
    assert shown(live, 202 * S)["gps"]["age_s"] == pytest.approx(2, abs=0.2)
    assert shown(live, 202 * S)["speed_kmh"] is not None
    old = shown(live, 206 * S)
    assert old["speed_kmh"] is None
    assert old["engine"]["battery_v"]["age_s"] == 7
    assert "battery_v" not in live.values(206 * S)


def test_the_page_and_the_table_say_the_same() -> None:
    live = stage()
    follow(live, until(200))
    row, shot = live.progress_row(200 * S), shown(live, 200 * S)
    assert row.section == shot["section"]["index"]
    assert row.distance_m / 1000 == pytest.approx(shot["section"]["distance_km"], abs=1e-4)
    assert row.elapsed_s == pytest.approx(shot["section"]["elapsed_s"], abs=1e-3)
    assert row.average_mps is not None
    assert row.average_mps * 3.6 == pytest.approx(shot["section"]["average_kmh"], abs=0.01)
    assert row.limit_kmh == shot["limit"]["kmh"]


def test_a_snapshot_does_not_change_while_the_drive_continues() -> None:
    live = stage()
    follow(live, until(200))
    live.readings([Reading(199 * S, VOLTS, 14.0)])
    shot = live.snapshot(200 * S)
    before = document(shot)
    follow(live, [fix for fix in FIXES if fix.t_us > 200 * S])
    live.readings([Reading(300 * S, VOLTS, 12.0)])
    live.command(300 * S, "reset_trip", {"trip": 1})
    assert document(shot) == before
