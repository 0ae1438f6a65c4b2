"""`stagelog doctor` on real ptys: the virtual car with one fault at a time, with and without a recorder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.virtual.adapter import CanAdapter
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.device import LiveDevice
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.gpsd import VirtualGpsd
from firmware_bridge.virtual.receiver import GpsReceiver
from firmware_bridge.virtual.slcan_device import SlcanDialogue
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from firmware_bridge.virtual.traffic import Traffic
from logger.doctor.examination import examine
from logger.doctor.findings import Finding
from tests.field_failures.recorder_process import until
from tests.firmware_bridge.protocols.slcan_adapters import CANNOT
from tests.firmware_bridge.simulated_devices import pty, talking
from tests.logger.command_line import stagelog
from tests.logger.recorder.driving import START_S, built_in, recorder_here, set_up, set_up_at

SECONDS = 1.5
HEARD = ("port", "ports", "gps", "bus", "dbc")
OTHER_DBC = 'VERSION ""\nBO_ 291 STEERING: 8 X\n SG_ ANGLE : 0|16@1+ (0.1,0) [0|0] "deg" X\n'


@contextmanager
def car(**more: object) -> Iterator[VirtualCar]:
    with VirtualCar(built_in()[2], start_s=START_S, gps_hz=5, can_rate=300, **more) as driven:  # type: ignore[arg-type]
        yield driven


def examined(config: Path, seconds: float = SECONDS) -> list[Finding]:
    """The doctor's findings on the ports and their devices."""
    found = list(examine(config, seconds, threading.Event()))
    return [finding for finding in found if finding.where.split()[0] in (*HEARD, "recorder")]


def troubles(found: list[Finding]) -> list[str]:
    return [
        f"{finding.where}: {finding.what}; {finding.hint}" for finding in found if finding.verdict == "wrong"
    ]


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
    program = "import serial, sys, time; p=serial.Serial(sys.argv[1], exclusive=True); print(flush=True); time.sleep(9)"
    process = subprocess.Popen([sys.executable, "-c", program, port], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_the_dbc_of_another_car_is_reported(tmp_path: Path) -> None:
    with car() as driven:
        config = set_up(tmp_path, driven)
        (tmp_path / "engine.dbc").write_text(OTHER_DBC)
        found = troubles(examined(config))
    assert len(found) == 1
    assert found[0].startswith("dbc engine.dbc: none of its 1 messages is on the bus; it is for another car")


@pytest.mark.parametrize("listen_only", ["true", '"try"', "false"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_doctor_never_makes_an_adapter_acknowledge_frames(
    tmp_path: Path, dialect: str, listen_only: str
) -> None:
    """Also if the recorder may open it in normal mode; then an adapter that cannot listen only is not a fault."""
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only=listen_only))
    engine = Engine(built_in()[2])
    adapter = CanAdapter(engine, Traffic(engine, rate=300), "slcan", dialect)
    with at_work(adapter, tmp_path):
        found = examined(config, 0.5)
    assert not adapter.been_normal
    output = "\n".join(map(str, found))
    if dialect in CANNOT:
        assert ("cannot listen only, so it is not opened" in output) is True
        assert bool(troubles(found)) is (listen_only == "true")
    elif dialect == "mute normal":
        assert "answers nothing" in output
        assert ('set listen_only = "try" or false' in output) is (listen_only == "true")
    else:
        assert troubles(found) == []


class PickyAdapter(CanAdapter):
    """On a bus of 250 kbit/s; at another rate it receives nothing, and its controller counts errors."""

    CODE = "5"

    def bytes_between(self, t0_s: float, t1_s: float) -> bytes:
        dialogue = self._dialogue
        assert isinstance(dialogue, SlcanDialogue)
        self.listened.append(dialogue.is_listening or not dialogue.is_open)
        return super().bytes_between(t0_s, t1_s) if dialogue.bitrate_code == self.CODE else b""

    def restart(self) -> None:
        super().restart()
        self.listened: list[bool] = []


@contextmanager
def picky(folder: Path) -> Iterator[PickyAdapter]:
    engine = Engine(built_in()[2])
    adapter = PickyAdapter(engine, Traffic(engine, rate=300))
    with at_work(adapter, folder):
        yield adapter


@contextmanager
def at_work(adapter: CanAdapter, folder: Path) -> Iterator[None]:
    """The adapter at `folder`/can."""
    began = time.monotonic()
    device = LiveDevice(
        "can", folder / "can", tick_s=0.01, baud=None, clock=lambda: START_S + time.monotonic() - began,
        produce=adapter.bytes_between, answer=adapter.feed,
    )  # fmt: skip
    device.start()
    try:
        yield
    finally:
        device.stop()


CAN_ONLY = """\
[log]
directory = "logs"
[live]
socket = "live.sock"
[[can]]
name = "engine"
port = "can"
protocol = "slcan"
baud = 2000000
bitrate = 500000
listen_only = {listen_only}
"""


@pytest.mark.parametrize("listen_only", ["true", "false"])
def test_a_wrong_bit_rate_is_reported_with_the_right_one_and_nothing_is_sent(
    tmp_path: Path, listen_only: str
) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only=listen_only))
    with picky(tmp_path) as adapter:
        found = troubles(examined(config))
        assert found == [
            "bus engine: no frame at 500000 bit/s, but frames at 250000 bit/s; set bitrate = 250000"
        ]
        assert adapter.listened, "it was opened"
        assert all(adapter.listened), "the doctor only listens, whatever the configuration"
        until(lambda: not adapter.is_open)


def test_a_silent_bus_behind_a_working_adapter_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only="true"))
    with picky(tmp_path) as adapter:
        adapter.CODE = "none"
        found = troubles(examined(config))
    assert len(found) == 1
    assert "the adapter answers, but no frame came" in found[0]
    assert "ignition" in found[0]


def test_a_polled_engine_is_not_reported_as_silent(
    tmp_path: Path,
) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only="false") + 'preset = "obd2"\npoll = true\n')
    with picky(tmp_path) as adapter:
        adapter.CODE = "none"
        found = examined(config)
    assert troubles(found) == []
    (bus,) = [finding for finding in found if finding.where == "bus engine"]
    assert "the doctor does not poll the engine" in bus.what
    assert "start the recorder" in bus.hint


def test_a_receiver_without_satellites_is_reported(tmp_path: Path) -> None:
    with VirtualCar(built_in()[2], start_s=5.0, gps_hz=5) as cold:
        cold.receiver._cold_start_s = 1e9
        config = tmp_path / "stagelog.toml"
        config.write_text(
            f'[live]\nsocket = "live.sock"\n[log]\ndirectory = "."\n[gps]\nport = "{cold.gps_port}"\nbaud = 9600\n'
        )
        found = troubles(examined(config))
    assert len(found) == 1
    assert "no position yet" in found[0] or "no satellite" in found[0]


# -- the verb ------------------------------------------------------------------------------------------------


def test_json_output(tmp_path: Path) -> None:
    with pty() as device:
        config = tmp_path / "stagelog.toml"
        config.write_text(
            f'[live]\nsocket = "live.sock"\n[log]\ndirectory = "logs"\n[gps]\nport = "{device.name}"\nbaud = 9600\n'
        )
        result = stagelog("doctor", "-c", config, "--json", "--seconds", "1", folder=tmp_path)
    document = json.loads(result.out)
    assert result.code == 1
    assert document["wrong"] == sum(finding["verdict"] == "wrong" for finding in document["findings"]) == 2
    assert {"verdict", "where", "what", "hint"} == set(document["findings"][0])
    assert [finding["where"] for finding in document["findings"] if finding["verdict"] == "wrong"] == [
        "port gps", f"disk {tmp_path / 'logs'}"
    ]  # fmt: skip


def test_a_wrong_configuration_is_reported_and_the_machine_still_examined(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text('[gsp]\nport = "/dev/x"\n[log]\nmin_free_mb = -1\n')
    result = stagelog("doctor", "-c", config, folder=tmp_path)
    assert result.code == 1
    lines = [line for line in result.out.splitlines() if line.startswith("WRONG")]
    assert len(lines) >= 2
    assert "gsp" in result.out
    assert "power" in result.out
    assert stagelog("doctor", "-c", tmp_path / "none.toml", folder=tmp_path).code == 1


def test_ctrl_c_ends_the_examination_and_closes_the_adapter(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CAN_ONLY.format(listen_only="true"))
    with picky(tmp_path) as adapter:
        adapter.CODE = "6"
        process = subprocess.Popen(
            [sys.executable, "-m", "logger", "doctor", "-c", str(config), "--seconds", "60"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )  # fmt: skip
        until(lambda: adapter.is_open, 20.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
        until(lambda: not adapter.is_open)
    assert process.returncode == 130
    assert b"Traceback" not in err
