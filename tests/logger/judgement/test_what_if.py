"""A drive under other rules: the same over-speeds as a review under them finds, from one pass for all files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.errors import StagelogError
from logger.judgement import what_if
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.recompute import recompute
from logger.judgement.report import Report, report_of
from logger.judgement.ruling import ruling_of
from logger.judgement.waypoints import WaypointReport
from logger.judgement.what_if import WhatIf, what_ifs
from logger.review.judged_page import MAX_FILES
from logger.review.verbs import review
from logger.stage.rules import Rules, load
from tests.logger import drives
from tests.logger.judgement.test_odd_logs import driven

PLAN = drives.plan(600)
FIXES = drives.fixes(PLAN)
TEXTS = {
    "tolerant": "[speed]\ntolerance_kmh = 12\n",
    "strict": "[speed]\ntolerance_kmh = 0\nimpulse_m = 60\n",
    "slow": '[[class]]\nname = "Stock"\nmax_speed_kmh = 100\n',
    "cheap": "[penalties]\nrepeat_penalty_s = 0\n[[penalties.band]]\npenalty_s = 7\n[missed]\ndefault_s = 33\n",
}


def rules(name: str) -> Rules:
    return load(f'name = "{name}"\n{TEXTS[name]}', name)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.write_log(tmp_path_factory.mktemp("what_if") / "log.db", FIXES)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sets of rules of each recomputation."""
    made: list[int] = []

    def counted(evidence, stage, *more):  # type: ignore[no-untyped-def]
        made.append(len(stage.others))
        return recompute(evidence, stage, *more)

    monkeypatch.setattr(what_if, "recompute", counted)
    return made


def judged(
    path: Path, *others: Rules, options: ReviewOptions | None = None
) -> tuple[Report, dict[str, WhatIf]]:
    options = options or ReviewOptions()
    with open_evidence(path, options, lambda _done: None) as (evidence, used, connection):
        report = report_of(evidence, used, connection)
        found = what_ifs(report, others, connection, options.section)
    return report, {other.name: other for other in found}


def reviewed(path: Path, folder: Path, name: str, section: int | None = None) -> Report:
    """The drive under other rules as `review --rules FILE` judges it."""
    file = folder / f"{name}.toml"
    file.write_text(f'name = "{name}"\n{TEXTS[name]}')
    return judged(path, options=ReviewOptions(rules=str(file), section=section))[0]


def test_every_model_without_another_pass(log: Path, passes: list[int]) -> None:
    report, found = judged(log)
    assert list(found) == [f"rally-raid 2026, {model}" for model in ("rallysafe", "rallycheck", "over_time")]
    for name, other in found.items():
        again, _ = judged(log, options=ReviewOptions(rules=name.split()[-1].replace("_", "")))
        assert other.ruling == again.ruling
        assert other.ruling.overspeeds == report.overspeeds
    assert len({report.penalty_s, *(other.ruling.penalty_s for other in found.values())}) == 4
    assert passes == []


def test_rules_that_only_price_differently_need_no_pass(log: Path, tmp_path: Path, passes: list[int]) -> None:
    _, found = judged(log, rules("cheap"))
    assert found["cheap, bands"].ruling.penalty_s == 28
    assert found["cheap, bands"].ruling.sections == reviewed(log, tmp_path, "cheap").ruling.sections
    assert passes == []


def test_files_with_other_limits_share_one_pass(log: Path, tmp_path: Path, passes: list[int]) -> None:
    report, found = judged(log, rules("tolerant"), rules("strict"), rules("slow"), rules("cheap"))
    assert passes == [3]
    for name in ("tolerant", "strict", "slow"):
        assert found[f"{name}, bands"].ruling == reviewed(log, tmp_path, name).ruling
        assert found[f"{name}, bands"].ruling.overspeeds != report.overspeeds
    assert len(found["slow, bands"].ruling.overspeeds) > len(report.overspeeds)


def test_a_power_cut_within_an_overspeed(tmp_path: Path) -> None:
    """The second session continues it, for each of the rules."""
    [whole] = judged(drives.write_log(tmp_path / "whole.db", FIXES))[0].overspeeds
    cut_us = round(whole.at_us + whole.duration_s * 5e5 - PLAN.drive.utc_s * 1e6)
    before = [fix for fix in FIXES if fix.t_us < cut_us]
    after = [fix._replace(t_us=fix.t_us - cut_us + 50_000) for fix in FIXES if fix.t_us >= cut_us]
    path = driven(tmp_path / "cut.db", [before, after], {}, gap_s=0.2)
    report, found = judged(path, rules("tolerant"), rules("strict"))
    assert len(report.overspeeds) == 1
    for name in ("tolerant", "strict"):
        assert found[f"{name}, bands"].ruling == reviewed(path, tmp_path, name).ruling
        assert len(found[f"{name}, bands"].ruling.overspeeds) == 1


def test_only_one_section_and_another_device(tmp_path: Path) -> None:
    track = drives.write_gpx(tmp_path / "track.gpx", FIXES)
    stage = tmp_path / "stage.toml"
    stage.write_text(drives.ITINERARY)
    options = ReviewOptions(itinerary=stage, section=0)
    report, found = judged(track, rules("strict"), options=options)
    strict = tmp_path / "strict.toml"
    strict.write_text(f'name = "strict"\n{TEXTS["strict"]}')
    again, _ = judged(track, options=ReviewOptions(itinerary=stage, section=0, rules=str(strict)))
    assert found["strict, bands"].ruling == again.ruling
    assert len(again.overspeeds) >= len(report.overspeeds) > 0


def test_the_default_rules_are_offered_to_a_team_with_its_own(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f'name = "own"\n{TEXTS["cheap"]}')
    _, found = judged(log, options=ReviewOptions(rules=str(path)))
    assert [*found] == ["own, rallysafe", "own, rallycheck", "own, over_time", "rally-raid 2026, bands"]
    path.write_text(
        f'name = "own"\n{TEXTS["strict"]}'
    )  # the defaults find other over-speeds: a pass that nobody asked for
    _, found = judged(log, options=ReviewOptions(rules=str(path)))
    assert [*found] == ["own, rallysafe", "own, rallycheck", "own, over_time"]


def test_the_same_rules_twice_are_offered_once(log: Path) -> None:
    _, found = judged(log, rules("cheap"), rules("cheap"), load('name = "copy"', "copy"))
    assert [*found][3:] == ["cheap, bands"]


def test_nothing_is_offered_for_a_drive_that_is_not_judged(tmp_path: Path) -> None:
    track = drives.write_gpx(tmp_path / "track.gpx", FIXES)
    assert judged(track, rules("strict"))[1] == {}


class Counted(tuple[WaypointReport, ...]):
    """Counts how often it is read."""

    times = 0

    def __iter__(self) -> Iterator[WaypointReport]:
        Counted.times += 1
        return super().__iter__()


def test_the_time_of_a_ruling_is_linear(log: Path) -> None:
    """A log from a stranger may have a hundred thousand sections and over-speeds."""
    report, _ = judged(log)
    day = report.day._replace(sections=report.day.sections * 1000)
    ruling = ruling_of(report.overspeeds, report.rules, day, Counted(report.waypoints), frozenset({0}))
    assert len(ruling.sections) == 2000
    assert Counted.times == 1
    assert ruling.sections[:2] == report.ruling.sections


def run(*arguments: object) -> Result:
    return CliRunner().invoke(review, [str(argument) for argument in arguments], standalone_mode=False)


def test_the_option(log: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "strict.toml", tmp_path / "page.html"
    file.write_text(f'name = "strict"\n{TEXTS["strict"]}')
    assert run(log, "--html", page, "--what-if", file).return_value == 0
    assert "what if: strict, bands: penalty" in page.read_text()
    missing = run(log, "--html", page, "--what-if", tmp_path / "none.toml").exception
    assert isinstance(missing, StagelogError) and missing.exit_code == 64 and "none.toml" in str(missing)
    assert "give --html too" in str(run(log, "--what-if", file).exception)
    many = [word for _ in range(MAX_FILES + 1) for word in ("--what-if", file)]
    assert f"{MAX_FILES + 1} rules files" in str(run(log, "--html", page, *many).exception)
