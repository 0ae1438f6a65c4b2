"""`stagelog doctor` on real ptys: ports, receivers and recorders with one fault at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.gpsd import VirtualGpsd
from firmware_bridge.virtual.receiver import GpsReceiver
from tests.field_failures.recorder_process import until
from tests.firmware_bridge.simulated_devices import talking
from tests.logger.doctor.examining import car, examined, troubles
from tests.logger.recorder.driving import built_in, recorder_here, set_up, set_up_at


def test_a_working_car_has_no_findings(tmp_path: Path) -> None:
    with car() as driven:
        found = examined(set_up(tmp_path, driven))
    assert troubles(found) == []
    assert [finding.where for finding in found if finding.verdict == "ok"] == [
        "port gps", "gps gps", "gps gps", "port engine", "bus engine", "dbc engine.dbc"
    ]  # fmt: skip
    assert "115200 baud" in found[1].what


def test_a_running_recorder_is_queried_and_its_ports_stay_closed(tmp_path: Path) -> None:
    with car() as driven, recorder_here(set_up(tmp_path, driven)) as recorder:
        until(lambda: recorder.status().writer.frames > 300)
        found = examined(tmp_path / "stagelog.toml", seconds=3.0)
        states = [link.state for link in recorder.decoder_loop.links().values()]
    assert troubles(found) == []
    assert states == ["open", "open"]
    assert found[0].what.startswith("recording into ")
    assert [finding.where for finding in found if finding.verdict == "ok"][1:] == [
        "port gps", "gps gps", "gps gps", "port engine", "bus engine", "dbc engine.dbc"
    ]  # fmt: skip


def test_the_recorder_reports_an_unplugged_device(tmp_path: Path) -> None:
    with car() as driven, recorder_here(set_up(tmp_path, driven)) as recorder:
        until(lambda: recorder.status().writer.frames > 0)
        driven.unplug("gps")
        until(lambda: recorder.decoder_loop.links()["gps"].state == "missing")
        found = troubles(examined(tmp_path / "stagelog.toml"))
    assert len(found) == 1
    assert "no such device" in found[0]


def test_swapped_cables_are_reported(tmp_path: Path) -> None:
    with car() as driven:
        found = troubles(examined(set_up_at(tmp_path, driven.can_port, driven.gps_port)))
    assert found[0].startswith("port gps: open, but silent"), "an unopened adapter is silent"
    assert "this port speaks NMEA" in found[1]
    assert "the cables of engine and gps are swapped" in found[1]


def test_a_wrong_fixed_rate_is_reported_with_the_right_one(tmp_path: Path) -> None:
    with car(gps_baud=38400) as driven:
        config = set_up(tmp_path, driven)
        found = troubles(examined(config))
        assert found == [
            'port gps: it speaks NMEA at 38400 baud, not at the configured rate; set baud = 38400, or baud = "auto"'
        ]
        config.write_text(config.read_text().replace("baud = 115200", 'baud = "auto"'))
        assert troubles(examined(config)) == []


def test_another_protocol_is_reported(tmp_path: Path) -> None:
    with car(protocol="canserial") as driven:
        found = troubles(examined(set_up(tmp_path, driven)))
    assert len(found) == 1
    assert 'set protocol = "canserial"' in found[0]


def test_a_receiver_behind_gpsd_is_examined(tmp_path: Path) -> None:
    server = VirtualGpsd()
    config = tmp_path / "stagelog.toml"
    config.write_text(
        f'[gps]\nport = "{server.url}"\n[log]\ndirectory = "logs"\n[live]\nsocket = "live.sock"\n'
    )
    try:
        assert "port gps: gpsd has no receiver; plug it in" in troubles(examined(config))[0]
        server.devices["/dev/ttyACM0"] = True
        epochs = [epoch.data for epoch in GpsReceiver(built_in()[2], 10).bytes_between(600.0, 610.0)]

        def drive(stop: threading.Event) -> None:
            for data in epochs:
                server.send(data)
                if stop.wait(0.1):
                    return

        with talking(drive):
            found = examined(config)
        assert [finding.where for finding in found if finding.verdict == "ok"] == [
            "port gps",
            "gps gps",
            "gps gps",
        ]
    finally:
        server.close()
    assert "no gpsd answers there; sudo systemctl start gpsd.socket" in troubles(examined(config))[0]


def test_silent_and_missing_ports_are_reported(tmp_path: Path) -> None:
    with car() as driven:
        config = set_up(tmp_path, driven)
        driven.silence("gps")
        driven.unplug("can")
        found = troubles(examined(config))
    assert len(found) == 2
    assert "silent for 1.5 s" in found[0]
    assert "no such device" in found[1]


def test_a_damaged_wire_is_reported(tmp_path: Path) -> None:
    with car() as driven:
        driven.damage("can", 0.002)
        found = troubles(examined(set_up(tmp_path, driven), seconds=3.0))
    assert any(text.startswith("port engine") and "damaged; check plug, ground" in text for text in found)


def test_a_port_in_use_names_the_other_program(tmp_path: Path) -> None:
    with car() as driven:
        held = pty_holder(driven.gps_port)
        try:
            found = troubles(examined(set_up(tmp_path, driven)))
        finally:
            held.terminate()
            held.communicate()
    assert len(found) == 1
    assert "in use by another program" in found[0]


def pty_holder(port: str) -> subprocess.Popen[bytes]:
    """Another program that has a port open and locked as serial programs lock it."""
    program = "import serial, sys, time; p = serial.Serial(sys.argv[1], exclusive=True);"
    program += "print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", program, port], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_receiver_without_satellites_is_reported(tmp_path: Path) -> None:
    drive = built_in()[2]
    receiver = GpsReceiver(drive, 5, cold_start_s=drive.end_s)
    with VirtualCar(drive, start_s=5.0, receiver=receiver) as cold:
        config = tmp_path / "stagelog.toml"
        config.write_text(
            f'[live]\nsocket = "live.sock"\n[log]\ndirectory = "."\n[gps]\nport = "{cold.gps_port}"\nbaud = 9600\n'
        )
        found = troubles(examined(config))
    assert len(found) == 1
    assert "no position yet" in found[0] or "no satellite" in found[0]
