"""Samples of a drive: values as in the export's join, seconds that add up, and what the page gets of them."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.records import Channel
from logger.export import as_of_join
from logger.export.as_of_join import OLDEST_US
from logger.judgement import driving, samples
from logger.judgement.evidence import Fixes
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.judgement.samples import Samples
from logger.logfile.selection import select
from logger.review import distributions
from logger.review.channels import Timeline
from logger.review.distributions import excess_edges_kmh, middle, sampled
from logger.review.packing import column
from logger.review.plotted_fixes import PlottedFixes
from logger.stage.rules import Band, default_rules
from tests.logger import drives
from tests.logger.review.packed_columns import unpacked

RPM = Channel("rpm", "1/min", "test")


def fixes(t_us: list[int], session: list[int] | None = None, at_us: list[int] | None = None) -> Fixes:
    numbers = np.array(t_us, dtype=np.float64)
    none = np.full(len(numbers), np.nan)
    sessions = np.array(session or [1] * len(numbers), dtype=np.float64)
    return Fixes(sessions, numbers, np.array(at_us or t_us, dtype=np.float64), *([none] * 9))


def made(of: Fixes, near: list[int] | None = None) -> Samples:
    marked = np.zeros(len(of.t_us), dtype=bool)
    marked[near or []] = True
    return Samples(of, np.arange(len(of.t_us)), marked)


def take(into: Samples, t_us: list[int], value: list[float], session: list[int] | None = None) -> None:
    into.take(RPM, np.array(session or [1] * len(t_us)), np.array(t_us), np.array(value))


def test_the_newest_value_at_or_before_each_fix() -> None:
    drive = made(fixes([0, 1_000_000, 2_000_000, 3_000_000, 20_000_000]))
    take(drive, [500_000, 1_000_000, 1_000_001], [1.0, 2.0, 3.0])
    take(drive, [2_999_999, 3_000_001], [4.0, 5.0])
    assert drive.channels[RPM].tolist() == pytest.approx([np.nan, 2, 3, 4, np.nan], nan_ok=True)


def test_an_old_value_is_unknown() -> None:
    drive = made(fixes([OLDEST_US, OLDEST_US + 1]))
    take(drive, [0], [7.0])
    assert drive.channels[RPM].tolist() == pytest.approx([7, np.nan], nan_ok=True)


def test_sessions_do_not_mix() -> None:
    """The second session's times begin again; its fixes have no value of the first."""
    drive = made(fixes([0, 1_000_000, 0, 1_000_000], [1, 1, 2, 2], [0, 1_000_000, 60_000_000, 61_000_000]))
    take(drive, [0, 900_000, 500_000], [1.0, 2.0, 3.0], [1, 1, 2])
    assert drive.channels[RPM].tolist() == pytest.approx([1, 2, np.nan, 3], nan_ok=True)
    assert drive.seconds.tolist() == [0.5, 0.5, 0.5, 0.5]  # the minute without power is nobody's


def test_values_that_are_no_numbers_are_not_taken() -> None:
    drive = made(fixes([1_000_000]))
    take(drive, [0, 1, 2, 3, 4], [5.0, np.nan, np.inf, 1e300, -1e39])
    take(drive, [5], [np.nan])
    assert drive.channels[RPM].tolist() == [5.0]


def test_a_drive_without_fixes() -> None:
    drive = made(fixes([]))
    take(drive, [0], [1.0])
    assert not len(drive.seconds)
    assert not len(drive.thinned(10)[0])


@pytest.mark.parametrize("most", [5, 40, 333, 5000])
def test_thinned_samples_stand_for_the_same_time(most: int) -> None:
    drive = made(fixes([100_000 * n for n in range(1000)]), near=[500, 501, 502])
    kept, seconds = drive.thinned(most)
    assert seconds.sum() == pytest.approx(99.9)
    assert len(kept) <= most + 4
    assert {500, 501, 502} <= set(kept.tolist())
    assert (kept[0], kept[-1]) == (0, 999)


def test_channels_are_bounded_and_the_known_ones_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_CHANNELS", 2)
    drive = made(fixes([0]))
    for name in ("a", "b", "c", "rpm"):
        drive.take(Channel(name, "", "test"), np.array([1]), np.array([0]), np.array([1.0]))
    assert [channel.name for channel in drive.channels] == ["a", "b", "rpm"]
    assert [channel.name for channel in drive.left_out] == ["c"]


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
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.write_log(tmp_path_factory.mktemp("samples") / "a.db", drives.fixes(drives.plan(), hz=5))


@pytest.fixture(scope="module")
def report(log: Path) -> Report:
    with open_evidence(log, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


def test_samples_equal_the_joined_export(log: Path, report: Report) -> None:
    """The join of `export --format csv` is an independent way to the same values."""
    with closing(sqlite3.connect(log)) as connection:
        joined = list(as_of_join.rows(connection, select(connection), lambda _done: None))
        _, titles = as_of_join.channel_titles(connection)
    t_us = np.concatenate([block.fixes.t_us for block in joined])
    beside = np.concatenate([block.beside for block in joined])
    rows = np.searchsorted(t_us, report.evidence.fixes.t_us[report.samples.at])
    names = {
        title.partition(" ")[0]: column for column, title in enumerate(titles, len(as_of_join.STAGE_COLUMNS))
    }
    assert {channel.name for channel in report.samples.channels} == set(names) == {"battery_v", "rpm"}
    for channel, values in report.samples.channels.items():
        assert values == pytest.approx(beside[rows, names[channel.name]].astype(np.float32), nan_ok=True)


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
