"""The printed sheet: what it is made from, what it leaves out, waypoints that are odd, colours with one meaning."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.records import Fix
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.provenance import provenance_of, rules_digest
from logger.judgement.report import Report, report_of
from logger.judgement.waypoints import EDGE_SHARE, WaypointReport
from logger.logfile.rows import Rows
from logger.logfile.store import Log, SessionStart
from logger.review.html import LEGEND, page
from logger.review.sheet import SCRIPTS, STYLES
from logger.review.steward_sheet import MAX_CHARS, MAX_ROWS, shared_out, steward_sheet
from logger.stage.rules import default_rules, load
from tests.logger import drives

FIXES = drives.fixes(drives.plan(600), 2)


def reviewed(path: Path) -> Report:
    with open_evidence(path, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.write_log(tmp_path_factory.mktemp("sheet") / "log.db", FIXES)


def test_the_digest_is_that_of_the_file(log: Path) -> None:
    text = steward_sheet(reviewed(log), provenance_of(log))
    assert hashlib.sha256(log.read_bytes()).hexdigest() in text
    assert f"SHA-256 of log.db, {log.stat().st_size:,} bytes" in text
    assert "-wal" not in text


def test_a_log_that_is_not_closed_has_a_digest_per_file(tmp_path: Path) -> None:
    """Both files together are what was reviewed."""
    path = tmp_path / "open.db"
    recording = Log(path)
    try:
        recording.begin_session(SessionStart("test", "", "test", ""), {"itinerary": drives.ITINERARY})
        recording.write(Rows(fix=FIXES[:100]))
        recording.commit()
        text = steward_sheet(reviewed(path), provenance_of(path))
        wal = path.with_name("open.db-wal")
        for part in (path, wal):
            assert hashlib.sha256(part.read_bytes()).hexdigest() in text
        for part in (path, wal):
            shutil.copy(part, tmp_path / f"copy-{part.name}")
    finally:
        recording.close()
    assert "the log is not closed" in text
    assert hashlib.sha256((tmp_path / "copy-open.db-wal").read_bytes()).hexdigest() in text


def test_the_digest_of_rules_is_of_what_they_judge_by() -> None:
    rules = default_rules()
    same = [load('name = "other"', "file"), dataclasses.replace(rules, declared=())]
    other = [
        load(text, "file")
        for text in (
            "[speed]\ntolerance_kmh = 2",
            "[missed]\nwpn_s = 3601",
            '[penalties]\nmodel = "rallysafe"',
        )
    ]
    assert {rules_digest(each) for each in same} == {rules_digest(rules)}
    assert len({rules_digest(each) for each in (rules, *other)}) == 4


@given(st.lists(st.integers(0, 500), max_size=6), st.integers(0, 60))
def test_rows_are_shared_out(wanted: list[int], rows: int) -> None:
    shares = shared_out(wanted, rows)
    assert sum(shares) == min(rows, sum(wanted))
    assert all(share <= want for share, want in zip(shares, wanted, strict=True))
    short = [share for share, want in zip(shares, wanted, strict=True) if share < want]
    assert not short or max(shares) <= min(short) + 1


def test_what_does_not_fit_is_counted(log: Path) -> None:
    report = reviewed(log)
    [over] = report.overspeeds
    overs = tuple(over._replace(at_us=over.at_us + at, max_kmh=60.0 + at) for at in range(200))
    charges = tuple(report.charges[0]._replace(penalty_s=float(at)) for at in range(200))
    points = tuple(
        report.waypoints[1]._replace(state="missed", charged=True, name="N" * 5000) for _ in range(90)
    )
    report = dataclasses.replace(
        report,
        ruling=report.ruling._replace(overspeeds=overs, charges=charges),
        waypoints=points,
        remarks=tuple("remark" for _ in range(9)),
    )
    text = steward_sheet(report, None)
    assert text.count("<tr>") == MAX_ROWS + 3  # with three heads
    assert [int(more) for more in re.findall(r"and (\d+) more in the log", text)] == [6, 189, 79]
    assert "+209.0" in text and "+10.0<" not in text  # the costliest ones
    assert "N" * MAX_CHARS not in text
    assert max(map(len, re.findall(r">([^<]*)<", text))) <= 400


def test_a_page_without_provenance_says_nothing_of_it(log: Path) -> None:
    assert "Reviewed by" not in page(reviewed(log))


@pytest.mark.parametrize(
    ("nearest_m", "odd"),
    [(EDGE_SHARE * 90 + 0.1, True), (EDGE_SHARE * 90, False), (0.0, False), (None, False)],
)
def test_the_edge(nearest_m: float | None, odd: bool) -> None:
    point = WaypointReport(0, "wpm", "WPM1", 2.0, "validated", nearest_m, 5, False, False, 90.0)
    assert (point.near_edge, point.odd) == (odd, odd)
    assert point._replace(estimated=True).odd
    assert point._replace(state="missed").odd
    assert not point._replace(state="not reached", nearest_m=89.0).odd


def without_gps(fixes: list[Fix], km: tuple[float, float]) -> list[Fix]:
    first, last = (21.62 + each / 14 * (21.7362 - 21.62) for each in km)
    return [fix for fix in fixes if fix.lat is None or not first < fix.lat < last]


def test_a_late_time_control_and_a_waypoint_without_gps_come_first(tmp_path: Path) -> None:
    control = '\ntarget_min = 5\n  [[section.waypoint]]\n  km = 2.9\n  kind = "tc"\n  name = "TC1"\n'
    itinerary = drives.ITINERARY.replace("length_km = 3.0\n", f"length_km = 3.0{control}")
    seen = without_gps(FIXES, (7.6, 8.2))
    report = reviewed(drives.write_log(tmp_path / "late.db", seen, itinerary=itinerary))
    points = {point.name: point for point in report.waypoints}
    assert points["CP1"].estimated and points["CP1"].odd
    elapsed_s = report.sections[1].elapsed_s
    assert elapsed_s is not None
    assert points["TC1"].late_s == pytest.approx(elapsed_s - 300, abs=0.1)
    assert [point.name for point in report.waypoints if point.late_s] == ["TC1"]
    text = page(report)
    assert "estimated: passed without GPS" in text
    assert f"late by 0:00:{elapsed_s - 300:.0f}" in text


DEFINED = re.compile(r"--(\w+): (#\w+);")


def _source(name: str) -> str:
    return files("logger.review").joinpath("page", name).read_text(encoding="utf-8")


def test_each_colour_has_one_meaning() -> None:
    """The table at the head of style.css is complete, both themes have each colour, and nothing has one of its own."""
    head, *_ = _source("style.css").split("*/")
    light, dark = (
        dict(DEFINED.findall(block))
        for block in re.findall(r":root \{(.*?)\}", _source("style.css"), re.DOTALL)
    )
    assert light.keys() == dark.keys()
    assert {name for name, _ in LEGEND} <= light.keys()
    for theme in (light, dark):
        values = [
            value for name, value in theme.items() if name not in ("limit", "ink", "label")
        ]  # all three are ink
        assert len(set(values)) == len(values)
    styles = [
        path.name for path in files("logger.review").joinpath("page").iterdir() if path.name.endswith(".css")
    ]
    assert set(STYLES) < set(styles)
    defined = {name for style in styles for name, _ in DEFINED.findall(_source(style))}
    meant = re.findall(r"--(\w+)", head)
    assert {name.rstrip("0123456789") for name in meant} == {name.rstrip("0123456789") for name in defined}
    own = {  # ink on paper; a shadow; the scale of a channel's values, which has its own legend
        "print.css": {"#000000", "#ffffff", "#999999"},
        "lanes.css": {"#0003"},
        "scale.js": set(re.findall(r"#[0-9a-f]{6}", _source("scale.js"))),
    }
    for name in (*styles, *SCRIPTS):
        used = set(re.findall(r"#[0-9a-fA-F]{3,8}\b", DEFINED.sub("", _source(name))))
        assert used <= own.get(name, set()), name
