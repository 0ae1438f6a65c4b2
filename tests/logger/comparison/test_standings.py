"""Comparison and standings: the published figures of the built-in stage."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.comparison.compare import compare
from logger.comparison.results import Decision, Decisions, Maximum, Result, load_decisions, load_results
from logger.comparison.standings import result_of, standings
from logger.config import configuration as configs
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.review.compare_page import page
from logger.stage.rules import NotFinished
from tests.logger import drives

DEMO = Path(str(files("logger.demo")))
STAGE_11 = [
    Result(501, 11, "3:27:36", "Baciuska", "Stock"),
    Result(502, 11, "3:28:25", "Peterhansel", "Stock"),
    Result(503, 11, "3:28:33", "Price", "Stock"),
]
RULES = NotFinished()


def test_the_published_tables() -> None:
    rows = [*STAGE_11, *load_results(DEMO / "dakar_2026_results.toml")]
    stage, overall = standings(rows, load_decisions(DEMO / "dakar_2026_penalties.toml"), RULES).tables
    assert [entry.car for entry in stage.entries] == [501, 502, 503, 504]
    assert stage.gap_s[:3] == (0, 49, 57 + 1800)
    assert [entry.car for entry in overall.entries] == [501, 503, 504, 502]
    assert overall.gap_s[1] == 4 * 3600
    assert overall.entries[3].penalty_s == 24 * 3600


@pytest.mark.parametrize(("maximum", "seconds"), [((), 12_513), ((Maximum("11", 20_000),), 20_000)])
def test_not_finished_gets_the_maximum_time_plus_the_penalty(
    maximum: tuple[Maximum, ...], seconds: int
) -> None:
    rows = [*STAGE_11, Result(504, "11", finished=False, class_name="Stock")]
    [table] = standings(rows, Decisions(maxima=maximum), RULES).tables
    last = table.entries[-1]
    assert (last.car, last.total_s, last.not_finished) == (504, seconds + 36_000, ("11",))


def test_provisional_penalties_count_and_can_be_left_out() -> None:
    decisions = Decisions((Decision(501, 11, 60, "limit", "D12", "provisional"),))
    with_it, without = (
        standings(STAGE_11, decisions, RULES, imposed_only=only).tables[0] for only in (False, True)
    )
    assert [entry.car for entry in with_it.entries] == [502, 503, 501]
    assert with_it.entries[2].provisional_s == 60
    assert [entry.car for entry in without.entries] == [501, 502, 503]


def test_a_car_without_a_stage_has_no_place() -> None:
    rows = [*STAGE_11, Result(501, "10", "1:00:00"), Result(502, "10", "1:00:00")]
    _, overall = standings(rows, Decisions(), RULES).tables
    assert [entry.total_s is None for entry in overall.entries] == [False, False, True]


def test_results_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        "car,name,class,stage,time,finished\n501,B,Stock,11,3:27:36,true\n502,P,Stock,11,,false\n"
    )
    first, second = load_results(path)
    assert (first.seconds, first.finished) == (12_456, True)
    assert second.finished is False


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("car,time\n1,2:00:00\n", ":1"),
        ("car,stage,time\nx,1,2:00:00\n", ":2"),
        ("car,stage,time\n1,1,2h\n", ":2"),
    ],
)
def test_an_invalid_csv_error_names_the_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_results(tmp_path / "r.csv")
    assert raised.value.where.endswith(line)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    folder = tmp_path_factory.mktemp("pair")
    reports = []
    for number, seconds in ((81, 620), (82, 600)):
        car = configs.Car(number, "", "Stock", (f"Driver {number}",))
        seen = drives.fixes(drives.plan(seconds, over=False))
        path = drives.write_log(folder / f"{number}.db", seen, car)
        with open_evidence(path, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
            reports.append(report_of(evidence, rules, connection))
    return reports


def test_compare_sorts_by_time_and_gives_the_gap(pair: list[Report]) -> None:
    comparison = compare(pair)
    assert [car.report.evidence.car["number"] for car in comparison.cars] == [82, 81]
    assert comparison.splits[-1].behind_s == (0, 20)
    assert float(comparison.gap_s[1][-1]) == pytest.approx(20, abs=0.7)
    assert float(abs(comparison.gap_s[0]).max()) == 0
    won = sum((row.elapsed_s[1] or 0) - (row.elapsed_s[0] or 0) for row in comparison.sectors)
    assert won == pytest.approx(20, abs=0.7)
    text = page(comparison)
    assert "82 82" not in text or "Behind" in text
    assert "https://" not in text


def test_compare_needs_a_common_section(pair: list[Report]) -> None:
    with pytest.raises(ConfigurationError, match="no section 5"):
        compare(pair, 4)


def test_a_log_converts_to_a_result(pair: list[Report]) -> None:
    row = result_of(pair[1])
    assert (row.car, row.label, row.seconds, row.finished) == (82, "7", 600, True)
