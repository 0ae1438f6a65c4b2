"""MoTeC's .ld and .ldx, read back by an independent reader: every fix, engine, signals, texts, beacons."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.errors import ConfigurationError, LogError
from firmware_bridge.record_columns import ReadingColumns
from firmware_bridge.records import CanFrame, Channel, Fix, Reading
from logger.export import formats, sampling
from logger.export.marks import marks_of
from logger.export.time_axis import TimeAxis
from logger.logfile.rows import ClockRow, ProgressRow, Rows
from logger.logfile.selection import Clock, select
from logger.logfile.store import Log, SessionStart
from tests.logger import drives, hostile_texts
from tests.logger.export import ld_reader
from tests.logger.export.logs_made import BEGIN_US, exported, opened
from tests.logger.export.test_vbo import recorded_splits

BEGIN_S = BEGIN_US / 1e6
DBC = """
BO_ 256 ENGINE: 8 X
 SG_ rpm : 0|16@1+ (0.25,0) [0|0] "1/min" X
 SG_ boost : 16|16@1- (0.1,-5) [0|0] "kPa" X
BO_ 257 SLOW: 8 X
 SG_ oil_temp_x : 0|8@1+ (1,-40) [0|0] "degC" X
"""
RPM, OIL = Channel("rpm", "1/min", "a.dbc:ENGINE"), Channel("oil_bar", "bar", "obd2")


def write_log(path: Path, *sessions: Rows) -> Path:
    meta = {"stage": "Test", "dbc:a.dbc": DBC, "car": '{"number": 7}'}
    with closing(Log(path, durable=False)) as log:
        for rows in sessions:
            log.begin_session(SessionStart("boot", "", "stagelog test", ""), meta)
            log.write(rows)
    return path


def fix_at(second: float, speed_mps: float = 5.0) -> Fix:
    """A fix that arrives 80 ms after its epoch."""
    t_us = round(second * 1e6)
    place = (20.1234567 + second * 1e-4, -40.7654321, 10.0)
    return Fix(t_us + 80_000, BEGIN_US + t_us, *place, speed_mps, 90.0, 1, 9, 0.9)


def drive(hz: int = 10, seconds: int = 20) -> Rows:
    rows = Rows(clock=[ClockRow(0, BEGIN_US, 1000, "gps")])
    for n in range(hz * seconds):
        rows.fix.append(fix_at(n / hz, speed_mps=n / 8))
    for n in range(10 * seconds):
        rows.reading.extend([Reading(n * 100_000, RPM, 800 + n * 0.25), Reading(n * 100_000, OIL, 4.2)])
    rows.progress += [
        ProgressRow(n * 1_000_000, 0, 30.0 * n, float(n), 30.0, 120.0, 30.0) for n in range(seconds)
    ]
    for n in range(100 * seconds):
        data = (
            (n % 6000).to_bytes(2, "little") + (n % 6000 - 1000).to_bytes(2, "little", signed=True) + bytes(4)
        )
        rows.frame.append(CanFrame(n * 10_000, 0, 256, data))
        if n % 200 == 0:
            rows.frame.append(CanFrame(n * 10_000 + 1, 0, 257, bytes([90, 0, 0, 0, 0, 0, 0, 0])))
    return rows


@pytest.mark.parametrize("hz", [1, 3, 5, 10, 25])
def test_each_fix_is_a_sample_at_the_receivers_rate(hz: int, tmp_path: Path) -> None:
    rows = drive(1, 4)
    rows.fix = [fix_at(round(n / hz, 2), speed_mps=n / 8) for n in range(20 * hz)]  # NMEA has hundredths
    read = ld_reader.read(exported(write_log(tmp_path / "a.db", rows), "motec"))
    assert read.begun == datetime(2026, 1, 15, 7, 20, tzinfo=UTC)
    expected = {
        "GPS Latitude": ([fix.lat for fix in rows.fix], "deg", 1e-7),
        "GPS Longitude": ([fix.lon for fix in rows.fix], "deg", 1e-7),
        "GPS Altitude": ([10.0] * len(rows.fix), "m", 0),
        "Ground Speed": ([3.6 * (fix.speed_mps or 0) for fix in rows.fix], "km/h", 1e-4),
        "GPS Sats Used": ([9.0] * len(rows.fix), "", 0),
    }
    for name, (given, unit, precision) in expected.items():
        values, channel = np.array(given, dtype=np.float64), read.channels[name]
        assert (channel.rate_hz, channel.unit) == (hz, unit)
        np.testing.assert_allclose(channel.values[: len(values)], values, rtol=0, atol=precision)


def test_engine_stage_and_texts(tmp_path: Path) -> None:
    read = ld_reader.read(exported(write_log(tmp_path / "a.db", drive()), "motec"))
    rpm, oil, limit = (read.channels[name] for name in ("Engine RPM", "Eng Oil Pres", "Speed Limit"))
    assert (rpm.rate_hz, rpm.unit, rpm.short) == (10, "rpm", "RPM")
    assert rpm.values[:200].tolist() == [800 + n * 0.25 for n in range(200)]
    assert oil.values.tolist() == pytest.approx([4.2] * len(oil.values))
    assert (limit.rate_hz, limit.unit, set(limit.values)) == (1, "km/h", {120.0})
    assert read.channels["Section Distance"].values[:3].tolist() == pytest.approx([0, 0.03, 0.06])
    assert read.texts["vehicle"] == "Car 7"
    durations = {len(channel.values) / channel.rate_hz for channel in read.channels.values()}
    assert max(durations) - min(durations) < 1.0


def test_signals_have_the_rate_of_their_message(tmp_path: Path) -> None:
    read = ld_reader.read(exported(write_log(tmp_path / "a.db", drive()), "motec", "signals"))
    rpm, boost, slow = (read.channels[name] for name in ("Engine RPM", "boost", "oil_temp_x"))
    assert (rpm.rate_hz, boost.rate_hz, slow.rate_hz) == (100, 100, 1)
    assert rpm.values[:2000].tolist() == [n % 6000 * 0.25 for n in range(2000)]
    assert boost.values[:2000].tolist() == pytest.approx(
        [(n - 1000) * 0.1 - 5 for n in range(2000)], abs=1e-5
    )
    assert (slow.unit, set(slow.values)) == ("C", {50.0})
    assert read.channels["Eng Oil Pres"].rate_hz == 10  # from OBD-II, so it is no signal
    assert "Engine RPM_2" not in read.channels  # the recorder's own readings of the same signal


def test_a_gap_and_an_unknown_value_hold_the_last_one(tmp_path: Path) -> None:
    rows = drive(10, 2)
    lost = Fix(3_000_000, None, None, None, None, None, None, 0, 0, None)
    rows.fix = [fix_at(0.5 + n / 10, 7.0) for n in range(6)]
    rows.fix += [fix_at(1.1, 8.0), lost, fix_at(5.0, 9.0)]
    read = ld_reader.read(exported(write_log(tmp_path / "a.db", rows), "motec"))
    moments = [BEGIN_S + second for second in (0, 1.0, 1.1, 4.9, 5.0)]
    assert [read.at("Ground Speed", at) for at in moments] == pytest.approx([25.2, 25.2, 28.8, 28.8, 32.4])
    assert [read.at("GPS Sats Used", BEGIN_S + second) for second in (2.8, 4.0, 5.0)] == [9, 0, 9]
    assert all(np.isfinite(channel.values).all() for channel in read.channels.values())


@pytest.mark.parametrize("value", [1e30, -1e30, 1e-45, 16_777_217.0])
def test_extreme_values_have_the_precision_of_a_float(value: float, tmp_path: Path) -> None:
    rows = Rows(
        reading=ReadingColumns.of([Reading(0, OIL, value)]), clock=[ClockRow(0, BEGIN_US, 1000, "gps")]
    )
    read = ld_reader.read(exported(write_log(tmp_path / "a.db", rows), "motec"))
    assert read.channels["Eng Oil Pres"].values.tolist() == [float(np.float32(value))]


def test_sessions_lie_at_their_utc(tmp_path: Path) -> None:
    first, second = drive(10, 5), drive(10, 5)
    second.clock = [ClockRow(0, BEGIN_US + 60_000_000, 1000, "gps")]
    second.fix = [fix._replace(utc_us=(fix.utc_us or 0) + 60_000_000, speed_mps=50.0) for fix in second.fix]
    read = ld_reader.read(exported(write_log(tmp_path / "a.db", first, second), "motec"))
    assert read.at("Ground Speed", BEGIN_S + 62) == pytest.approx(180)
    assert read.at("Engine RPM", BEGIN_S + 61) == 802.5


def test_a_part_of_a_log_begins_with_its_part(driven: Path) -> None:
    with opened(driven) as connection:
        stream = BytesIO()
        formats.write(connection, select(connection, section=1), "motec", stream)
        whole = ld_reader.read(exported(driven, "motec"))
    read = ld_reader.read(stream.getvalue())
    assert read.begun > whole.begun
    moment = read.begun.timestamp() + 60
    assert read.at("GPS Latitude", moment) == whole.at("GPS Latitude", moment)


def test_a_log_without_rows_has_no_channels(tmp_path: Path) -> None:
    read = ld_reader.read(exported(write_log(tmp_path / "a.db", Rows()), "motec"))
    assert read.channels == {}


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short stage as driven: a timed section with one split, then the way home."""
    return drives.write_log(tmp_path_factory.mktemp("motec") / "driven.db", drives.fixes(drives.plan(), 10))


def test_the_texts_are_those_of_car_and_stage(driven: Path) -> None:
    texts = ld_reader.read(exported(driven, "motec")).texts
    assert texts == texts | {
        "driver": "A. Driver",
        "vehicle": "Test car",
        "vehicle id": "Test car",
        "vehicle type": "Stock",
        "venue": "Short",
        "event's venue": "Short",
        "event": "Test",
        "session": "Stage 7",
    }
    assert "B. Navigator" in texts["comment"]


def test_the_beacons_give_the_recorded_splits(driven: Path) -> None:
    beacons = ld_reader.beacons(exported(driven, "ldx"))
    names = [
        *("SS7 start, DSS 0", "WPM1", "DZ 4", "FZ 6", "CP1", "Fuel", "Fuel_2", "ASS, SS7 finish, Home start")
    ]
    assert list(beacons)[: len(names)] == names
    begin = beacons[names[0]]
    splits = {"CP1": beacons["CP1"] - begin, "SS7 finish": beacons[names[-1]] - begin}
    assert splits == pytest.approx(recorded_splits(driven), abs=1e-6)
    read = ld_reader.read(exported(driven, "motec"))
    with opened(driven) as connection:
        crossing_us = connection.execute(
            "SELECT json_extract(detail, '$.utc_us') FROM event WHERE json_extract(detail, '$.name') = 'CP1'"
            " AND json_extract(detail, '$.state') = 'validated'"
        ).fetchone()[0]
    assert read.begun.timestamp() + beacons["CP1"] == pytest.approx(crossing_us / 1e6, abs=1e-5)


def test_laps_are_between_beacons(driven: Path) -> None:
    data = exported(driven, "ldx")
    times = list(ld_reader.beacons(data).values())
    laps = np.diff(times)
    assert times == sorted(times)
    minutes, seconds = ld_reader.details(data)["Fastest Time"].split(":")
    assert 60 * int(minutes) + float(seconds) == pytest.approx(laps.min(), abs=0.001)
    assert ld_reader.details(data)["Fastest Lap"] == str(
        int(laps.argmin()) + 2
    )  # lap 1 ends with the first beacon
    assert ld_reader.details(data)["Total Laps"] == str(len(times) + 1)


def test_hostile_texts_and_channels(tmp_path: Path) -> None:
    log = hostile_texts.write_log(tmp_path / "a.db", is_sound=False)
    with closing(sqlite3.connect(log)) as connection:
        for number, name in enumerate(("rpm", "RPM", "Engine RPM", "", "é" * 900, "x" * 900), 100):
            connection.execute("INSERT INTO channel VALUES (?, ?, '°C', '')", (number, name))
            connection.execute("INSERT INTO reading VALUES (1, 0, ?, 1.5)", (number,))
        connection.commit()
    read = ld_reader.read(exported(log, "motec"))
    assert {"Engine RPM", "RPM", "Engine RPM_2", "channel", "e" * 31, "x" * 31} <= read.channels.keys()
    assert hostile_texts.stray("".join([*read.texts.values(), *read.channels])) == []
    assert hostile_texts.stray(exported(log, "ldx").decode()) == []


@pytest.mark.parametrize(
    "detail",
    ["[]", "5", '{"state": [], "kind": {}, "name": 5}', '{"state": "validated", "kind": "cp", "km": 1e400}',
     '{"state": "started", "index": "x", "kind": 7, "utc_us": "soon"}', '{"state": "finished", "utc_us": 1e300}'],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["section", "waypoint", "undone"])
def test_an_odd_event_is_no_traceback(kind: str, detail: str, driven: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a.db"
    copy.write_bytes(driven.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("INSERT INTO event VALUES (1, 5000000, ?, ?)", (kind, detail))
        connection.commit()
    ld_reader.beacons(exported(copy, "ldx"))


def test_a_log_too_long_for_the_format_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    rows = drive(10, 1)
    rows.reading.append(Reading(40 * 365 * 86_400_000_000, OIL, 1.0))
    stream = BytesIO()
    with opened(write_log(tmp_path / "a.db", rows)) as connection, pytest.raises(LogError, match="--section"):
        formats.write(connection, select(connection), "motec", stream)
    assert stream.getvalue() == b""


def test_frames_are_no_content_of_it(driven: Path) -> None:
    with pytest.raises(ConfigurationError, match="motec cannot hold frames"):
        exported(driven, "motec", "frames")


def test_memory_is_bounded_by_the_blocks_and_not_by_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The samples of a long log go through the spool: doubling the log adds no memory."""
    monkeypatch.setattr(sampling, "_BUFFERED_BYTES", 65_536)

    def peak(seconds: int) -> int:
        path = write_log(tmp_path / f"{seconds}.db", drive(10, seconds))
        with opened(path) as connection, (tmp_path / "out").open("wb") as stream:
            chosen = select(connection)
            tracemalloc.start()
            try:
                formats.write(connection, chosen, "motec", stream, content="signals")
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak(200)  # imports
    assert peak(1600) < 1.3 * peak(800)


def test_the_axis_and_marks_of_an_empty_log(tmp_path: Path) -> None:
    with opened(write_log(tmp_path / "a.db")) as connection:
        axis = TimeAxis(connection, select(connection))
        assert axis.start_s == 0
        assert marks_of(connection, select(connection), axis) == []


def test_the_sessions_with_utc_are_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log may have 60,000 sessions; a set of them for each took half an hour."""
    undated = Rows(fix=[fix_at(1.0)._replace(utc_us=None)])
    log = write_log(tmp_path / "a.db", *[undated, drive(1, 1)] * 20)
    lookups: list[int] = []

    def sessions(clock: Clock) -> frozenset[int]:
        lookups.append(1)
        return frozenset(clock._steps)

    monkeypatch.setattr(Clock, "sessions", property(sessions))
    with opened(log) as connection:
        TimeAxis(connection, select(connection))
    assert len(lookups) == 1
