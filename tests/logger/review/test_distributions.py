"""The samples of a drive as data of the page: packed columns, classes of excess, the driver, a bounded size."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.records import Channel
from logger.judgement import driving
from logger.judgement.report import Report
from logger.review import distributions
from logger.review.channels import Timeline
from logger.review.distributions import excess_edges_kmh, middle, sampled
from logger.review.packing import column
from logger.review.plotted_fixes import PlottedFixes
from logger.stage.rules import Band, default_rules
from tests.logger import drives
from tests.logger.comparison.compared import review_of
from tests.logger.review.packed_columns import unpacked

RPM = Channel("rpm", "1/min", "test")


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, 5, np.nan, 6],
        [3],
        [np.nan],
        [],
        [0.1, 0.25, 99.3, -1e30, 1e30],
        [*range(255), np.nan],
        [*range(-1, 256), np.nan],
        [*range(0, 65_535, 7)],
        [*range(0, 1_000_000, 999)],
        [*np.linspace(-1e30, 1e30, 1000)],
        [*np.linspace(0.1, 0.2, 1000), np.nan],
    ],
    ids=len,
)
def test_packed_columns_come_back(values: list[float]) -> None:
    numbers = np.array(values, dtype=np.float64)
    known = np.isfinite(numbers)
    back = unpacked(column(numbers))
    assert (np.isfinite(back) == known).all()
    span = float(np.ptp(numbers[known])) if known.any() else 0.0
    assert back[known] == pytest.approx(numbers[known], rel=1e-6, abs=span / 131_000)
    if span <= 65_534 and (numbers[known] == np.round(numbers[known])).all():
        assert (back[known] == numbers[known]).all()


def test_the_middle_is_weighted_by_time() -> None:
    values = np.array([1.0, 2.0, 3.0, np.nan])
    assert middle(values, np.array([0.0, 1000.0, 1.0, 9.0])) == [2, 2]
    assert middle(values, np.array([20.0, 1.0, 20.0, 9.0])) == [1, 3]
    assert middle(values[3:], np.array([1.0])) == [0, 1]


def test_edges_of_the_excess_are_those_of_the_rules() -> None:
    assert excess_edges_kmh(default_rules()) == [0, 1, 6, 10, 20, 40]
    many = tuple(Band(1.0, over_kmh) for over_kmh in range(1, 300))
    penalties = dataclasses.replace(default_rules().penalties, bands=many)
    rules = dataclasses.replace(default_rules(), penalties=penalties)
    assert excess_edges_kmh(rules) == [*range(9), 10, 20, 40]


def timeline_of(report: Report) -> Timeline:
    return Timeline(PlottedFixes(report), report.engine, report.evidence.offsets_us)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    log = drives.write_log(tmp_path_factory.mktemp("samples") / "a.db", drives.fixes(drives.plan(), hz=5))
    return review_of(log)


def test_the_time_above_the_limit_is_that_of_the_overspeed(report: Report) -> None:
    document = sampled(report, timeline_of(report))
    assert document is not None
    seconds = unpacked(document["seconds"])
    channels = {channel["key"]: unpacked(channel["column"]) for channel in document["channels"]}
    over = channels[distributions.OVER]
    [overspeed] = report.overspeeds
    assert seconds[over > 0].sum() == pytest.approx(overspeed.duration_s, abs=1.0)  # the tolerance, too
    assert np.nanmax(over) == pytest.approx(overspeed.over_kmh, abs=1)
    assert seconds.sum() == pytest.approx(
        (
            report.evidence.fixes.at_us[report.samples.at[-1]]
            - report.evidence.fixes.at_us[report.samples.at[0]]
        )
        / 1e6,
        abs=0.5,
    )
    assert document["driver_rule"] == ""
    assert driving.pedals(report.samples.channels) is None


def driver_of(folder: Path, every_us: int, brake_after_us: int) -> tuple[dict[str, float], str]:
    """The shares of the driver's states on the page, by name, and the card's note."""
    plan = drives.plan()
    readings = drives.DrivenReadings(plan, every_us, brake_after_us)
    path = folder / f"{every_us}-{brake_after_us}.db"
    drives.write_log(path, drives.fixes(plan, hz=5), readings=readings)
    report = review_of(path)
    document = sampled(report, timeline_of(report))
    assert document is not None
    seconds = unpacked(document["seconds"])
    states = [unpacked(c["column"]) for c in document["channels"] if c["key"] == distributions.DRIVER]
    if not states:
        return {}, document["driver_rule"]
    known = seconds[np.isfinite(states[0])].sum()
    shares = {name: seconds[states[0] == at].sum() / known for at, name in enumerate(driving.STATES)}
    return shares, document["driver_rule"]


def test_the_driver_is_known_only_where_both_pedals_are_of_the_same_second(tmp_path: Path) -> None:
    """Read each 6 s in turn, throttle and brake overlap only because both are held."""
    often, rule = driver_of(tmp_path, 200_000, 0)
    assert rule.startswith("throttle: ")
    seldom, _ = driver_of(tmp_path, 6_000_000, 0)
    assert seldom == pytest.approx(often, abs=0.05)
    assert often["throttle and brake"] < 0.02
    assert driver_of(tmp_path, 6_000_000, 3_000_000) == ({}, distributions.NO_COMMON_SAMPLES)


def test_many_channels_fit_on_the_page(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributions, "MAX_VALUES", 1200)
    monkeypatch.setattr(distributions, "MIN_SAMPLES", 400)
    document = sampled(report, timeline_of(report))
    assert document is not None
    assert [channel["key"] for channel in document["channels"]] == [
        distributions.SPEED,
        distributions.OVER,
        "engine.rpm",
    ]
    assert document["left_out"] == 1
    assert len(unpacked(document["seconds"])) < 1000
    assert unpacked(document["seconds"]).sum() == pytest.approx(float(report.samples.seconds.sum()), rel=1e-3)
