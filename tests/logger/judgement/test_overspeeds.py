"""Gain and sustained time of over-speeds, from the line through the speeds of the fixes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.overspeeds import overspeeds_of
from logger.judgement.report import Report, report_of
from logger.stage.limits import KMH
from tests.logger import drives


def reviewed(path: Path) -> Report:
    with open_evidence(path, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.write_log(tmp_path_factory.mktemp("overspeeds") / "log.db", drives.fixes(drives.plan(600)))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2, 0.29, 0.5])
def test_sustained_time_is_that_of_the_line_through_the_fixes(log: Path, share: float) -> None:
    """Against a sample per millisecond."""
    report = reviewed(log)
    at_us, mps = report.evidence.fixes.at_us, report.places.mps.copy()
    rng = np.random.default_rng(7)
    mps += rng.normal(0, 0.4, len(mps))  # crosses the value many times
    [over] = overspeeds_of(report.evidence, mps, np.zeros(len(mps)), share)
    samples = np.interp(np.arange(over.at_us, over.at_us + over.duration_s * 1e6, 1000), at_us, mps)
    runs = "".join("1" if above else " " for above in samples > 50 * (1 + share) / KMH).split()
    assert over.sustained_s == pytest.approx(max(map(len, runs), default=0) / 1000, abs=0.011)


def test_an_overspeed_that_lasts_for_years_is_judged_with_the_others(log: Path, tmp_path: Path) -> None:
    """No recorder writes it; it costs neither memory nor the review."""
    path = tmp_path / "years.db"
    path.write_bytes(log.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        (text,) = connection.execute("SELECT detail FROM event WHERE kind = 'overspeed'").fetchone()
        for change in ({"duration_s": 1e9}, {"limit_kmh": 0}, {"limit_kmh": -50.0}):
            detail = json.dumps(json.loads(text) | change)
            connection.execute("INSERT INTO event VALUES (1, 5, 'overspeed', ?)", (detail,))
        connection.commit()
    report = reviewed(path)
    assert sorted(over.duration_s for over in report.overspeeds)[-1] == 1e9
    assert len(report.overspeeds) == 2
    assert any("2 invalid values or events" in remark for remark in report.remarks)
