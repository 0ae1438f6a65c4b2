"""`logger.open_log`: a log's rows as columns, from Python."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import logger
from firmware_bridge.records import Fix
from logger.logfile.rows import Rows
from logger.notebook.columns import Columns
from logger.notebook.opened_log import OpenedLog
from tests.logger import drives, short_stage
from tests.logger.command_line import ENVIRONMENT, ROOT
from tests.logger.logfile.rows_made import write_log
from tests.logger.logfile.test_reader import recorded

LIGHT = "import logger, sys; print(*sys.modules)"
TABLES: dict[str, Callable[[OpenedLog], object]] = {
    "fix": OpenedLog.fix,
    "frame": OpenedLog.frame,
    "reading": OpenedLog.reading,
    "speed": OpenedLog.speed,
    "events": OpenedLog.events,
    "channels": OpenedLog.channels,
}


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of the short stage with an over-speed, made by the recorder's pipeline."""
    return drives.write_log(tmp_path_factory.mktemp("driven") / "driven.db", drives.fixes(drives.plan()))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated log with CAN frames and a DBC."""
    return short_stage.simulated(tmp_path_factory.mktemp("simulated"), short_stage.FEW)


def sql(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def python(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False
    )


def test_fixes_are_the_rows_of_the_log(driven: Path) -> None:
    with logger.open_log(str(driven)) as log:
        fix = log.fix()
    expected = np.array(sql(driven, "SELECT t_us, lat, lon, speed_mps, satellites FROM fix ORDER BY rowid"))
    found = np.stack((fix.t_us, fix.lat, fix.lon, fix.speed_mps, fix.satellites), axis=1)
    assert np.array_equal(found, expected)
    assert fix.utc.dtype == np.dtype("datetime64[us]")
    assert np.array_equal(
        fix.utc.astype(np.int64), np.ravel(sql(driven, "SELECT utc_us FROM fix ORDER BY rowid"))
    )
    assert np.isnan(fix.accuracy_m).all()
    assert len(fix) == len(expected)


def test_speed_is_that_of_the_view(driven: Path) -> None:
    speed = logger.open_log(driven).speed()
    rows = sql(driven, "SELECT utc, speed_kmh, limit_kmh, over_kmh FROM speed")
    assert [f"{str(utc)[:-3]}Z" for utc in speed.utc] == [row[0] for row in rows]
    columns = (speed.speed_kmh, speed.limit_kmh, speed.over_kmh)
    for column, expected in zip(columns, list(zip(*rows, strict=True))[1:], strict=True):
        assert column == pytest.approx(np.array(expected, dtype=np.float64), nan_ok=True)
    zone = speed[(speed.distance_km > 4.3) & (speed.distance_km < 5.7)]
    assert set(zone.limit_kmh) == {50.0}
    assert zone.speed_kmh.max() == pytest.approx(drives.OVER_KMH, abs=1.5)
    assert zone.over_kmh.max() == pytest.approx(drives.OVER_KMH - 50.0, abs=1.5)
    over = zone[zone.over_kmh > 5.0]
    assert drives.OVER_KM - 0.3 < over.distance_km.min() < over.distance_km.max() < drives.OVER_TO_KM + 0.3
    assert set(over.section) == {1.0}


def test_frames_and_readings_are_the_rows_of_the_log(simulated: Path) -> None:
    log = logger.open_log(simulated)
    frame, reading = log.frame(), log.reading()
    rows = sql(simulated, "SELECT t_us, bus, can_id, data FROM frame ORDER BY rowid")
    assert list(zip(frame.t_us, frame.bus, frame.can_id, strict=True)) == [row[:3] for row in rows]
    assert [bytes(data[:length]) for data, length in zip(frame.data, frame.length, strict=True)] == [
        row[3] for row in rows
    ]
    assert list(frame.to_pandas()["data"]) == [row[3] for row in rows]
    joined = "reading AS r JOIN channel AS c ON c.id = r.channel ORDER BY r.rowid"
    values = sql(simulated, f"SELECT r.t_us, c.name, r.value, c.unit FROM {joined}")
    assert list(zip(reading.t_us, reading.channel, reading.value, reading.unit, strict=True)) == values
    name = log.channels()[1].name
    one = log.reading(name)
    assert set(one.channel) == {name}
    assert len(one) == sum(row[1] == name for row in values)
    with pytest.raises(logger.LogError, match=f'no channel {name}x; did you mean "{name}"'):
        log.reading(f"{name}x")


def test_the_rest_of_a_log(driven: Path) -> None:
    with logger.open_log(driven) as log:
        assert log.car["crew"] == ["A. Driver", "B. Navigator"]
        assert log.meta["stage"] == "Test 7 Short"
        assert [session.ended for session in log.sessions] == ["stopped"]
        (over,) = log.events("overspeed")
        assert over.detail["max_kmh"] == pytest.approx(drives.OVER_KMH, abs=1.0)
        assert str(over.utc).startswith("2026-01-15T03:")
        assert len(log.events()) == sql(driven, "SELECT count(*) FROM event")[0][0]
        assert "Test 7 Short" in repr(log)
    assert "closed" in repr(log)
    with pytest.raises(logger.LogError, match="closed"):
        log.fix()


@pytest.mark.parametrize(
    "moment", ["03:05", "2026-01-15T03:05", "2026-01-15T04:05+01:00", np.datetime64("2026-01-15T03:05")]
)
def test_a_part_of_a_log(driven: Path, moment: Any) -> None:
    log = logger.open_log(driven)
    part = log.fix(first=moment, last="03:06")
    assert (str(part.utc[0]), len(part)) == ("2026-01-15T03:05:00.000000", 301)
    assert len(log.speed(section=1, first=moment, last="03:06")) == len(part)
    with pytest.raises(logger.LogError, match="it covers 2026"):
        log.fix(first="2027-01-01")
    with pytest.raises(ValueError, match="isoformat"):
        log.fix(first="yesterday")


def test_rows_of_columns(driven: Path) -> None:
    fix = logger.open_log(driven).fix()
    assert [len(rows) for rows in (fix[:3], fix[2], fix[[1, 2]], fix[fix.lat > 90], fix[np.int64(1)])] == [
        3,
        1,
        2,
        0,
        1,
    ]
    assert fix[2].t_us[0] == fix.t_us[2]
    assert repr(fix[:3]).startswith("Fixes(3 rows: session, t_us, utc, lat")
    assert list(fix.columns()) == list(fix.to_pandas().columns)
    assert str(fix.to_pandas()["utc"].dtype) == "datetime64[us, UTC]"


def test_a_log_without_rows_has_empty_columns(tmp_path: Path) -> None:
    log = logger.open_log(write_log(tmp_path / "bare.db"))
    for read in TABLES.values():
        found = read(log)
        if isinstance(found, Columns):
            assert len(found) == len(found.to_pandas()) == 0
            assert len(found[:5]) == 0


def test_a_log_that_is_recorded_gives_its_newest_rows(tmp_path: Path) -> None:
    recording = recorded(tmp_path / "growing.db", ended=False)
    with logger.open_log(tmp_path / "growing.db") as log:
        before = len(log.fix())
        recording.write(Rows(fix=[Fix(9_500_000, None, 21.6, 40.7, 900.0, 10.0, 0.0, 1, 11, 0.9)]))
        recording.commit()
        assert len(log.fix()) == before + 1
        assert np.isnat(log.fix().utc).sum() == 0, "dated by the session's clock"
    recording.close()


def test_nothing_is_written(driven: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(driven, tmp_path))
    log = logger.open_log(copy)
    for read in TABLES.values():
        read(log)
    assert copy.read_bytes() == driven.read_bytes()
    assert list(tmp_path.iterdir()) == [copy]


@pytest.mark.slow
def test_a_damaged_log_raises_one_line_or_gives_rows(driven: Path, tmp_path: Path) -> None:
    content, path = driven.read_bytes(), tmp_path / "damaged.db"
    refused = 0
    for page in range(0, len(content), len(content) // 40 & ~4095):
        for junk in (b"\xff" * 4096, b"\x0d" + b"\x00" * 200, b""):
            path.write_bytes(content[:page] + junk + content[page + len(junk) :] if junk else content[:page])
            for read in TABLES.values():
                try:
                    read(logger.open_log(path))
                except logger.LogError as error:
                    refused += 1
                    assert "\n" not in str(error)
                    assert str(path) in str(error)
    assert refused > 40


STRANGE = (
    "UPDATE event SET t_us = 9223372036854775807 WHERE rowid = 3",
    "UPDATE event SET t_us = 'x' WHERE rowid = 3",
    "UPDATE event SET session = x'00' WHERE rowid = 3",
    "UPDATE event SET detail = '[' WHERE rowid = 3",
    "UPDATE event SET kind = 7 WHERE rowid = 3",
    "UPDATE fix SET t_us = -9223372036854775807 WHERE rowid = 3",
    "UPDATE fix SET lat = 'north' WHERE rowid = 3",
    "UPDATE clock SET utc_us = 9223372036854775807",
    "UPDATE channel SET name = x'ff'",
    "UPDATE channel SET id = -id",
    "UPDATE reading SET channel = 9223372036854775807 WHERE rowid = 3",
    "UPDATE progress SET section = -9e999",
    "INSERT INTO frame VALUES (1, 1, 0, 1, zeroblob(100000))",
    "INSERT INTO frame VALUES (1, 1, 0, 1, 'text')",
)


@pytest.mark.parametrize("statement", STRANGE)
def test_strange_values_raise_one_line_or_give_rows(driven: Path, tmp_path: Path, statement: str) -> None:
    path = Path(shutil.copy(driven, tmp_path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    results = 0
    for read in TABLES.values():
        try:
            read(logger.open_log(path))
            results += 1
        except logger.LogError as error:
            assert "\n" not in str(error)
    assert results, "a table costs no other table"


@pytest.mark.parametrize("name", ["none.db", "text.db", "."])
def test_what_is_no_log_raises_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.db").write_text("not a log\n" * 1000)
    with pytest.raises(logger.LogError) as raised:
        logger.open_log(tmp_path / name)
    assert str(raised.value).startswith(str(tmp_path / name if name != "." else tmp_path))
    assert "\n" not in str(raised.value)


def test_the_import_is_light(tmp_path: Path) -> None:
    loaded = set(python(LIGHT, tmp_path).stdout.split())
    assert "logger" in loaded
    assert loaded & {"numpy", "sqlite3", "click", "asyncio", "logging", "pandas", "sqlite_utils"} == set()
    assert {name for name in loaded if name.startswith("logger.")} <= {"logger.version", "logger._version"}


@pytest.mark.parametrize(
    ("package", "extra", "where"), [("pandas", "pandas", "to_pandas"), ("numpy", "review", "logger.open_log")]
)
def test_without_a_package_the_error_says_how_to_install_it(
    driven: Path, tmp_path: Path, package: str, extra: str, where: str
) -> None:
    code = f"import sys; sys.modules['{package}'] = None; import logger; logger.open_log(sys.argv[1]).fix().to_pandas()"
    ended = python(code, tmp_path, str(driven))
    what = f'{where}: needs {package}, which is not installed; pip install "stagelog[{extra}]"'
    assert ended.stderr.splitlines()[-1] == f"firmware_bridge.errors.ConfigurationError: {what}"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(requirement.startswith(package) for requirement in extras[extra])


def test_the_example_of_the_document_runs(simulated: Path, tmp_path: Path) -> None:
    shutil.copy(simulated, tmp_path / "X.db")
    text = (ROOT / "logger/README.md").read_text(encoding="utf-8")
    example = re.search(r"^## From Python$.+?^```python\n(.+?)^```", text, re.M | re.S)
    assert example
    ended = python(example[1], tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "There and back" in ended.stdout
