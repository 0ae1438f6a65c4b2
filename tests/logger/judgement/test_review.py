"""Review of a known drive: from its log, from other devices' files, and under other rules."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.errors import StagelogError
from logger.config import configuration as configs
from logger.demo.timetable import REACTION_S
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.logfile.rows import Rows
from logger.logfile.store import Log, SessionStart
from logger.review.html import page
from logger.review.json import document
from logger.review.verbs import review
from tests.logger import drives

SECONDS = 600
PLAN = drives.plan(SECONDS)
FIXES = drives.fixes(PLAN)
NO_BAR: Callable[[float], None] = lambda _share: None  # noqa: E731


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("review")


@pytest.fixture(scope="module")
def log(folder: Path) -> Path:
    return drives.write_log(folder / "short.db", FIXES)


@pytest.fixture(scope="module")
def itinerary(folder: Path) -> Path:
    path = folder / "short.toml"
    path.write_text(drives.ITINERARY)
    return path


def report(path: Path, options: ReviewOptions | None = None) -> Report:
    with open_evidence(path, options or ReviewOptions(), NO_BAR) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


def document_of(path: Path, options: ReviewOptions | None = None) -> dict[str, Any]:
    review_document: dict[str, Any] = json.loads(json.dumps(document(report(path, options)), allow_nan=False))
    return review_document


def run(*arguments: object) -> Result:
    return CliRunner().invoke(review, [str(argument) for argument in arguments], standalone_mode=False)


def test_the_section_is_as_driven(log: Path) -> None:
    section, home = document_of(log)["sections"]
    assert (home["kind"], home["name"]) == ("liaison", "Home")
    assert section["elapsed_s"] == pytest.approx(SECONDS, abs=0.05)
    assert section["distance_km"] == pytest.approx(14.0, abs=0.01)
    assert section["finished"] is True
    assert section["average_kmh"] == pytest.approx(14.0 / SECONDS * 3600, abs=0.05)  # the whole section
    assert section["splits"][-1]["average_kmh"] == pytest.approx(section["average_kmh"], abs=0.05)
    assert [split["name"] for split in section["splits"]] == ["CP1", "ASS"]
    at = {passage.kind: passage.t_s for passage in PLAN.passages}
    assert section["splits"][0]["elapsed_s"] == pytest.approx(at["cp"] - PLAN.sections[0][0], abs=0.05)
    assert section["moving_average_kmh"] >= section["average_kmh"]
    assert section["max_kmh"] == pytest.approx(max(fix.speed_mps or 0 for fix in FIXES) * 3.6, abs=0.06)


def test_the_overspeed_has_its_place_and_size(log: Path) -> None:
    review_document = document_of(log)
    [over] = review_document["overspeeds"]
    assert over["km"] == pytest.approx(drives.OVER_KM, abs=0.05)
    assert over["distance_m"] == pytest.approx(1000 * (drives.OVER_TO_KM - drives.OVER_KM), abs=60)
    assert over["limit_kmh"] == 50
    assert 60 < over["max_kmh"] <= drives.OVER_KMH + 0.5
    assert over["impulses"] == 1 + int(over["distance_m"] // 150)
    assert over["gained_m"] == pytest.approx(over["distance_m"] - 50 / 3.6 * over["duration_s"], abs=1.0)
    assert review_document["penalty_s"] == over["penalty_s"] == 600


def test_waypoints_and_the_neutralisation(log: Path) -> None:
    review_document = document_of(log)
    assert [point["validated"] for point in review_document["waypoints"]] == [True] * 8
    assert all(point["nearest_m"] < 5 for point in review_document["waypoints"])
    [pause] = review_document["neutralisations"]
    assert pause["took_s"] == pytest.approx(90 + REACTION_S, abs=0.1)
    assert pause["early_s"] == 0


def test_the_contract_of_the_json(log: Path) -> None:
    review_document = document_of(log)
    assert {
        "log",
        "car",
        "stage",
        "sections",
        "overspeeds",
        "waypoints",
        "engine",
        "quality",
        "penalty_s",
        "rules",
    } <= set(review_document)
    assert {
        "index",
        "kind",
        "name",
        "length_km",
        "distance_km",
        "elapsed_s",
        "average_kmh",
        "moving_average_kmh",
        "max_kmh",
        "splits",
    } <= set(review_document["sections"][0])
    assert {
        "section",
        "zone",
        "km",
        "utc",
        "duration_s",
        "distance_m",
        "max_kmh",
        "limit_kmh",
        "impulses",
        "penalty_s",
    } <= set(review_document["overspeeds"][0])
    assert {"name", "kind", "km", "validated", "nearest_m", "utc"} <= set(review_document["waypoints"][0])
    assert review_document["engine"]["rpm"] == {
        **{"min": 3000, "max": 3000, "mean": 3000},
        **{"unit": "1/min", "title": "Engine speed"},
    }
    low, high = review_document["engine"]["battery_v"]["min"], review_document["engine"]["battery_v"]["max"]
    assert review_document["engine"]["battery_v"]["mean"] == pytest.approx((low + high) / 2, rel=1e-4)
    assert review_document["car"]["number"] == 71


def test_recomputed_rows_equal_the_recorded_ones(log: Path, folder: Path) -> None:
    """Rules that only change an alarm recompute the drive, with the same result."""
    rules = folder / "alarm.toml"
    rules.write_text('[[alarm]]\nname = "mine"\nwhen = "rpm > 9000"\n')
    recorded, again = document_of(log), document_of(log, ReviewOptions(rules=str(rules)))
    for key in ("sections", "overspeeds", "waypoints", "neutralisations", "engine", "penalty_s"):
        assert again[key] == recorded[key], key


def test_tolerant_rules_give_no_overspeed(log: Path, folder: Path) -> None:
    rules = folder / "mild.toml"
    rules.write_text("[speed]\ntolerance_kmh = 20\n")
    assert document_of(log, ReviewOptions(rules=str(rules)))["overspeeds"] == []


@pytest.mark.parametrize("model", ["rallysafe", "rallycheck", "overtime"])
def test_another_model_charges_the_same_evidence(log: Path, model: str) -> None:
    banded, other = document_of(log), document_of(log, ReviewOptions(rules=model))
    assert other["penalty_s"] != banded["penalty_s"] > 0
    changed = [{**over, "penalty_s": 0} for over in other["overspeeds"]]
    assert changed == [{**over, "penalty_s": 0} for over in banded["overspeeds"]]


@pytest.mark.slow
@pytest.mark.parametrize(("write", "within_s"), [(drives.write_nmea, 0.1), (drives.write_gpx, 2.5)])
def test_another_device_against_the_itinerary(
    log: Path, folder: Path, itinerary: Path, write: Callable[[Path, Any], Path], within_s: float
) -> None:
    """Without a speed the start is known to two seconds only; the car crosses the finish at speed."""
    path = write(folder / f"other.{write.__name__}", FIXES)
    ours, theirs = document_of(log), document_of(path, ReviewOptions(itinerary=itinerary, car_class="Stock"))
    assert theirs["sections"][0]["elapsed_s"] == pytest.approx(ours["sections"][0]["elapsed_s"], abs=within_s)
    assert [p["validated"] for p in theirs["waypoints"]] == [True] * 8
    assert len(theirs["overspeeds"]) == 1
    assert theirs["overspeeds"][0]["km"] == pytest.approx(ours["overspeeds"][0]["km"], abs=0.05)


def test_a_missed_waypoint_has_a_penalty_and_a_nearest_distance(folder: Path) -> None:
    moved = drives.ITINERARY.replace("lat = 21.6366\n  lon = 40.7240", "lat = 21.6366\n  lon = 40.7480")
    review_document = document_of(drives.write_log(folder / "missed.db", FIXES, itinerary=moved))
    missed = [point for point in review_document["waypoints"] if not point["validated"]]
    assert [(point["name"], point["state"]) for point in missed] == [("WPM1", "missed")]
    assert missed[0]["nearest_m"] > 1000
    assert review_document["penalty_s"] == review_document["overspeeds"][0]["penalty_s"] + 900


def test_a_gap_is_reported_and_estimated(folder: Path) -> None:
    begun = PLAN.sections[0][0] + 60
    holed = [fix for fix in FIXES if not begun < fix.t_us / 1e6 < begun + 20]
    quality = document_of(drives.write_log(folder / "gap.db", holed))["quality"]
    assert quality["gaps"] == 1
    assert quality["longest_gap_s"] == pytest.approx(20, abs=0.5)
    assert quality["estimated_m"] > 200


def test_implausible_speeds_are_counted(folder: Path) -> None:
    fixes = [fix._replace(speed_mps=400.0) if number % 10 == 5 else fix for number, fix in enumerate(FIXES)]
    log = drives.write_log(folder / "implausible.db", fixes)
    count = sum(fix.speed_mps == 400.0 for fix in fixes)
    assert document_of(log)["quality"]["speeds_rejected"] == count
    assert document_of(log, ReviewOptions(section=0))["quality"]["speeds_rejected"] == count, "recomputed"
    assert f"{count} implausible speeds" in run(log).output


def test_a_truncated_log_is_reviewed_up_to_its_end(log: Path, folder: Path) -> None:
    cut = folder / "cut.db"
    cut.write_bytes(log.read_bytes()[: log.stat().st_size * 6 // 10])
    result = run(cut)
    assert result.return_value == 74
    assert "fixes" in result.output
    assert "damaged" in result.output


def test_a_log_without_a_fix(folder: Path) -> None:
    result = run(drives.write_log(folder / "none.db", []))
    assert result.return_value == 74
    assert "no fix with a position" in result.output


@pytest.mark.parametrize(("name", "content"), [("empty.db", b""), ("text.db", b"hello\n" * 100)])
def test_a_file_that_is_not_a_recording_is_a_one_line_error(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    result = run(folder / name)
    assert isinstance(result.exception, StagelogError)
    assert result.exception.exit_code == 74
    assert "\n" not in str(result.exception)


def test_a_database_of_another_program_is_a_one_line_error(folder: Path) -> None:
    connection = sqlite3.connect(folder / "foreign.db")
    connection.execute("CREATE TABLE a (b)")
    connection.commit()
    connection.close()
    result = run(folder / "foreign.db")
    assert isinstance(result.exception, StagelogError)
    assert "not a stagelog log" in str(result.exception)


def test_the_itinerary_of_another_stage(log: Path, folder: Path) -> None:
    other = folder / "elsewhere.toml"
    other.write_text(drives.ITINERARY.replace("lat = 21.", "lat = -21."))
    result = run(log, "--itinerary", other)
    assert result.return_value == 64
    assert "of another place" in result.output


def test_the_page_is_complete_and_loads_nothing(folder: Path) -> None:
    car = configs.Car(71, "x", "Stock", ("</script><script>alert(1)</script>",))
    text = page(report(drives.write_log(folder / "hostile.db", FIXES, car)))
    assert "alert(1)</script>" not in text
    assert "http://" not in text and "https://" not in text
    assert "src=" not in text
    for word in (
        "Sections",
        "Splits",
        "Over-speeds (1)",
        "Waypoints",
        "Neutralisations",
        "Engine",
        "Evidence",
    ):
        assert word in text


def test_a_log_that_is_being_recorded(folder: Path) -> None:
    path = folder / "open.db"
    log = Log(path)
    try:
        log.begin_session(SessionStart("test", "", "test", ""), {"itinerary": drives.ITINERARY})
        log.write(Rows(fix=FIXES[:100]))
        log.commit()
        result = run(path)
    finally:
        log.close()
    assert result.return_value == 0
    assert "still being recorded" in result.output
    assert "100 fixes" in result.output
