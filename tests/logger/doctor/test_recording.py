"""`stagelog doctor` beside a running recorder: delayed rows, missing permissions, a changed configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.doctor.examination import examine
from logger.doctor.findings import Finding
from logger.recorder.daemon import Recorder
from tests.field_failures.recorder_process import until
from tests.field_failures.small_disk import filled, small_disk
from tests.logger.command_line import ENVIRONMENT
from tests.logger.doctor.examining import CAN_ONLY, car, examined, picky, troubles
from tests.logger.doctor.ordinary import examined_by_nobody
from tests.logger.recorder.driving import Crew, recorder_here, set_up

ALL_WELL = ["port gps", "gps gps", "gps gps", "port engine", "bus engine", "dbc engine.dbc"]


def ok_places(found: list[Finding]) -> list[str]:
    return [finding.where for finding in found if finding.verdict == "ok" and finding.where != "recorder"]


def notes(found: list[Finding]) -> list[str]:
    return [f"{finding.where}: {finding.what}" for finding in found if finding.verdict == "note"]


def has_just_committed(recorder: Recorder) -> None:
    before = recorder.status().writer.commits
    until(lambda: recorder.status().writer.commits > before)


def changed(config: Path, old: str, new: str) -> Path:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return config


def test_delayed_rows_are_waited_for(tmp_path: Path) -> None:
    with car() as driven:
        config = changed(
            set_up(tmp_path, driven), 'directory = "logs"', 'directory = "logs"\nmax_loss_s = 3.0'
        )
        with recorder_here(config) as recorder:
            until(lambda: recorder.status().writer.frames > 300)
            has_just_committed(recorder)
            found = examined(config)
    assert troubles(found) == []
    assert ok_places(found) == ALL_WELL
    assert any("observed for 6 s: rows may take 3 s to reach" in line_text for line_text in notes(found))
    assert not any("fixes/s" in line_text for line_text in notes(found)), (
        "a rate is that of the rows' own times"
    )


def test_a_full_disk_is_not_blamed_on_receiver_or_bus(tmp_path: Path) -> None:
    with small_disk(tmp_path / "logs", 8) as folder, car() as driven:
        config = set_up(tmp_path, driven)
        with recorder_here(config) as recorder:
            until(lambda: recorder.status().writer.frames > 0)
            with filled(folder):
                until(lambda: recorder.status().writer.trouble != "")
                found = examined(config)
            until(lambda: recorder.status().writer.ok)
    assert [line_text.partition(":")[0] for line_text in troubles(found)] == ["recorder"], troubles(found)
    assert ok_places(found) == ["port gps", "port engine"]
    assert {line_text.partition(":")[0] for line_text in notes(found)} == {
        "recorder",
        "gps gps",
        "bus engine",
    }
    assert any("no new row reached its log meanwhile" in line_text for line_text in notes(found))


def test_a_user_without_read_permission_gets_the_reason() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can record what others may not read")
    with tempfile.TemporaryDirectory() as name, car() as driven:
        folder = Path(name)
        config = set_up(folder, driven)
        with recorder_here(config) as recorder:
            until(lambda: recorder.status().writer.frames > 0)
            folder.chmod(0o755)
            (folder / "logs").chmod(0o700)
            (folder / "live.sock").chmod(0o777)
            output = examined_by_nobody(config)
    assert "recorder: its log cannot be read without permission" in output
    assert "gps gps: sentences arrive; their fixes are not known" in output
    assert "bus engine: frames arrive; their identifiers are not known" in output


@contextmanager
def recorder_at(folder: Path) -> Iterator[None]:
    """A recorder started in the folder of its configuration, with a relative path."""
    command = [sys.executable, "-m", "logger", "run", "-c", "stagelog.toml"]
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE)
    try:
        with Crew(folder / "live.sock") as crew:
            until(lambda: crew.snapshot()["recording"]["frames"] > 0)
        yield
    finally:
        process.terminate()
        process.communicate()


def test_a_log_is_found_from_any_folder(tmp_path: Path) -> None:
    with car() as driven:
        config = set_up(tmp_path, driven)
        with recorder_at(tmp_path):
            found = list(examine(config, 2.5, threading.Event()))
    heard = [
        finding for finding in found if finding.where.split()[0] in ("port", "gps", "bus", "dbc", "recorder")
    ]
    assert troubles(heard) == []
    assert ok_places(heard) == ALL_WELL
    (logs,) = [finding for finding in found if finding.where == "logs" and finding.verdict == "ok"]
    assert "power cut" not in logs.what, "its only session is being recorded"


@pytest.mark.parametrize("seconds", [1.5, 6.5])
def test_a_silent_bus_may_have_another_bit_rate(tmp_path: Path, seconds: float) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only="true"))
    with picky(tmp_path) as adapter, recorder_here(config):
        until(lambda: adapter.is_open)
        found = examined(config, seconds)
    assert ok_places(found) == []
    silent = [line_text for line_text in troubles(found) if "silent" in line_text or "no frame" in line_text]
    assert len(silent) == 1
    assert "`sudo systemctl stop stagelog-recorder`, and the doctor tries others" in silent[0]


# -- a configuration changed since the start -----------------------------------------------------------------


@contextmanager
def recorded(folder: Path) -> Iterator[tuple[Path, VirtualCar]]:
    """A running recorder, and its configuration."""
    with car() as driven:
        config = set_up(folder, driven)
        with recorder_here(config) as recorder:
            until(lambda: recorder.status().writer.frames > 0)
            yield config, driven


@pytest.mark.parametrize(
    ("old", "new", "tables"),
    [
        ("[gps]", '[gps]\nname = "ublox"', "[can], [gps] differ"),
        ('name = "engine"', 'name = "body"', "[can], [gps] differ"),
        ("bitrate = 500000", "bitrate = 250000", "[can] differs"),
        ("baud = 115200", "baud = 9600", "[gps] differs"),
    ],
)
def test_changed_sources_are_not_judged_by_the_recorders_input(
    tmp_path: Path, old: str, new: str, tables: str
) -> None:
    with recorded(tmp_path) as (config, _):
        found = examined(changed(config, old, new))
    assert troubles(found) == [
        f"recorder: runs with an earlier configuration: {tables}; sudo systemctl restart stagelog-recorder"
    ]
    assert ok_places(found) == []
    assert any("restart it, then run the doctor again" in line_text for line_text in notes(found))


def test_a_change_of_another_table_is_reported_and_ports_are_judged(tmp_path: Path) -> None:
    with recorded(tmp_path) as (config, _):
        found = examined(changed(config, "number = 7", "number = 8"))
    assert [line_text.partition(";")[0] for line_text in troubles(found)] == [
        "recorder: runs with an earlier configuration: [car] differs"
    ]
    assert ok_places(found) == ALL_WELL


def test_a_change_of_the_crew_server_alone_is_not_reported(tmp_path: Path) -> None:
    with recorded(tmp_path) as (config, _):
        config.write_text(config.read_text() + "[serve]\nport = 8099\n")
        found = examined(config)
    assert troubles(found) == []
