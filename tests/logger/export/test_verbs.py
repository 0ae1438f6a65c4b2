"""`stagelog export`: files, pipes, and one-line errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware_bridge.errors import ConfigurationError, LogError, StagelogError
from logger.cli.main import cli
from logger.export.verbs import export
from logger.stage import itinerary
from tests.logger import drives
from tests.logger.export.logs_made import DBC, exported, opened


def test_file_and_pipe_output_are_equal(log: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    result = CliRunner().invoke(export, [str(log), "--format", "csv", "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert output.read_bytes() == exported(log, "csv")
    assert list(tmp_path.iterdir()) == [output]
    piped = CliRunner().invoke(export, [str(log), "--format", "csv"])
    assert piped.stdout_bytes == output.read_bytes()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_dash_is_the_standard_output(
    form: str, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    piped = CliRunner().invoke(export, [str(log), "--format", form, "-o", "-"])
    assert piped.stdout_bytes == exported(log, form)
    assert list(tmp_path.iterdir()) == []


def test_export_of_frames_in_a_time_range(log: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    arguments = ["--frames", "--section", "1", "--from", "07:20:30", "--to", "2026-01-15T07:21"]
    result = CliRunner().invoke(export, [str(log), "--format", "csv", *arguments, "-o", str(output)])
    assert result.exit_code == 0, result.output
    times = [line.split(",")[0] for line in output.read_text().splitlines()[1:]]
    assert times
    assert all("2026-01-15T07:20:30" <= utc <= "2026-01-15T07:21:00.000000Z" for utc in times)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "tcx"], "tcx"),
        (["--format", "csv", "--from", "noon"], "not a UTC time such as"),
        (["--format", "csv", "--frames", "--signals"], "choose one"),
        (["--format", "csv", "--section", "0"], "section"),
    ],
)
def test_wrong_usage_exits_with_two(log: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(export, [str(log), *arguments])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--format", "gpx", "--signals"], ConfigurationError, "choose one of motec, csv, parquet, mf4"),
        (["--format", "gpx", "--section", "5"], LogError, "sections in the log: 1, 2"),
        (["--format", "csv", "--dbc", "absent.dbc"], ConfigurationError, "absent.dbc: cannot be read"),
        (["--format", "csv", "--dbc", "wrong.dbc"], ConfigurationError, "wrong.dbc:1:1: no readable DBC"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_file(
    log: Path, tmp_path: Path, arguments: list[str], kind: type[StagelogError], message: str
) -> None:
    (tmp_path / "wrong.dbc").write_text("this is no DBC")
    arguments = [str(tmp_path / part) if part.endswith(".dbc") else part for part in arguments]
    result = CliRunner().invoke(export, [str(log), *arguments, "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.dbc"]


@pytest.mark.parametrize("damage", ["missing", "foreign", "truncated"])
def test_an_invalid_log_is_a_one_line_error(log: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.db"
    if damage == "foreign":
        path.write_text("not a log " * 500)
    if damage == "truncated":
        path.write_bytes(log.read_bytes()[:20_000])
    result = CliRunner().invoke(export, [str(path), "--format", "csv", "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, LogError)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()


def number_on_the_bus(log: Path) -> int:
    with opened(log) as connection:
        return int(connection.execute("SELECT can_id FROM frame WHERE length(data) = 8").fetchone()[0])


def test_a_dbc_implies_signals(log: Path, tmp_path: Path) -> None:
    dbc = tmp_path / "given.dbc"
    dbc.write_text(DBC.replace("256 M", f"{number_on_the_bus(log)} M"))
    result = CliRunner().invoke(export, [str(log), "--format", "csv", "--dbc", str(dbc)])
    assert result.exit_code == 0
    assert result.stdout.startswith("utc,session,t_s,bus,signal,unit,source,value")
    assert result.stdout.count("rpm,1/min,given.dbc:M,") == 2


def test_a_dbc_of_another_car_is_a_one_line_error_and_leaves_no_file(log: Path, tmp_path: Path) -> None:
    dbc, output = tmp_path / "other.dbc", tmp_path / "out.csv"
    dbc.write_text(DBC)
    result = CliRunner().invoke(export, [str(log), "--format", "csv", "--dbc", str(dbc), "-o", str(output)])
    assert isinstance(result.exception, ConfigurationError)
    assert "other.dbc" in str(result.exception)
    assert "none of its messages is on the bus" in str(result.exception)
    assert not output.exists()


def stagelog(*arguments: object) -> None:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module", params=["log", "itinerary"])
def route(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OpenRally file exported from a log's itinerary or from an itinerary file."""
    folder = tmp_path_factory.mktemp("route")
    source = folder / "short.toml"
    source.write_text(drives.ITINERARY)
    if request.param == "log":
        source = drives.write_log(folder / "a.db", drives.fixes(drives.plan(), hz=1)[:20])
    stagelog("export", source, "--format", "openrally", "-o", folder / "route.gpx")
    return folder / "route.gpx"


def test_a_route_survives_a_round_trip_through_openrally(route: Path) -> None:
    again = route.with_name("again.toml")
    stagelog("import", route, "-o", again)

    def columns(text: str) -> list[list[tuple[object, ...]]]:
        return [
            [(p.kind, round(p.km, 3), p.lat, p.lon, p.speed_kmh, p.time_s) for p in section.waypoints]
            for section in itinerary.load(text, "route").sections
            if section.kind == "selective"
        ]

    assert columns(again.read_text()) == columns(drives.ITINERARY)
