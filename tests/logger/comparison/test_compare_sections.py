"""Comparison of logs whose events name sections that the itinerary does not have."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.comparison.compare import compare
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from tests.logger.drives import fixes, plan, write_log


def review_of(path: Path) -> Report:
    with open_evidence(path, ReviewOptions(), lambda _done: None) as (evidence, rules, _):
        return report_of(evidence, rules)


def test_a_section_beyond_the_itinerary_cannot_be_compared(tmp_path: Path) -> None:
    honest = review_of(write_log(tmp_path / "a.db", fixes(plan(), hz=1)))
    log = write_log(tmp_path / "b.db", fixes(plan(), hz=1))
    detail = json.dumps({"state": "started", "index": 7, "kind": "selective", "name": "SS", "cause": "crew"})
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute("INSERT INTO event VALUES (1, 2000000, 'section', ?)", (detail,))
        connection.execute("DELETE FROM meta WHERE key = 'itinerary'")
    odd = review_of(log)
    with pytest.raises(ConfigurationError, match="that all logs have"):
        compare([honest, odd], 7)
    with pytest.raises(ConfigurationError, match="no timed section that all logs have"):
        compare([odd, odd])
