"""What a review says where there is nothing to judge: no itinerary, a section that was not driven, an unknown class."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.comparison.standings import result_of
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.judgement.waypoints import CHARGED
from logger.review.terminal import verdict
from tests.logger import drives
from tests.logger.command_line import stagelog

NOT_JUDGED = "not judged: give --itinerary"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("not_judged")
    driven = drives.fixes(drives.plan(550), 1)  # faster than the limit of SSV
    drives.write_gpx(folder / "track.gpx", driven)
    drives.write_log(folder / "log.db", driven)
    drives.write_log(folder / "no_class.db", driven, dataclasses.replace(drives.CAR, class_name=""))
    (folder / "stage.toml").write_text(drives.ITINERARY)
    return folder


def reviewed(path: Path, **options: object) -> Report:
    with open_evidence(path, ReviewOptions(**options), lambda _done: None) as (evidence, rules, _):  # type: ignore[arg-type]
        return report_of(evidence, rules)


def test_every_output_says_that_a_review_without_an_itinerary_is_not_judged(folder: Path) -> None:
    printed = stagelog("review", "track.gpx", "--html", "page.html", folder=folder)
    assert printed.code == 0, printed.err
    assert f": {NOT_JUDGED}" in printed.out
    assert "page.html: written" in printed.err
    page = (folder / "page.html").read_text()
    assert NOT_JUDGED in page
    assert "penalty none" not in page
    document = json.loads(stagelog("review", "track.gpx", "--json", folder=folder).out)
    assert (document["penalty_s"], document["not_judged"]) == (None, NOT_JUDGED)


def test_a_judged_review_says_nothing_of_it(folder: Path) -> None:
    report = reviewed(folder / "track.gpx", itinerary=folder / "stage.toml")
    assert report.not_judged == ""
    assert "not judged" not in verdict(report)


def test_an_itinerary_of_which_nothing_was_driven_gives_no_verdict(folder: Path) -> None:
    begin = drives.fixes(drives.plan(600), 1)[:30]
    report = reviewed(drives.write_gpx(folder / "begin.gpx", begin), itinerary=folder / "stage.toml")
    assert "no section of the itinerary was driven" in verdict(report)


def test_no_result_without_an_itinerary(folder: Path) -> None:
    ended = stagelog("standings", "track.gpx", folder=folder)
    assert (ended.code, ended.out) == (64, "")
    assert "track.gpx: not judged: it has no itinerary" in ended.complaint


def test_a_section_begun_and_ended_without_driving_it_has_missed_nothing(folder: Path) -> None:
    """The crew presses Section once too often in the bivouac."""
    report = reviewed(_pressed(folder, seconds=5))
    timed = [point for point in report.waypoints if point.section == 0 and point.kind in CHARGED]
    assert {point.state for point in timed} == {"not reached"}
    assert not any(point.charged for point in report.waypoints)
    assert report.penalty_s == 0.0
    assert not report.sections[0].finished
    result = result_of(report)
    assert (result.finished, result.computed_penalty_s) == (False, 0.0)


def test_a_section_left_in_its_middle_has_missed_the_rest(folder: Path) -> None:
    report = reviewed(_pressed(folder, seconds=500))
    states = {point.state for point in report.waypoints if point.section == 0}
    assert {"validated", "missed"} <= states
    assert report.penalty_s > 0


def _pressed(folder: Path, seconds: int) -> Path:
    """A log in which the crew starts the first section by hand and ends it after some seconds."""
    return drives.write_log(
        folder / f"pressed_{seconds}.db",
        drives.fixes(drives.plan(600, over=False), 1)[: seconds + 20],
        commands=((2_000_000, "start_section"), (2_000_000 + seconds * 1_000_000, "finish_section")),
    )


@pytest.mark.parametrize("log", ["track.gpx", "log.db", "no_class.db"])
def test_an_unknown_class_is_refused_with_the_list(folder: Path, log: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        reviewed(folder / log, car_class="Foo")
    assert str(caught.value) == (
        '--class: no class "Foo" in the rules; choose one of Ultimate, Stock, Challenger, SSV, Truck, Bike'
    )


def test_another_class_than_the_log_names_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match='names the class "Stock", not "SSV"'):
        reviewed(folder / "log.db", car_class="SSV")
    assert reviewed(folder / "log.db", car_class="stock").evidence.car["class"] == "Stock"


def test_the_class_holds_for_a_log_that_names_none(folder: Path) -> None:
    without, slow = reviewed(folder / "no_class.db"), reviewed(folder / "no_class.db", car_class="SSV")
    assert slow.evidence.car["class"] == "SSV"
    assert max(over.limit_kmh for over in slow.overspeeds) == 125
    assert len(slow.overspeeds) > len(without.overspeeds)
