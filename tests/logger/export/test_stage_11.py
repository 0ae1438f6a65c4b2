"""The timed section of the built-in stage 11, simulated and read back from MoTeC's and Racelogic's formats."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.logger.command_line import stagelog
from tests.logger.export import ld_reader, vbo_reader

SECTION, CAR = "2", "baciuska"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds s11.db, s11.ld, s11.ldx and s11.vbo."""
    made = tmp_path_factory.mktemp("stage11")
    simulated = stagelog(
        *("simulate", "dakar-2026-11", "--section", SECTION, "--car", CAR, "-o", "logs"), folder=made
    )
    assert simulated.code == 0, simulated.err
    (log,) = (made / "logs").glob("*.db")
    log.rename(made / "s11.db")
    for name, suffix in (("motec", "ld"), ("vbo", "vbo")):
        exported = stagelog("export", "s11.db", "--format", name, "-o", f"s11.{suffix}", folder=made)
        assert exported.code == 0, exported.err
    return made


def rows(folder: Path, sql: str) -> list[tuple[float, ...]]:
    with closing(sqlite3.connect(folder / "s11.db")) as connection:
        return connection.execute(sql).fetchall()


FIXES = "SELECT utc_us / 1e6, lat, lon, speed_mps * 3.6 FROM fix WHERE lat IS NOT NULL"
CROSSINGS = """SELECT json_extract(detail, '$.name'), json_extract(detail, '$.utc_us') / 1e6 FROM event
    WHERE kind = 'waypoint' AND json_extract(detail, '$.state') = 'validated'
    AND json_extract(detail, '$.kind') = 'cp'"""
READINGS = """SELECT utc_us / 1e6, value FROM (SELECT t_us + (SELECT utc_us - clock.t_us FROM clock
    WHERE clock.t_us <= reading.t_us ORDER BY clock.t_us DESC LIMIT 1) AS utc_us, value
    FROM reading JOIN channel ON channel = id WHERE name = 'rpm') WHERE utc_us IS NOT NULL"""


def test_the_ld_has_the_speed_and_the_revolutions_of_the_log(folder: Path) -> None:
    read = ld_reader.read((folder / "s11.ld").read_bytes())
    speed, rpm = read.channels["Ground Speed"], read.channels["Engine RPM"]
    fixes, readings = (np.array(rows(folder, sql)) for sql in (FIXES, READINGS))
    assert len(fixes) > 10_000
    begin_s = read.begun.timestamp()
    sample = np.rint((fixes[:, 0] - begin_s) * speed.rate_hz).astype(int)
    np.testing.assert_allclose(speed.values[sample], fixes[:, 3], rtol=1e-6)
    moments = begin_s + np.arange(len(rpm.values)) / rpm.rate_hz
    newest = np.searchsorted(readings[:, 0], moments, side="right") - 1
    np.testing.assert_array_equal(rpm.values[newest >= 0], readings[newest[newest >= 0], 1])


def test_the_ldx_and_the_vbo_have_the_splits_of_the_log(folder: Path) -> None:
    crossings = {str(name): moment for name, moment in rows(folder, CROSSINGS)}
    assert crossings.keys() == {"CP1", "CP2", "CP3"}
    begin_s = ld_reader.read((folder / "s11.ld").read_bytes()).begun.timestamp()
    beacons = ld_reader.beacons((folder / "s11.ldx").read_bytes())
    assert {name: begin_s + beacons[name] for name in crossings} == pytest.approx(crossings, abs=1e-5)
    read = vbo_reader.read((folder / "s11.vbo").read_bytes())
    gates = {gate.name: vbo_reader.crossings(read, gate) for gate in read.gates}
    of_day = {name: moment % 86_400 for name, moment in crossings.items()}
    assert {name: gates[name][0] for name in crossings} == pytest.approx(of_day, abs=0.05)


def test_the_vbo_has_each_place_to_a_millionth_of_a_degree(folder: Path) -> None:
    read = vbo_reader.read((folder / "s11.vbo").read_bytes())
    fixes = np.array(rows(folder, FIXES))
    np.testing.assert_allclose(read.columns["lat"], fixes[:, 1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(read.columns["long"], fixes[:, 2], rtol=0, atol=1e-9)
    np.testing.assert_allclose(read.columns["velocity"], fixes[:, 3], rtol=0, atol=0.00051)
