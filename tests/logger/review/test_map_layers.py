"""Waypoints on the map: circles, and where the car crossed them; the option for the background."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.plane import Plane
from logger.judgement.report import Report, report_of
from logger.review.html import page
from logger.review.map_layers import waypoint_marks
from logger.review.verbs import review
from tests.logger import drives


def reported(path: Path) -> Report:
    with open_evidence(path, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


def marks(report: Report) -> dict[str, dict[str, Any]]:
    fixes = report.evidence.fixes
    plane = Plane(fixes.lat[fixes.located], fixes.lon[fixes.located])
    return {mark["label"]: mark for mark in waypoint_marks(report, plane)}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.write_log(tmp_path_factory.mktemp("layers") / "a.db", drives.fixes(drives.plan(), hz=2))


def away_m(mark: dict[str, Any]) -> float:
    return float(np.hypot(mark["at"][0] - mark["e"], mark["at"][1] - mark["n"]))


def test_the_car_crossed_a_waypoint_as_near_as_the_event_says(log: Path) -> None:
    report = reported(log)
    shown = marks(report)
    for point in report.waypoints:
        assert point.nearest_m is not None
        assert away_m(shown[point.name]) == pytest.approx(point.nearest_m, abs=1.5), point.name
    assert [shown[name]["r"] for name in ("WPM1", "DZ 4.00", "CP1")] == [90, 90, 90]


def test_a_missed_waypoint_shows_the_nearest_point_of_the_line(tmp_path: Path) -> None:
    """Its place is a kilometre east of the road."""
    itinerary = drives.ITINERARY.replace(
        "lat = 21.6366\n  lon = 40.7240", "lat = 21.6366\n  lon = 40.7340\n  clear_m = 30"
    )
    path = drives.write_log(tmp_path / "a.db", drives.fixes(drives.plan(), hz=2), itinerary=itinerary)
    report = reported(path)
    mark = marks(report)["WPM1"]
    assert (mark["state"], mark["r"]) == ("missed", 30)
    nearest_m = next(point.nearest_m for point in report.waypoints if point.name == "WPM1")
    assert nearest_m is not None and nearest_m > 500
    assert away_m(mark) == pytest.approx(nearest_m, abs=2)


def test_a_waypoint_without_coordinates_is_where_the_car_was(tmp_path: Path) -> None:
    itinerary = drives.ITINERARY.replace("  lat = 21.6864\n  lon = 40.7360\n", "")
    report = reported(
        drives.write_log(tmp_path / "a.db", drives.fixes(drives.plan(), hz=2), itinerary=itinerary)
    )
    hidden, known = marks(report)["CP1"], marks(reported_with_coordinates(tmp_path))["CP1"]
    assert (hidden["e"], hidden["n"]) == (None, None)
    assert hidden["at"] == pytest.approx(known["at"], abs=40)


def reported_with_coordinates(folder: Path) -> Report:
    return reported(drives.write_log(folder / "b.db", drives.fixes(drives.plan(), hz=2)))


def test_a_drive_without_fixes_has_a_page(tmp_path: Path) -> None:
    report = reported(drives.write_log(tmp_path / "a.db", []))
    assert all(mark["at"] is None for mark in marks(report).values())
    assert '"samples":null' in page(report)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(review, [str(argument) for argument in arguments], standalone_mode=False)


def test_a_background_on_the_page(log: Path, tmp_path: Path) -> None:
    roads = tmp_path / "roads.geojson"
    roads.write_text(json.dumps({"type": "LineString", "coordinates": [[40.70, 21.62], [40.78, 21.74]]}))
    assert run(log, "--html", tmp_path / "a.html", "--background", roads).exception is None
    text = (tmp_path / "a.html").read_text()
    assert '"background":{"lines":{' in text
    assert "background:" not in text.partition("<div")[0].partition("<header>")[2]
    far = tmp_path / "far.geojson"
    far.write_text(json.dumps({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}))
    assert run(log, "--html", tmp_path / "b.html", "--background", far).exception is None
    assert "background: nothing in it is near the drive" in (tmp_path / "b.html").read_text()


def test_a_wrong_background_writes_no_page(log: Path, tmp_path: Path) -> None:
    (tmp_path / "roads.geojson").write_text("{")
    ended = run(log, "--html", tmp_path / "a.html", "--background", tmp_path / "roads.geojson")
    assert "not GeoJSON" in str(ended.exception)
    assert not (tmp_path / "a.html").exists()
    ended = run(log, "--html", tmp_path / "roads.geojson", "--background", tmp_path / "roads.geojson")
    assert "this is the input" in str(ended.exception)
    assert (tmp_path / "roads.geojson").read_text() == "{"
    assert "give --html too" in str(run(log, "--background", tmp_path / "roads.geojson").exception)
