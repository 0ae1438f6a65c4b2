"""VBO, read back by an independent reader: places, times, channels, timing gates."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.record_columns import ReadingColumns
from firmware_bridge.records import Channel, Fix, Reading
from logger.export import vbo
from logger.logfile.rows import ClockRow, Rows
from logger.logfile.store import Log, SessionStart
from tests.logger import drives, hostile_texts
from tests.logger.export import vbo_reader
from tests.logger.export.logs_made import BEGIN_US, exported

START = SessionStart("boot", "", "stagelog test", "")


def write_log(path: Path, *sessions: Rows) -> Path:
    with closing(Log(path, durable=False)) as log:
        for rows in sessions:
            log.begin_session(START, {"stage": "Test"})
            log.write(rows)
    return path


def fix_at(second: float, lat: float, lon: float, **more: Any) -> Fix:
    fix = Fix(round(second * 1e6), BEGIN_US + round(second * 1e6), lat, lon, 10.0, 5.0, 90.0, 1, 9, 0.9)
    return fix._replace(**more)


CLOCK = [ClockRow(0, BEGIN_US, 1000, "gps")]


def test_every_fix_with_a_position_is_a_row_in_racelogics_units(log: Path) -> None:
    read = vbo_reader.read(exported(log, "vbo"))
    with closing(sqlite3.connect(log)) as connection:
        fixes = connection.execute(
            "SELECT lat, lon, alt_m, speed_mps * 3.6, course_deg, satellites FROM fix WHERE lat IS NOT NULL"
        ).fetchall()
    names = ("lat", "long", "height", "velocity", "heading", "sats")
    written = np.array([read.columns[name] for name in names]).T
    difference = np.abs(written - np.array(fixes, dtype=np.float64))
    assert len(fixes) > 300
    assert (difference.max(axis=0) <= (1e-9, 1e-9, 0.005, 0.0005, 0.005, 0)).all()
    assert min(read.columns["long"]) < -179  # west
    assert read.created == datetime(2026, 1, 15, 7, 20, tzinfo=UTC)
    first_s = 7 * 3600 + 20 * 60 + 3
    assert read.columns["time"][:2] == [first_s, first_s + 1]


def test_channels_have_a_title_a_unit_and_the_newest_value(log: Path) -> None:
    read = vbo_reader.read(exported(log, "vbo"))
    assert read.units["rpm"] == "rpm"
    assert read.header[-2:] == ['oil, "hot"', "Engine speed"]
    at = read.columns["time"].index(7 * 3600 + 20 * 60 + 41)
    assert read.columns["rpm"][at] == 841.25
    assert read.columns["limit_kmh"][at] == 120
    assert read.units["limit_kmh"] == "km/h"


def test_an_unknown_value_keeps_the_one_before_it(tmp_path: Path) -> None:
    channel = Channel("oil_bar", "bar", "test")
    rows = Rows(clock=CLOCK, reading=ReadingColumns.of([Reading(1_500_000, channel, -0.012345678)]))
    rows.fix += [fix_at(second, 20, 40) for second in (1, 2, 30)]
    rows.fix += [fix_at(31, 20, 40, course_deg=None, alt_m=None, satellites=None)]
    read = vbo_reader.read(exported(write_log(tmp_path / "a.db", rows), "vbo"))
    assert read.columns["oil_bar"] == [0, -0.01234568, -0.01234568, -0.01234568]
    assert read.columns["heading"] == [90] * 4
    assert read.columns["height"] == [10] * 4
    assert read.columns["sats"] == [9] * 4


def test_vertical_velocity_is_the_climb_over_a_second(tmp_path: Path) -> None:
    rows = Rows(clock=CLOCK)
    rows.fix += [fix_at(n / 10, 20, 40, alt_m=100 + 0.2 * n) for n in range(1, 50)]  # 2 m/s
    rows.fix += [fix_at(60 + n / 10, 20, 40, alt_m=500 - 0.1 * n) for n in range(50)]  # after a gap: -1 m/s
    climbs = vbo_reader.read(exported(write_log(tmp_path / "a.db", rows), "vbo")).columns["vertvel"]
    assert climbs[:10] == [0] * 10  # nothing is known of the second before
    assert climbs[10:49] == pytest.approx([7.2] * 39, abs=0.001)
    assert climbs[49:59] == [0] * 10
    assert climbs[59:] == pytest.approx([-3.6] * 40, abs=0.001)


@pytest.mark.parametrize(("lat", "lon"), [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0), (-0.000001, 0.000001)])
def test_the_ends_of_the_earth(lat: float, lon: float, tmp_path: Path) -> None:
    rows = Rows(clock=CLOCK, fix=[fix_at(1, lat, lon)])
    read = vbo_reader.read(exported(write_log(tmp_path / "a.db", rows), "vbo"))
    assert read.columns["lat"] == pytest.approx([lat], abs=1e-9)
    assert read.columns["long"] == pytest.approx([lon], abs=1e-9)


def test_midnight_and_rounding_to_the_next_second(tmp_path: Path) -> None:
    midnight = datetime(2026, 1, 16, tzinfo=UTC).timestamp() - BEGIN_US / 1e6
    rows = Rows(clock=CLOCK)
    rows.fix += [fix_at(midnight + at, 20, 40) for at in (-1.0004, -0.0004, 0.25)]
    read = vbo_reader.read(exported(write_log(tmp_path / "a.db", rows), "vbo"))
    assert read.columns["time"] == [86_399.0, 0.0, 0.25]


def test_a_log_without_utc_counts_from_zero_and_sessions_follow_each_other(tmp_path: Path) -> None:
    rows = Rows(fix=[fix_at(second, 20, 40, utc_us=None) for second in (1, 2, 3)])
    read = vbo_reader.read(exported(write_log(tmp_path / "a.db", rows, rows), "vbo"))
    assert read.columns["time"] == [1, 2, 3, 3, 4, 5]
    assert read.created == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_a_session_without_utc_lies_beside_those_with_it(tmp_path: Path) -> None:
    undated = Rows(fix=[fix_at(second, 20, 40, utc_us=None) for second in (1, 2, 3)])
    dated = Rows(clock=CLOCK, fix=[fix_at(second, 20, 40) for second in (10, 20)])
    read = vbo_reader.read(exported(write_log(tmp_path / "a.db", undated, dated, undated), "vbo"))
    begin = 7 * 3600 + 20 * 60
    assert [at - begin for at in read.columns["time"]] == [8, 9, 10, 10, 20, 20, 21, 22]


def test_a_log_without_a_position_is_a_valid_file(tmp_path: Path) -> None:
    read = vbo_reader.read(exported(write_log(tmp_path / "a.db", Rows()), "vbo"))
    assert read.columns["lat"] == []


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short stage as driven: a timed section with one split."""
    path = tmp_path_factory.mktemp("vbo") / "driven.db"
    return drives.write_log(path, drives.fixes(drives.plan(), 10))


def recorded_splits(path: Path) -> dict[str, float]:
    """Seconds from the section's start to each recorded crossing, by the gate's name."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT kind, json_extract(detail, '$.state'), json_extract(detail, '$.name'),"
            " json_extract(detail, '$.utc_us') FROM event WHERE kind IN ('section', 'waypoint')"
            " AND (kind = 'section' AND json_extract(detail, '$.index') = 0"
            " OR json_extract(detail, '$.kind') = 'cp') AND json_extract(detail, '$.state') != 'open'"
        ).fetchall()
    times = {name if kind == "waypoint" else f"{name} {state}": at for kind, state, name, at in rows}
    begin = times.pop("SS7 started")
    return {name.replace("finished", "finish"): (at - begin) / 1e6 for name, at in times.items()}


def test_the_gates_give_the_recorded_splits(driven: Path) -> None:
    read = vbo_reader.read(exported(driven, "vbo"))
    assert [(gate.word, gate.name) for gate in read.gates] == [
        ("Start", "SS7 start"),
        ("Split", "CP1"),
        ("Finish", "SS7 finish"),
    ]
    times = {gate.name: vbo_reader.crossings(read, gate) for gate in read.gates}
    assert {name: len(found) for name, found in times.items()} == dict.fromkeys(times, 1)
    begin = times.pop("SS7 start")[0]
    splits = {name: found[0] - begin for name, found in times.items()}
    assert splits.keys() == {"CP1", "SS7 finish"}
    assert splits == pytest.approx(recorded_splits(driven), abs=0.005)


def test_an_undone_finish_has_no_gate(driven: Path, tmp_path: Path) -> None:
    copy = tmp_path / "undone.db"
    copy.write_bytes(driven.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(
            """INSERT INTO event SELECT session, max(t_us), 'undone', '{"what": "finish of SS7"}' FROM event"""
        )
        connection.commit()
    gates = vbo_reader.read(exported(copy, "vbo")).gates
    assert [gate.name for gate in gates] == ["SS7 start", "CP1", "ASS"]


def test_hostile_names_stay_in_their_line(tmp_path: Path) -> None:
    log = hostile_texts.write_log(tmp_path / "a.db", is_sound=False)
    with closing(sqlite3.connect(log)) as connection:
        for name in ("[data]", "", "lat", "LAT", "a b\r\nc", "°°", "x" * 500):
            connection.execute("INSERT INTO channel (name, unit, source) VALUES (?, '[data]', '')", (name,))
        connection.execute("""UPDATE meta SET value = '[data]' WHERE key = 'stage'""")
        connection.commit()
    data = exported(log, "vbo")
    read = vbo_reader.read(data)
    assert len(read.columns["lat"]) > 100
    assert {"(data)", "lat_2", "LAT_3", "abc"} <= read.units.keys()
    assert hostile_texts.stray(data.decode(), "\r") == []


def test_the_size_of_a_block_changes_nothing(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_it_is = exported(log, "vbo")
    monkeypatch.setattr(vbo, "_BATCH_ROWS", 7)
    monkeypatch.setattr("logger.logfile.blocks._ROWS", 13)
    monkeypatch.setattr("logger.logfile.blocks.table_of", lambda *_: None)  # by SQL, in blocks of 13 rows
    assert exported(log, "vbo") == as_it_is
