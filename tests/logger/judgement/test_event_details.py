"""Invalid event details are left out of the evidence and counted."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from logger.judgement.event_details import checked_detail
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import report_of
from logger.review import json as documents
from tests.logger.drives import fixes, plan, write_log

OVERSPEED: dict[str, Any] = {
    "section": 0, "zone": "DZ", "km": 4.7, "limit_kmh": 50.0, "max_kmh": 66.0, "duration_s": 3.0, "distance_m": 50.0,
    "impulses": 1, "utc_us": None,
}  # fmt: skip
ODD: tuple[Any, ...] = (None, "x", [], {}, True, -1e12, 10**30, float("nan"), float("inf"))


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("name", ["section", "km", "limit_kmh", "duration_s", "impulses"])
def test_a_value_of_the_wrong_type_is_rejected(name: str, odd: object) -> None:
    assert checked_detail("overspeed", json.dumps(OVERSPEED)) == OVERSPEED
    assert checked_detail("overspeed", json.dumps(OVERSPEED | {name: odd})) is None


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "7", '"x"', "{", "[" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, None, 7, b"{}"],
    ids=lambda text: repr(text)[:20],
)
def test_a_detail_must_be_an_object(text: object) -> None:
    assert checked_detail("mark", text) is None


def test_an_unknown_kind_may_have_any_detail() -> None:
    assert checked_detail("later", '{"section": "x", "utc_us": 5}') == {"section": "x", "utc_us": 5}
    assert checked_detail(7, "{}") is None


def test_the_review_skips_and_counts_invalid_events(tmp_path: Path) -> None:
    log = write_log(tmp_path / "a.db", fixes(plan(), hz=1))
    before, remarks = _reviewed(log)
    assert not remarks
    with closing(sqlite3.connect(log)) as connection, connection:
        for kind, text in (
            ("overspeed", json.dumps(OVERSPEED | {"km": "x"})),
            ("waypoint", '{"state": "validated"}'),
            ("section", "null"),
            ("mark", "{"),
        ):
            connection.execute("INSERT INTO event VALUES (1, 999000000, ?, ?)", (kind, text))
        connection.execute("INSERT INTO fix SELECT * FROM fix WHERE rowid = 9")
        connection.execute(
            "UPDATE fix SET lat = 1e308, speed_mps = 1e300 WHERE rowid = (SELECT max(rowid) FROM fix)"
        )
    after, remarks = _reviewed(log)
    assert after["overspeeds"] == before["overspeeds"]
    assert after["sections"] == before["sections"]
    assert any(remark.startswith("6 invalid values or events are left out") for remark in remarks)


def _reviewed(log: Path) -> tuple[dict[str, Any], list[str]]:
    with open_evidence(log, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        report = report_of(evidence, rules, connection, {}, lambda _done: None)
    review_document = documents.document(report)
    json.dumps(review_document, allow_nan=False)
    return review_document, list(report.remarks)
