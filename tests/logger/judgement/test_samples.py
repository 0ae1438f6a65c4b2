"""Samples of a drive: values as in the export's join, seconds that add up, and how old a value may be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.records import Channel
from logger.export import as_of_join
from logger.export.as_of_join import OLDEST_US
from logger.judgement import samples
from logger.judgement.evidence import Fixes
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.judgement.samples import Samples
from logger.logfile.selection import select
from logger.review import json
from tests.logger import drives

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


def test_a_value_is_of_the_same_second_or_older() -> None:
    samples = made(fixes([0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]))
    take(samples, [999_999], [1.0])
    take(samples, [1_500_000, 3_900_000, 3_950_000], [2.0, np.nan, 3.0])
    assert samples.channels[RPM].tolist() == pytest.approx([np.nan, 1, 2, 2, 3], nan_ok=True)
    assert samples.same_second[RPM].tolist() == [False, True, True, False, True]


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


def test_a_review_that_is_not_drawn_judges_the_same(log: Path, report: Report) -> None:
    with open_evidence(log, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        undrawn = report_of(evidence, rules, connection, is_drawn=False)
    assert not len(undrawn.samples.at)
    assert not undrawn.samples.channels
    assert json.document(undrawn) == json.document(report)
