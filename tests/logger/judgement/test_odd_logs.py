"""Review of unusual logs: older, newer, truncated, after a power cut, with undone section changes."""

from __future__ import annotations

import json
import sqlite3
import time
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.errors import LogError
from firmware_bridge.records import Fix
from logger.config import configuration as configs
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.recorded_input import RecordedFixes
from logger.judgement.report import report_of
from logger.judgement.runs import Moving, day_of
from logger.judgement.speeds import speeds_of
from logger.logfile.bulk_log import BulkLog
from logger.logfile.store import SessionStart
from logger.recorder import setup, stage_files
from logger.recorder.pipeline import Pipeline
from logger.recorder.restart_state import Origin, state_text
from logger.recorder.sources import Source
from logger.review.json import document
from logger.review.verbs import compare, review
from tests.logger import drives

PLAN = drives.plan(600)
FIXES = drives.fixes(PLAN, hz=1)


def run(verb: Any, *arguments: object) -> Result:
    return CliRunner().invoke(verb, [str(argument) for argument in arguments], standalone_mode=False)


def document_of(path: Path) -> dict[str, Any]:
    with open_evidence(path, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        return document(report_of(evidence, rules, connection))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.write_log(tmp_path_factory.mktemp("odd") / "whole.db", FIXES)


def changed(log: Path, path: Path, *statements: str) -> Path:
    path.write_bytes(log.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def test_a_log_of_the_first_schema_is_reviewed(log: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(log)) as connection:
        views = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
    assert views
    older = changed(
        log,
        tmp_path / "older.db",
        *(f"DROP VIEW {view}" for view in views),
        "DELETE FROM _sqlite_migrations WHERE name <> 'm001_log'",
    )
    assert document_of(older) | {"log": ""} == document_of(log) | {"log": ""}


def test_a_newer_log_is_a_one_line_error(log: Path, tmp_path: Path) -> None:
    newer = changed(
        log,
        tmp_path / "newer.db",
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('stagelog', 'm999_more', '2030')",
    )
    for verb, arguments in ((review, [newer]), (compare, [log, newer])):
        result = run(verb, *arguments)
        assert isinstance(result.exception, LogError)
        assert "m999_more" in str(result.exception)
        assert "update stagelog" in str(result.exception)
        assert "\n" not in str(result.exception)


def driven(
    path: Path, parts: list[list[Fix]], commands: dict[float, tuple[str, dict[str, Any]]], gap_s: float = 30.0
) -> Path:
    """Write a log of several sessions, each but the last cut off; crew commands by seconds of the first session."""
    stage = stage_files.stage_of(drives.ITINERARY, "short")
    state: list[Any] | None = None
    with BulkLog(path) as log:
        for number, fixes in enumerate(parts):
            live = stage.live("Stock")
            pipeline = Pipeline([Source("gps", fixes=RecordedFixes(fixes))], drives.Readings(), live)
            log.begin_session(
                SessionStart("boot", "", "test", ""),
                setup.describe(configs.Config(car=drives.CAR), stage, {}),
            )
            if state is not None:
                live.restore(state, gap_s)
                pipeline.event(0, "resumed", {"live": state, "gap_s": gap_s})
            for at_s, (name, arguments) in sorted(commands.items()) if number == 0 else ():
                pipeline.command(round(at_s * 1e6), name, arguments)
            end_us = fixes[-1].t_us
            if number == len(parts) - 1:
                pipeline.finish(end_us)
                pipeline.event(end_us, "session_end", {"reason": "stopped"})
            else:
                pipeline.advance(end_us)
                pipeline.close_epochs()
            log.put(pipeline.take())
            state = live.state()
    return path


def cut_off(path: Path, seen: list[Fix], *, stopped: bool) -> Path:
    """Write a log of one session with the state that the recorder saves: stopped in order, or cut off."""
    stage = stage_files.stage_of(drives.ITINERARY, "short")
    source = Source("gps", fixes=RecordedFixes(seen))
    pipeline = Pipeline([source], drives.Readings(), stage.live("Stock"))
    with BulkLog(path) as log:
        meta = setup.describe(configs.Config(car=drives.CAR), stage, {})
        log.begin_session(SessionStart("test", "", "test", ""), meta)
        end_us = seen[-1].t_us
        pipeline.advance(end_us)
        if stopped:
            pipeline.finish(end_us)
            pipeline.event(end_us, "session_end", {"reason": "stopped"})
        rows = pipeline.take()
        rows.state = state_text(pipeline, Origin("test", 0), end_us)
        log.put(rows)
    return path


def test_a_power_cut_is_one_drive(log: Path, tmp_path: Path) -> None:
    """The power is off for half a minute on the road; the second session has its own time zero."""
    begun_s = PLAN.sections[0][0]
    cut_us = round((begun_s + 200) * 1e6)
    again_us = cut_us + 30_000_000
    before = [fix for fix in FIXES if fix.t_us < cut_us]
    after = [fix._replace(t_us=fix.t_us - again_us + 50_000) for fix in FIXES if fix.t_us >= again_us]
    reviewed, whole = document_of(driven(tmp_path / "cut.db", [before, after], {})), document_of(log)
    assert (reviewed["quality"]["sessions"], reviewed["quality"]["sessions_cut_short"]) == (2, 1)
    ours, theirs = reviewed["sections"][0], whole["sections"][0]
    assert ours["finished"]
    assert ours["elapsed_s"] == pytest.approx(theirs["elapsed_s"], abs=0.1)
    assert ours["distance_km"] == pytest.approx(theirs["distance_km"], abs=0.05)
    assert ours["begun_utc"] == theirs["begun_utc"]
    assert reviewed["quality"]["longest_gap_s"] == pytest.approx(30, abs=1.5)


@pytest.mark.parametrize("stopped", [True, False])
def test_an_overspeed_that_a_power_cut_ends_is_judged(log: Path, tmp_path: Path, stopped: bool) -> None:
    """Cut off or stopped during an over-speed: it ends with the log in both cases."""
    (whole,) = document_of(log)["overspeeds"]
    with closing(sqlite3.connect(log)) as connection:
        (text,) = connection.execute("SELECT detail FROM event WHERE kind = 'overspeed'").fetchone()
    fast = json.loads(text)
    cut_us = round((fast["utc_us"] / 1e6 - PLAN.drive.utc_s + fast["duration_s"] / 2) * 1e6)
    seen = [fix for fix in FIXES if fix.t_us <= cut_us]
    path = cut_off(tmp_path / "fast.db", seen, stopped=stopped)
    with closing(sqlite3.connect(path)) as connection:
        kinds = {kind for (kind,) in connection.execute("SELECT kind FROM event")}
        ((last_utc_us,),) = connection.execute("SELECT max(utc_us) FROM fix")
    assert ("overspeed" in kinds) == stopped
    (reviewed,) = document_of(path)["overspeeds"]
    for key in ("km", "utc", "zone", "limit_kmh"):
        assert reviewed[key] == whole[key], key
    assert reviewed["duration_s"] == pytest.approx((last_utc_us - fast["utc_us"]) / 1e6, abs=0.05)
    assert 0 < reviewed["distance_m"] < whole["distance_m"]


def test_an_undone_change_is_not_in_the_review(log: Path, tmp_path: Path) -> None:
    """The crew ends the section by mistake in its middle, and undoes it."""
    at_s = PLAN.sections[0][0] + 100
    commands: dict[float, tuple[str, dict[str, Any]]] = {at_s: ("finish_section", {}), at_s + 5: ("undo", {})}
    reviewed, whole = document_of(driven(tmp_path / "undone.db", [FIXES], commands)), document_of(log)
    assert [section["name"] for section in reviewed["sections"]] == [
        section["name"] for section in whole["sections"]
    ]
    for key in ("elapsed_s", "finished", "begun_utc", "ended_utc"):
        assert reviewed["sections"][0][key] == whole["sections"][0][key], key
    assert reviewed["sections"][0]["distance_km"] == pytest.approx(
        whole["sections"][0]["distance_km"], abs=0.001
    )


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9, 0.99])
def test_a_truncated_log_is_a_one_line_error(log: Path, tmp_path: Path, share: float) -> None:
    cut = tmp_path / "cut.db"
    cut.write_bytes(log.read_bytes()[: round(log.stat().st_size * share)])
    result = run(review, cut)
    if result.exception is None:
        assert result.return_value == 74
        assert len([line for line in result.stderr.splitlines() if line.startswith("stagelog: ")]) <= 3
    else:
        assert isinstance(result.exception, LogError), result.exception
        assert "\n" not in str(result.exception)


def test_invalid_values_are_left_out(log: Path, tmp_path: Path) -> None:
    """An edited log or a damaged page: text instead of numbers, text that is not JSON."""
    spoilt = changed(
        log,
        tmp_path / "spoilt.db",
        "UPDATE fix SET speed_mps = 'fast', hdop = 'x' WHERE rowid = 40",
        "UPDATE event SET detail = NULL WHERE kind = 'session_end'",
    )
    assert document_of(spoilt)["sections"][0]["elapsed_s"] == document_of(log)["sections"][0]["elapsed_s"]


def test_memory_is_linear_in_the_section_changes(log: Path, tmp_path: Path) -> None:
    detail = "json_object('state', iif(value % 2, 'started', 'finished'), 'index', 0, 'cause', 'crew')"
    many = changed(
        log,
        tmp_path / "many.db",
        "WITH RECURSIVE series(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM series WHERE value < 6000) "
        f"INSERT INTO event (session, t_us, kind, detail) SELECT 1, value * 1000, 'section', {detail} FROM series",
    )
    with open_evidence(many, ReviewOptions(), lambda _share: None) as (evidence, _rules, _connection):
        tracemalloc.start()
        try:
            day = day_of(evidence, (), Moving(evidence, speeds_of(evidence.fixes)))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(day.sections) >= 3000
    assert peak_bytes < 20_000_000


MANY = "WITH RECURSIVE c(x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM c LIMIT {count})"


def many_sessions(log: Path, path: Path, count: int) -> Path:
    """Add `count` sessions to a log, each with a fix, an event and readings."""
    each = MANY.format(count=count)
    return changed(
        log,
        path,
        f"INSERT INTO session {each} SELECT x, 'b' || x, '1970', 'stagelog', '' FROM c",
        f"INSERT INTO event {each} SELECT x, 3000, 'mark', '{{}}' FROM c",
        f"INSERT INTO fix (session, t_us, lat, lon, quality) {each} SELECT x, 2000, 21.5, 40.5, 1 FROM c",
    )


def recompute_cpu_s(path: Path) -> float:
    """CPU time of recomputing a section of a log, in seconds."""
    begun_s = time.process_time()
    with open_evidence(path, ReviewOptions(section=0), lambda _share: None) as (evidence, *_):
        assert evidence.events
    return time.process_time() - begun_s


@pytest.mark.slow
def test_too_many_sessions_are_not_recomputed(log: Path, tmp_path: Path) -> None:
    path = many_sessions(log, tmp_path / "many.db", 60_000)
    begun_s = time.process_time()
    with pytest.raises(LogError, match="60,001 sessions; at most 5,000 can be recomputed"):
        recompute_cpu_s(path)
    assert time.process_time() - begun_s < 10


@pytest.mark.slow
def test_recomputing_is_linear_in_the_sessions(log: Path, tmp_path: Path) -> None:
    """An earlier version read all readings, and all events twelve times, for each session."""
    times_s = []
    for count in (200, 1600):
        path = many_sessions(log, tmp_path / f"{count}.db", count)
        changed(
            path,
            tmp_path / f"{count}r.db",
            "INSERT INTO channel (id, name, unit, source) VALUES (99, 'wheel_kmh', 'km/h', 'x')",
            f"INSERT INTO reading {MANY.format(count=50 * count)} SELECT 1, x * 10, 99, 1.0 FROM c",
        )
        times_s.append(recompute_cpu_s(tmp_path / f"{count}r.db"))
    assert times_s[1] < 12 * times_s[0] + 1, times_s


def test_odd_reasons_of_rejected_bytes_are_texts(log: Path, tmp_path: Path) -> None:
    odd = changed(
        log,
        tmp_path / "odd.db",
        "INSERT INTO rejected VALUES (1, 5, 'gps', x'7ff8', x'00'), (1, 6, 'gps', NULL, x'00')",
        "INSERT INTO rejected VALUES (1, 7, 'gps', 5, x'00')",
        "INSERT INTO rejected SELECT 1, 8, 'gps', char(27) || value, x'00' FROM (WITH RECURSIVE c(value) AS"
        " (SELECT 1 UNION ALL SELECT value + 1 FROM c LIMIT 2000) SELECT value FROM c)",
        "INSERT INTO rejected VALUES (1, 9, 'gps', x'7ff8', x'0000')",
    )
    ended = run(review, odd, "--json", "--html", tmp_path / "page.html")
    assert ended.exception is None, ended
    quality = json.loads(ended.stdout)["quality"]
    assert quality["rejected"]["b'\\x7f\\xf8'"] == 2
    assert len(quality["rejected"]) == 100
    assert all(reason.isprintable() for reason in quality["rejected"])
    assert quality["rejected_bytes"] == 2005
