"""Options that the configuration needs and the machine may lack: chrony, the unit that switches off."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from logger.doctor import examination, probe_system
from logger.doctor.examination import examine

CONFIG = """\
[live]
socket = "live.sock"
[log]
directory = "."
min_free_mb = 0
[[can]]
name = "engine"
port = "none"
protocol = "slcan"
preset = "obd2"
"""
SHUTDOWN = '[shutdown]\nwhen = "battery_v < 11.8"\n'
CHRONY = '[clock]\nchrony = "chrony.sock"\n'


def lines_about(folder: Path, more: str, where: str) -> list[str]:
    """The doctor's lines about `where`, with `more` in the configuration."""
    config = folder / "stagelog.toml"
    config.write_text(CONFIG + more)
    found = list(examine(config, 1.0, threading.Event()))
    assert found[0].verdict == "ok", found[0]
    return [str(finding) for finding in found if finding.where == where]


def test_files_that_the_service_cannot_reach_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only for the service's own configuration: a recorder started by hand reaches every file."""
    (tmp_path / "engine.dbc").write_text('VERSION ""\n')
    service = {"LoadState": "loaded", "ActiveState": "active", "ReadWritePaths": "-/var/lib/stagelog"}
    monkeypatch.setattr(probe_system, "unit", lambda _name: service)
    more = 'dbc = ["engine.dbc"]\n'
    dbc, disk = str(tmp_path / "engine.dbc"), f"disk {tmp_path}"
    assert (
        not any("recorder service" in line for line in lines_about(tmp_path, more, disk))
        and lines_about(tmp_path, more, dbc) == []
    )
    monkeypatch.setattr(examination, "CONFIGURATION", str(tmp_path / "stagelog.toml"))
    assert any("recorder service may not write there" in line for line in lines_about(tmp_path, more, disk))
    assert any("does not see it there" in line for line in lines_about(tmp_path, more, dbc)), "it is in /tmp"
    service["ReadWritePaths"] += f" {tmp_path}"
    assert not any("recorder service" in line for line in lines_about(tmp_path, more, disk))


def test_a_missing_switch_off_unit_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queried = []

    def systemd_unit(name: str) -> dict[str, str]:
        queried.append(name)
        return {"LoadState": "not-found", "ActiveState": "inactive"}

    monkeypatch.setattr(probe_system, "unit", systemd_unit)
    assert lines_about(tmp_path, "", "power-off") == []
    assert "stagelog-power-off.path" not in queried
    assert lines_about(tmp_path, SHUTDOWN, "power-off") == [
        "WRONG  power-off: [shutdown] is set, but no service executes it; `sudo stagelog install --with power-off`"
    ]
    assert queried[-1] == "stagelog-power-off.path"


def test_without_systemd_the_switch_off_unit_is_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_system, "unit", lambda _name: None)
    assert lines_about(tmp_path, SHUTDOWN, "power-off") == []


def test_a_clock_that_no_program_sets_is_reported(tmp_path: Path) -> None:
    assert lines_about(tmp_path, "", "chrony") == []
    (missing,) = lines_about(tmp_path, CHRONY, "chrony")
    assert missing.startswith(f"WRONG  chrony: {tmp_path}/chrony.sock: no such socket")
    assert "`sudo stagelog install --with chrony`; chrony itself must be installed and running" in missing
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as chronyd:
        chronyd.bind(str(tmp_path / "chrony.sock"))
        assert lines_about(tmp_path, CHRONY, "chrony") == [
            f"OK     chrony: receives GPS time at {tmp_path}/chrony.sock"
        ]
