"""Engine channels of a review: as recorded, or decoded from all frames with a corrected DBC."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from firmware_bridge.errors import ConfigurationError, LogError
from firmware_bridge.records import CanFrame, Channel, Reading
from logger.judgement import engine
from logger.judgement.engine import engine_of
from logger.logfile import blocks
from logger.logfile.rows import EventRow, Rows
from logger.logfile.selection import select
from logger.logfile.store import Log, SessionStart
from logger.review.verbs import review
from tests.logger import drives
from tests.logger.review.packed_columns import unpacked

DBC = """
BO_ 256 M: 8 X
 SG_ rpm : 0|16@1+ (0.25,0) [0|8000] "1/min" X
 SG_ gear M : 16|8@1+ (1,0) [0|0] "" X
 SG_ boost_bar m1 : 24|8@1- (0.1,-1) [0|0] "bar" X
 SG_ oil_c m0 : 24|8@1- (1,0) [0|0] "degC" X
 SG_ water_c m2 : 24|8@1- (1,0) [0|0] "degC" X
"""
FRAMES = 30_000
RPM = Channel("rpm", "1/min", "a.dbc:M")


def raw(number: int) -> tuple[int, int, int]:
    """Raw values of the engine's frame: revolutions in quarters, gear, boost in signed tenths."""
    return (number * 7919) % 32_000, number % 3, number % 251 - 125


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two sessions on one bus, with readings decoded with an older DBC."""
    path = tmp_path_factory.mktemp("engine") / "a.db"
    with closing(Log(path, durable=False)) as recording:
        for session in (1, 2):
            recording.begin_session(
                SessionStart("boot", "", "test", ""), {"itinerary": drives.ITINERARY, "dbc:a.dbc": DBC}
            )
            rows = Rows(fix=drives.fixes(drives.plan(), hz=1)[:300])
            for number in range(FRAMES // 2 * (session - 1), FRAMES // 2 * session):
                quarters, gear, tenths = raw(number)
                data = quarters.to_bytes(2, "little") + bytes([gear, tenths % 256, 0, 0, 0, 0])
                t_us = 20_000 * (number - FRAMES // 2 * (session - 1))
                rows.frame.append(CanFrame(t_us, 0, 256, data))
                rows.reading.append(Reading(t_us, RPM, quarters * 0.25))
            rows.event.append(EventRow(t_us, "session_end", {"reason": "stopped"}))
            recording.write(rows)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(review, [str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.parametrize("most", [engine.MAX_STRETCHES, 1000, 7])
def test_channel_figures_equal_those_of_sql(log: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(engine, "UNDRAWN_STRETCHES", most)
    with closing(sqlite3.connect(log)) as connection:
        [rpm] = engine_of(connection).channels
        low, high, mean = connection.execute(
            "SELECT min(value), max(value), avg(value) FROM reading"
        ).fetchone()
    assert (rpm.name, rpm.unit, rpm.low, rpm.high) == ("rpm", "1/min", low, high)
    assert rpm.mean == pytest.approx(mean, rel=1e-12)
    stretches = len(rpm.course.t_us)
    assert stretches == FRAMES if most >= FRAMES else most / 2 - 2 <= stretches <= most
    assert (rpm.course.low <= rpm.course.mean).all()
    assert (rpm.course.mean <= rpm.course.high).all()
    assert set(rpm.course.session.tolist()) == {1, 2}
    assert (float(rpm.course.low.min()), float(rpm.course.high.max())) == (low, high)


@pytest.mark.parametrize("channel", [-(2**63), 2**63 - 1, 0])
def test_a_reading_of_an_unknown_channel_is_skipped(log: Path, tmp_path: Path, channel: int) -> None:
    with closing(sqlite3.connect(log)) as connection:
        [whole] = engine_of(connection).channels
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(log.read_bytes())
    with closing(sqlite3.connect(damaged)) as connection:
        connection.execute("UPDATE reading SET channel = ? WHERE rowid = 1", (channel,))
        connection.commit()
        [rpm] = engine_of(connection).channels
    assert (rpm.name, rpm.high) == (whole.name, whole.high)


def test_a_corrected_dbc_decodes_all_frames_again(log: Path, tmp_path: Path) -> None:
    corrected = tmp_path / "corrected.dbc"
    corrected.write_text(DBC.replace("(0.25,0)", "(0.5,100)"))
    result = run(log, "--dbc", corrected, "--json")
    assert result.return_value == 0, result.output
    engine = json.loads(result.stdout)["engine"]
    truth = [raw(number) for number in range(FRAMES)]
    rpm = [quarters * 0.5 + 100 for quarters, *_ in truth]
    boost = [tenths * 0.1 - 1 for _, gear, tenths in truth if gear == 1]
    assert set(engine) == {"gear", "rpm", "boost_bar", "oil_c", "water_c"}
    assert (engine["rpm"]["min"], engine["rpm"]["max"]) == (min(rpm), max(rpm))
    assert engine["rpm"]["mean"] == pytest.approx(sum(rpm) / len(rpm), abs=1e-4)
    assert (engine["boost_bar"]["min"], engine["boost_bar"]["max"]) == (min(boost), max(boost))
    assert engine["boost_bar"]["mean"] == pytest.approx(sum(boost) / len(boost), abs=1e-3)
    assert engine["boost_bar"]["unit"] == "bar"


def test_channels_are_drawn(tmp_path: Path) -> None:
    dbc, page = tmp_path / "a.dbc", tmp_path / "page.html"
    dbc.write_text(DBC)
    log = drives.write_log(tmp_path / "driven.db", drives.fixes(drives.plan(), hz=1))
    with closing(sqlite3.connect(log)) as connection:
        data = (500).to_bytes(2, "little") + bytes(6)
        rows = [(1, t_us, 0, 256, data) for t_us in range(0, 600_000_000, 1_000_000)]
        connection.executemany("INSERT INTO frame VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
    assert run(log, "--dbc", dbc, "--html", page).return_value == 0
    drawing = page.read_text().split('id="drawing">')[1].split("</script>")[0]
    rpm = next(channel for channel in json.loads(drawing)["channels"] if channel["key"] == "engine.rpm")
    assert (rpm["title"], rpm["unit"]) == ("Engine speed", "rpm")
    assert set(unpacked(rpm["y"]).tolist()) == {125.0}
    times_s = np.frombuffer(base64.b64decode(rpm["s"]), dtype="<f4")
    assert (np.diff(times_s) >= 0).all()
    assert times_s[-1] - times_s[0] == pytest.approx(599, abs=0.1)


def test_signals_are_decoded_beside_the_recorded_channels(log: Path, tmp_path: Path) -> None:
    result = run(log, "--signals", "--json")
    assert result.return_value == 0, result.output
    engine = json.loads(result.stdout)["engine"]
    assert set(engine) == {"gear", "rpm", "boost_bar", "oil_c", "water_c"}
    extra = tmp_path / "extra.db"
    extra.write_bytes(log.read_bytes())
    with closing(sqlite3.connect(extra)) as connection:
        connection.execute(
            "INSERT INTO channel VALUES (2, 'rpm', '1/min', 'obd2'), (3, 'fuel_pct', '%', 'obd2')"
        )
        connection.execute("INSERT INTO reading VALUES (1, 5, 2, 900), (1, 6, 3, 55)")
        connection.commit()
        found = engine_of(connection, signals=True).channels
    assert [c.source for c in found if c.name == "rpm"] == ["a.dbc:M", "obd2"]  # each its own channel
    assert [c.high for c in found if c.name == "fuel_pct"] == [55]


def test_blocks_decoded_together_give_the_same(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_ROWS", 1000)
    monkeypatch.setattr(
        engine, "UNDRAWN_STRETCHES", engine.MAX_STRETCHES
    )  # no sums, whose order would matter
    found = []
    for at_once in (1, 8):
        monkeypatch.setattr(engine, "BLOCKS_AT_ONCE", at_once)
        with closing(sqlite3.connect(log)) as connection:
            found.append(engine_of(connection, {"a.dbc": DBC}).channels)
    assert [c[:6] for c in found[0]] == [c[:6] for c in found[1]]
    for one, other in zip(*found, strict=True):
        for column, same in zip(one.course, other.course, strict=True):
            assert (column == same).all()


def test_joined_blocks_come_up_to_the_damage(log: Path) -> None:
    def damaged() -> Iterator[blocks.FrameBlock]:
        with closing(sqlite3.connect(log)) as connection:
            yield from blocks.frame_blocks(connection, select(connection), lambda _done: None)
        raise LogError("damaged")

    read = []
    with pytest.raises(LogError):
        for block in blocks.joined(damaged(), 1000):
            read.append(block)
    assert [len(block.t_us) for block in read] == [FRAMES]


def test_signals_of_a_log_without_a_dbc_or_of_a_track(tmp_path: Path) -> None:
    fixes = drives.fixes(drives.plan(), hz=1)
    result = run(drives.write_log(tmp_path / "plain.db", fixes), "--signals")
    assert isinstance(result.exception, ConfigurationError)
    assert "name one with --dbc" in str(result.exception)
    result = run(drives.write_nmea(tmp_path / "a.nmea", fixes[:50]), "--signals")
    assert isinstance(result.exception, ConfigurationError)
    assert "no CAN frames" in str(result.exception)


def test_a_dbc_of_another_car_keeps_the_recorded_readings(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.dbc"
    other.write_text(DBC.replace("256 M", "512 M"))
    result = run(log, "--dbc", other)
    assert result.return_value == 64
    [line] = [line for line in result.stderr.splitlines() if "other.dbc" in line]
    assert "none of its messages is on the bus" in line
    assert "rpm" in result.stdout


def test_the_matching_one_of_two_dbcs_is_used_and_the_other_reported(log: Path, tmp_path: Path) -> None:
    fits, other = tmp_path / "fits.dbc", tmp_path / "other.dbc"
    fits.write_text(DBC)
    other.write_text(DBC.replace("256 M", "512 M"))
    result = run(log, "--dbc", fits, "--dbc", other)
    assert result.return_value == 64
    assert "boost_bar" in result.stdout
    assert "stagelog: other.dbc: none" in result.stderr


@pytest.mark.parametrize("text", ["this is no DBC", "BO_ 1 M: 8"])
def test_an_invalid_dbc_is_a_one_line_error(log: Path, tmp_path: Path, text: str) -> None:
    wrong = tmp_path / "wrong.dbc"
    wrong.write_text(text)
    result = run(log, "--dbc", wrong)
    assert isinstance(result.exception, ConfigurationError)
    assert str(result.exception).startswith("wrong.dbc:1:")
    assert "\n" not in str(result.exception)


def test_a_gpx_track_has_no_engine_channels(tmp_path: Path) -> None:
    dbc, itinerary = tmp_path / "a.dbc", tmp_path / "short.toml"
    dbc.write_text(DBC)
    itinerary.write_text(drives.ITINERARY)
    track = drives.write_gpx(tmp_path / "track.gpx", drives.fixes(drives.plan(), hz=1))
    result = run(track, "--itinerary", itinerary, "--dbc", dbc)
    assert result.return_value == 64
    assert "SS7" in result.stdout
    assert "a.dbc: none of its messages is on the bus" in result.stderr
