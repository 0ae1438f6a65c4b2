"""Values that no recorder writes, in a valid schema: each costs its own line, never the whole list."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.crew.listing import _summary
from logger.export import formats
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import report_of
from logger.logfile import reader, selection
from logger.logfile.border import open_log_readonly
from logger.logfile.meta import car_of, json_of, meta_of
from logger.logfile.session_rows import MAX_SESSIONS, SessionRows
from logger.logfile.verify import verify
from logger.replay.replay import Capture
from logger.replay.replay_to_log import replay
from logger.review import json as review_json
from tests.logger.command_line import stagelog
from tests.logger.logfile.rows_made import drive, frames, write_log

FLIPPED_US = 1_768_460_400_000_000 ^ 1 << 62
DEEP = "[" * 100_000
CLOCK = "INSERT INTO clock VALUES (1, 1500, {}, 100, 'gps')"


def write_odd(path: Path, *statements: str) -> Path:
    """A log of ours after some statements."""
    with closing(sqlite3.connect(write_log(path, drive(), frames(20, first=3)))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def reviewed(path: Path) -> dict[str, object]:
    with open_evidence(path, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        return review_json.document(report_of(evidence, rules, connection))


def test_a_clock_with_a_flipped_bit_costs_its_own_log_no_list(tmp_path: Path) -> None:
    odd = write_odd(tmp_path / "a.db", CLOCK.format(FLIPPED_US))
    write_odd(tmp_path / "b.db", CLOCK.format(1_768_460_400_000_000))
    listed = json.loads(stagelog("logs", "--json", folder=tmp_path).out)
    begun = {log["log"]: log["begun_utc"] for log in listed["logs"]}
    assert begun == {"a.db": None, "b.db": "2026-01-15T07:00:00.000Z"}
    assert stagelog("info", "a.db", folder=tmp_path).code == 0
    assert _summary(odd)["begun_utc"] is None
    assert any("clock: 1 rows with a strange value as utc_us" in problem for problem in verify(odd))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (CLOCK.format(FLIPPED_US), "as utc_us"),
        (CLOCK.format(-1), "as utc_us"),
        ("UPDATE fix SET utc_us = 9223372036854775807", "as utc_us"),
        ("UPDATE fix SET speed_mps = 9e999 WHERE rowid = 1", "as speed_mps"),
        ("UPDATE fix SET alt_m = -9e999 WHERE rowid = 1", "as alt_m"),
        ("UPDATE event SET t_us = 4000000000000000000", "as t_us"),
        ("UPDATE sentence SET t_us = 4000000000000000000", "has 4000000000000000000 as t_us"),
        ("UPDATE frame SET t_us = 4000000000000000000 WHERE rowid = 23", "has 4000000000000000000 as t_us"),
        ("UPDATE reading SET t_us = 4000000000000000000", "has 4000000000000000000 as t_us"),
        (f"UPDATE event SET detail = '{DEEP}'", "holds no JSON object"),
        ("UPDATE event SET detail = '{\"km\": 1e999}'", "holds no JSON object"),
        ("UPDATE event SET detail = '3'", "holds no JSON object"),
    ],
)
def test_verify_reports_each_value_out_of_its_range(tmp_path: Path, statement: str, expected: str) -> None:
    path = write_odd(tmp_path / "a.db", statement)
    assert any(expected in problem for problem in verify(path)), verify(path)
    reader.info(path)
    reviewed(path)


@pytest.mark.parametrize(
    "car",
    [
        "no JSON",
        "[]",
        "3",
        DEEP,
        '{"number": "x", "crew": 3, "class": {}}',
        '{"number": 1e300}',
        '{"crew": [{}]}',
    ],
)
def test_an_invalid_car_is_unknown(tmp_path: Path, car: str) -> None:
    path = write_odd(tmp_path / "a.db", f"INSERT INTO meta VALUES ('car', '{car}')")
    document = reviewed(path)
    assert isinstance(document["car"], dict)
    assert document["car"].get("number") is None
    assert stagelog("info", "a.db", folder=tmp_path).code == 0
    replay(Capture(path), None, lambda _done: None)
    with open_log_readonly(path) as connection, (tmp_path / "a.gpx").open("wb") as stream:
        formats.write(connection, selection.select(connection, None, None, None), "gpx", stream)


def test_a_valid_car_is_read_back_unchanged() -> None:
    car = {"number": 500, "name": "Überraschung", "class": "Stock", "crew": ["Driver", "Navigator"]}
    assert car_of({"car": json.dumps(car)}) == car
    assert car_of({"car": json.dumps(car | {"number": None})}) == car | {"number": None}
    assert car_of({}) == {}
    assert json_of({"reset_odometer": "false"}, "reset_odometer", True) is False


def test_texts_longer_than_any_recorder_writes_are_reported_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_odd(
        tmp_path / "a.db",
        "INSERT INTO meta VALUES ('itinerary', replace(hex(zeroblob(2000000)), '0', 'x'))",
        "INSERT INTO meta VALUES ('dbc:car.dbc', replace(hex(zeroblob(6000000)), '0', 'x'))",
        "INSERT INTO meta VALUES ('stage', replace(hex(zeroblob(60000)), '0', 'x'))",
        "INSERT INTO meta VALUES (x'00', 'a key that is no text')",
        "INSERT INTO meta VALUES ('a blob', zeroblob(100))",
    )
    with caplog.at_level(logging.WARNING), open_log_readonly(path) as connection:
        assert meta_of(connection).keys() == {"format", "software", "buses", "ports"}
    assert [record.getMessage().rpartition(":")[0] for record in caplog.records] == [
        "the log's itinerary is skipped",
        "the log's dbc:car.dbc is skipped",
        "the log's stage is skipped",
    ]
    reviewed(path)


def test_more_keys_than_any_recorder_writes_are_one_line(tmp_path: Path) -> None:
    path = write_odd(
        tmp_path / "a.db",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000)"
        " INSERT INTO meta SELECT 'key ' || x, '' FROM n",
    )
    with pytest.raises(LogError, match="more entries than a recorder writes"):
        reader.info(path)


@pytest.mark.parametrize("t_us", [4_000_000_000_000_000_000, 7_000_000_000_000_000, 90_000_000_000])
@pytest.mark.parametrize("table", ["sentence", "frame", "progress", "event"])
def test_replay_refuses_times_that_span_more_than_the_rows(tmp_path: Path, table: str, t_us: int) -> None:
    end = f"INSERT INTO event VALUES (1, {t_us}, 'session_end', '{{}}')"
    seen = f"INSERT INTO progress (session, t_us) VALUES (1, {t_us})"
    statement = {"event": end, "progress": seen}.get(table, f"UPDATE {table} SET t_us = {t_us}")
    path = write_odd(tmp_path / "a.db", statement)
    began = time.process_time()
    with pytest.raises(LogError, match="by its times"):
        replay(Capture(path), None, lambda _done: None)
    assert time.process_time() - began < 5


def with_sessions(path: Path, count: int) -> Path:
    """A log of this many sessions, each with an event, a fix and a frame."""
    many = f"WITH RECURSIVE n(x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM n LIMIT {count - 1})"
    return write_odd(
        path,
        f"{many} INSERT INTO session SELECT x, 'boot ' || x, '', '', '' FROM n",
        f"{many} INSERT INTO event SELECT x, 0, 'session_begin', '{{}}' FROM n",
        f"{many} INSERT INTO event SELECT x, 900, 'session_end', '{{\"reason\":\"stopped\"}}' FROM n",
        f"{many} INSERT INTO frame SELECT x, x, 0, 1, x'00' FROM n",
        f"{many} INSERT INTO fix (session, t_us, quality, satellites) SELECT x, 500, 0, 0 FROM n",
    )


def test_sixty_thousand_sessions_are_reviewed_in_seconds(tmp_path: Path) -> None:
    path = with_sessions(tmp_path / "a.db", 60_000)
    began = time.process_time()
    assert reviewed(path)["quality"]["sessions"] == 60_000  # type: ignore[index]
    assert len(reader.info(path).sessions) == 60_000
    assert verify(path) == []
    with pytest.raises(LogError, match="60,000 sessions"):
        replay(Capture(path), None, lambda _done: None)
    assert time.process_time() - began < 20


def test_a_thousand_sessions_are_replayed_once(tmp_path: Path) -> None:
    path = with_sessions(tmp_path / "a.db", 1000)
    began = time.process_time()
    outcome = replay(Capture(path), None, lambda _done: None)
    assert time.process_time() - began < 20
    assert sum("1000" in line for line in outcome.lines()) or outcome.lines()


def test_the_rows_of_each_session_are_those_of_a_full_search(tmp_path: Path) -> None:
    path = write_odd(
        tmp_path / "a.db",
        *(f"INSERT INTO session VALUES ({number}, '', '', '', '')" for number in (3, 4, 7, 8)),
        *(
            f"INSERT INTO frame SELECT {number}, t_us, bus, can_id, data FROM frame WHERE session = 1 LIMIT {count}"
            for number, count in ((3, 1), (4, 20), (8, 2))
        ),
        "DELETE FROM frame WHERE rowid IN (1, 9, 30)",
    )
    with open_log_readonly(path) as connection:
        sessions = [row[0] for row in connection.execute("SELECT id FROM session ORDER BY id")]
        rows = SessionRows(connection, sessions)
        for session in sessions:
            found = connection.execute(
                f"SELECT rowid FROM frame WHERE {rows.condition('frame', session)}"
            ).fetchall()
            assert (
                found
                == connection.execute("SELECT rowid FROM frame WHERE session = ?", (session,)).fetchall()
            )
            assert rows.count("frame", session) >= len(found)
        with pytest.raises(LogError, match="sessions"):
            SessionRows(connection, range(MAX_SESSIONS + 1))


@pytest.mark.parametrize(
    "text",
    [
        'BO_ 256 Long: 1000000 ECU\n SG_ a : 0|8@1+ (1,0) [0|0] "" X\n',
        'BO_ 256 Wide: 8 ECU\n SG_ a : 0|1000000000@1+ (1,0) [0|0] "" X\n',
        'BO_ 256 Many: 8 ECU\n SG_ mux M : 0|16@1+ (1,0) [0|0] "" X\n'
        + "".join(f' SG_ s{n} m{n} : 16|8@1+ (1,0) [0|0] "" X\n' for n in range(5000)),
        DEEP,
        "",
    ],
    ids=[
        "a message of a million bytes",
        "a signal of a billion bits",
        "5,000 multiplexed",
        "brackets",
        "empty",
    ],
)
def test_a_dbc_within_a_log_is_bounded(tmp_path: Path, text: str) -> None:
    path = write_odd(tmp_path / "a.db", "UPDATE frame SET can_id = 256, data = zeroblob(8)")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO meta VALUES ('dbc:car.dbc', ?)", (text,))
        connection.commit()
    began = time.process_time()
    reviewed(path)
    ended = stagelog("export", "a.db", "--format", "csv", "--signals", "-o", "a.csv", folder=tmp_path)
    assert ended.code in (0, 64, 74), ended.err
    assert "Traceback" not in ended.err
    assert time.process_time() - began < 10


def test_channels_without_a_name_cost_only_their_readings(tmp_path: Path) -> None:
    odd = write_odd(
        tmp_path / "a.db",
        "INSERT INTO channel VALUES (7, NULL, NULL, NULL), (8, 'rpm', '1/min', 'x')",
        "INSERT INTO reading VALUES (1, 2000, 7, 1.0), (1, 2000, 8, 2.0)",
    )
    ended = stagelog("replay", odd, folder=tmp_path)
    assert ended.code == 0, ended
    assert "rpm" in ended.out
    assert "None" not in ended.out
