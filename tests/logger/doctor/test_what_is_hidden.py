"""Files that the doctor may not read or that are wrong: reported, while everything else is examined."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logger.command_line import stagelog
from tests.logger.doctor.examining import car, examined
from tests.logger.doctor.ordinary import examined_by_nobody
from tests.logger.doctor.test_probe_system import make_log
from tests.logger.recorder.driving import set_up

SUDO = "run the doctor with sudo"
CONFIG = """\
[live]
socket = "live.sock"
[log]
directory = "var/logs"
min_free_mb = 0
[gps]
port = "/dev/stagelog-none"
"""


@pytest.fixture
def installed() -> Iterator[Path]:
    """A configuration and a log, in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "var/logs").mkdir(parents=True)
        make_log(folder / "var/logs", "a-001")
        (folder / "stagelog.toml").write_text(CONFIG)
        yield folder


def lines_about(output: str, where: str) -> list[str]:
    """The lines about `where`."""
    return [line for line in output.splitlines() if line.split(maxsplit=1)[1].startswith(f"{where}")]


@pytest.mark.parametrize(
    ("hidden", "where", "words"),
    [
        ("stagelog.toml", "", f"stagelog.toml: cannot be read: Permission denied; {SUDO}"),
        ("var/logs", "logs", f"NOTE   logs: cannot be checked without permission; {SUDO}"),
        ("var/logs/a-001.db", "logs", f"NOTE   logs: cannot be checked without permission; {SUDO}"),
        ("var", "logs", f"NOTE   logs: cannot be checked without permission; {SUDO}"),
        ("var", "disk", f"/var/logs: cannot be checked without permission; {SUDO}"),
    ],
)
def test_missing_permissions_are_reported_with_a_hint(
    installed: Path, hidden: str, where: str, words: str
) -> None:
    (installed / hidden).chmod(0o700 if (installed / hidden).is_dir() else 0o640)
    output = examined_by_nobody(installed / "stagelog.toml")
    assert any(words in line for line in lines_about(output, where)), output
    assert "there is no such folder" not in output
    assert "none yet" not in output
    assert lines_about(output, "card")
    assert lines_about(output, "power")


def test_a_wrong_name_in_the_configuration_hides_no_port(tmp_path: Path) -> None:
    with car() as driven:
        config = set_up(tmp_path, driven)
        text = (
            config.read_text().replace('"stage.toml"', '"stage.tml"').replace('"engine.dbc"', '"engine.dcb"')
        )
        config.write_text(text)
        output = stagelog("doctor", "-c", config, "--seconds", "1.5", folder=tmp_path).out
    assert [line for line in output.splitlines() if "No such file" in line and line.startswith("WRONG")]
    for where in ("port gps", "gps gps", "port engine", "bus engine", "clock", "disk", "logs", "power"):
        assert lines_about(output, where), output
    assert lines_about(output, "dbc") == [
        "NOTE   dbc engine.dcb: not compared with the bus: it cannot be read"
    ]
    assert "that nothing here can read" not in output, (
        "a file that cannot be read is no reason to call frames unknown"
    )


def test_a_damaged_dbc_hides_no_bus(tmp_path: Path) -> None:
    with car() as driven:
        config = set_up(tmp_path, driven)
        (tmp_path / "engine.dbc").write_text("BO_ nonsense")
        found = examined(config)
    assert [finding.verdict for finding in found if finding.where == "bus engine"] == ["ok"]
    assert [finding.what for finding in found if finding.where == "dbc engine.dbc"] == [
        "not compared with the bus: it cannot be read"
    ]


def test_a_file_in_place_of_the_log_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var/logs").write_text("")
    (tmp_path / "stagelog.toml").write_text(CONFIG)
    output = stagelog("doctor", "-c", "stagelog.toml", "--seconds", "1", folder=tmp_path).out
    assert lines_about(output, "disk") == ["WRONG  disk var/logs: not a directory; correct [log] directory"]
