"""Exports as files: MoTeC's two together, and every format into a folder."""

from __future__ import annotations

import errno
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.errors import ConfigurationError, LogError
from logger.boundary import interruption
from logger.export import formats, motec
from logger.export.verbs import export
from tests.logger import drives
from tests.logger.command_line import ROOT
from tests.logger.export import ld_reader
from tests.logger.export.logs_made import exported


def run(*arguments: object) -> Result:
    return CliRunner().invoke(export, [str(argument) for argument in arguments])


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_motec_writes_the_beacons_beside_it(log: Path, tmp_path: Path) -> None:
    result = run(log, "--format", "motec", "-o", tmp_path / "a.ld")
    assert result.exit_code == 0, result.output
    assert names_in(tmp_path) == {"a.ld", "a.ldx"}
    assert (tmp_path / "a.ld").read_bytes() == exported(log, "motec")
    assert (tmp_path / "a.ldx").read_bytes() == exported(log, "ldx")
    assert ld_reader.beacons((tmp_path / "a.ldx").read_bytes())


def test_motec_with_signals_has_the_same_beacons(log: Path, tmp_path: Path) -> None:
    assert run(log, "--format", "motec", "--signals", "-o", tmp_path / "a.ld").exit_code == 0
    assert (tmp_path / "a.ldx").read_bytes() == exported(log, "ldx")


def test_a_failure_leaves_both_files_as_they_were(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.ld", "a.ldx"):
        (tmp_path / name).write_text("earlier")

    def fail(*_: object) -> None:
        raise LogError("a page is damaged")

    monkeypatch.setattr(motec, "progress_blocks", fail)
    result = run(log, "--format", "motec", "-o", tmp_path / "a.ld")
    assert isinstance(result.exception, LogError)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("a.ld", "a.ldx"), "earlier"
    )


def test_standard_output_and_devices_get_the_first_file_only(log: Path) -> None:
    assert run(log, "--format", "motec").stdout_bytes == exported(log, "motec")
    assert run(log, "--format", "motec", "-o", "/dev/null").exit_code == 0
    assert not Path("/dev/null.ldx").exists()


def test_the_name_of_the_second_file_is_refused(log: Path, tmp_path: Path) -> None:
    result = run(log, "--format", "motec", "-o", tmp_path / "a.ldx")
    assert isinstance(result.exception, ConfigurationError)
    assert "a.ld" in str(result.exception)
    assert names_in(tmp_path) == set()


@pytest.fixture
def whole(log: Path, tmp_path: Path) -> Path:
    """The log with an itinerary that has coordinates throughout."""
    copy = tmp_path / "a.db"
    copy.write_bytes(log.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'itinerary'", (drives.ITINERARY,))
        connection.commit()
    return copy


EVERY = {
    *("a.ld", "a.ldx", "a-signals.ld", "a-signals.ldx", "a.vbo", "a.gpx", "a.kml", "a.csv", "a-frames.csv"),
    "a-events.csv",
    *(
        "a-signals.csv",
        "a.parquet",
        "a-frames.parquet",
        "a-signals.parquet",
        "a.mf4",
        "a-signals.mf4",
        "a.log",
    ),
    *("a.asc", "a.blf", "a-openrally.gpx"),
}


def test_all_writes_every_format_and_content(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out/deep"
    result = run(whole, "--format", "all", "-o", folder)
    assert result.exit_code == 0, result.output
    assert names_in(folder) == EVERY
    assert {Path(line).name for line in result.stdout.splitlines()} == EVERY
    for name, content, file_name in (
        ("csv", None, "a.csv"),
        ("candump", None, "a.log"),
        ("csv", "frames", "a-frames.csv"),
        ("csv", "events", "a-events.csv"),
    ):
        assert (folder / file_name).read_bytes() == exported(whole, name, content)  # type: ignore[arg-type]


def test_every_registered_format_is_in_it() -> None:
    assert {known.suffix for known in formats.FORMATS.values()} == {Path(name).suffix for name in EVERY}


def test_a_format_that_fails_costs_its_own_line(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("logger.export.parquet", "pyarrow"):  # as if it were not installed
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "logger.export.parquet")
    result = run(whole, "--format", "all", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert names_in(tmp_path / "out") == {name for name in EVERY if not name.endswith(".parquet")}
    lines = [line for line in result.stderr.splitlines() if "parquet" in line]
    assert len(lines) == 3
    assert all("pip install" in line for line in lines)
    assert "Traceback" not in result.stderr


def test_a_signal_ends_it_and_is_no_failure_of_a_format(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library may replace the signal's exception by its own, such as "query interrupted"."""

    def interrupted(*_: object) -> None:
        monkeypatch.setattr(interruption, "_signal", signal.SIGTERM)
        raise LogError("interrupted")

    monkeypatch.setattr(motec, "progress_blocks", interrupted)
    result = run(whole, "--format", "all", "-o", tmp_path / "out")
    assert isinstance(result.exception, LogError)
    assert names_in(tmp_path / "out") == set()


def test_a_full_disk_ends_it(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(motec, "progress_blocks", full)
    result = run(whole, "--format", "all", "-o", tmp_path / "out")
    assert isinstance(result.exception, OSError)
    assert names_in(tmp_path / "out") == set()


def test_what_a_log_does_not_have_is_left_out(whole: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(whole)) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'dbc:a.dbc'")
        hidden = drives.ITINERARY.replace("lat = 21.6366\n  lon = 40.7240\n", "")
        connection.execute("UPDATE meta SET value = ? WHERE key = 'itinerary'", (hidden,))
        connection.commit()
    result = run(whole, "--format", "all", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert names_in(tmp_path / "out") == {
        name for name in EVERY if "signals" not in name and "openrally" not in name
    }
    assert "left out: signals: the log has no DBC file" in result.stderr
    assert "left out: openrally: its itinerary has waypoints without coordinates" in result.stderr


def test_all_of_a_section(whole: Path, tmp_path: Path) -> None:
    result = run(whole, "--format", "all", "--section", "1", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert (
        (tmp_path / "out/a.csv").read_bytes() == exported(whole, "csv", section=1) != exported(whole, "csv")
    )


@pytest.mark.parametrize("arguments", [[], ["-o", "-"], ["-o", "out", "--frames"], ["-o", "out", "--events"]])
def test_all_needs_a_folder_and_takes_no_content(log: Path, arguments: list[str]) -> None:
    result = run(log, "--format", "all", *arguments)
    assert result.exit_code == 2
    assert "name a folder with -o" in result.output


def test_a_folder_that_cannot_be_made_is_one_error(log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(log, "--format", "all", "-o", tmp_path / "file/out")
    assert isinstance(result.exception, OSError)


def test_a_missing_log_makes_no_folder(tmp_path: Path) -> None:
    result = run(tmp_path / "missing.db", "--format", "all", "-o", tmp_path / "out")
    assert isinstance(result.exception, LogError)
    assert names_in(tmp_path) == set()


def test_the_readme_has_a_row_for_each_format() -> None:
    text = (ROOT / "logger/README.md").read_text(encoding="utf-8")
    for name, known in formats.FORMATS.items():
        assert f"| `{name}` | {known.opens_in} | " in text


def test_help_names_the_programs_that_open_each_format() -> None:
    shown = run("--help").output
    for name, known in formats.FORMATS.items():
        assert f"{name} " in shown
        assert known.opens_in.split(",", maxsplit=1)[0] in shown
