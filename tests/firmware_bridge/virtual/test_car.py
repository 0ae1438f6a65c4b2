"""Virtual car in real time on real ptys, read through pyserial."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pynmea2
import pytest
import serial

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocols import BusSettings, protocol
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.receiver import GpsReceiver
from firmware_bridge.wgs84 import metres_per_degree
from tests.firmware_bridge.dialogues import run_opening
from tests.firmware_bridge.virtual.courses import lively

pytestmark = pytest.mark.pty

PATIENCE_S = 60.0
START_S = 200.0
DRIVE = lively()


@pytest.fixture
def car(tmp_path: Path) -> Iterator[VirtualCar]:
    receiver = GpsReceiver(DRIVE, 10, wander_m=0.0, jitter_m=0.0)
    with VirtualCar(DRIVE, start_s=START_S, can_rate=400.0, receiver=receiver, directory=tmp_path) as driving:
        yield driving


def heard(port: serial.Serial, enough: Callable[[bytes], bool]) -> bytes:
    """Read until `enough`; fail after a time limit."""
    data, until = b"", time.monotonic() + PATIENCE_S
    while not enough(data):
        assert time.monotonic() < until, f"only heard {data[-200:]!r}"
        data += port.read(port.in_waiting or 1)
    return data


def opened(url: str, baud: int = 115_200) -> serial.Serial:
    return serial.Serial(url, baud, timeout=0.05)


@pytest.mark.load_sensitive
def test_the_receiver_reports_the_true_position(car: VirtualCar) -> None:
    with opened(car.gps_port) as port:
        data = heard(port, lambda data: data.count(b"RMC") > 8)
        now_s = car.now_s
    last = [line for line in data.split(b"\r\n")[1:-1] if b"RMC" in line][-1]
    rmc = pynmea2.parse(last.decode("ascii"), check=True)
    stamp = rmc.timestamp
    t_s = (
        stamp.hour * 3600 + stamp.minute * 60 + stamp.second + stamp.microsecond / 1e6 - DRIVE.utc_s % 86_400
    )
    assert 0.0 < now_s - t_s < 2.0
    truth = DRIVE.at(t_s)
    north, east = metres_per_degree(truth.lat)
    assert abs(rmc.latitude - truth.lat) * north + abs(rmc.longitude - truth.lon) * east < 0.1


@pytest.mark.parametrize("name", ["slcan", "gvret", "canserial", "realdash"])
def test_the_adapter_opens_reports_and_answers(name: str, tmp_path: Path) -> None:
    speaks = protocol(name)
    assert speaks.encode is not None
    decoder = speaks.decoder(0)
    with (
        VirtualCar(DRIVE, start_s=START_S, protocol=name, directory=tmp_path) as car,
        opened(car.can_port) as port,
    ):

        def answer(sent: bytes) -> bytes:
            port.write(sent)
            time.sleep(0.03)
            return bytes(port.read(port.in_waiting))

        run_opening(speaks.opening(BusSettings(500_000, listen_only=False)), answer)
        batch = decoder.feed(heard(port, lambda data: len(data) > 2000), 10_000_000)
        assert {0x100, 0x110, 0x120} <= {frame.can_id for frame in batch.frames}
        question = batch.frames[0]._replace(bus=0, can_id=0x7DF, data=bytes.fromhex("02010c0000000000"))
        port.write(speaks.encode(question))
        found = threading.Event()

        def answered(data: bytes) -> bool:
            for frame in speaks.decoder(0).feed(data, 20_000_000).frames:
                if frame.can_id == 0x7E8 and frame.data[1:3] == b"\x41\x0c":
                    found.set()
            return found.is_set()

        heard(port, answered)
    assert decoder.bad <= 1  # the first frame may have been cut by the reader's start


def test_unplugged_it_hangs_up_and_comes_back_closed_under_its_name(car: VirtualCar) -> None:
    port = opened(car.can_port)
    port.write(b"O\r")
    heard(port, lambda data: data.count(b"\r") > 20)
    car.unplug("can")
    assert not Path(car.can_port).is_symlink()
    with pytest.raises((OSError, serial.SerialException)):
        for _ in range(1000):
            port.read(4096)
    port.close()
    with opened(car.gps_port) as gps:
        heard(gps, lambda data: b"GGA" in data)  # one device's trouble is not the other's
    car.replug("can")
    with opened(car.can_port) as again:
        assert again.read(100) == b""
        again.write(b"O\r")
        heard(again, lambda data: data.count(b"\r") > 20)


def test_silence_is_an_open_port_without_bytes(car: VirtualCar) -> None:
    with opened(car.gps_port) as port:
        heard(port, lambda data: b"GGA" in data)
        car.silence("gps")
        until = time.monotonic() + PATIENCE_S
        quiet_s = 0.0
        while quiet_s < 0.3:  # three epochs; bytes that were written before come first
            assert time.monotonic() < until, "it still sends"
            quiet_s = 0.0 if port.read(4096) else quiet_s + 0.05
        car.silence("gps", False)
        heard(port, lambda data: b"GGA" in data)


def test_damage_corrupts_about_its_share_of_bytes(car: VirtualCar) -> None:
    car.damage("gps", 0.01)
    decoder = protocol("nmea").decoder(0)
    with opened(car.gps_port) as port:
        decoder.feed(heard(port, lambda data: len(data) > 4000), 0)
    assert decoder.bad > 3
    assert decoder.good > 3


def test_a_wrong_baud_rate_reads_noise_and_the_right_one_sentences(tmp_path: Path) -> None:
    with (
        VirtualCar(DRIVE, start_s=START_S, gps_baud=38_400, directory=tmp_path) as car,
        opened(car.gps_port, 9600) as port,
    ):
        noise = heard(port, lambda data: len(data) > 500)
        assert b"RMC" not in noise
        port.baudrate = 38_400
        heard(port, lambda data: b"$GNRMC" in data)


def test_output_is_not_buffered_without_a_host(car: VirtualCar) -> None:
    with opened(car.can_port) as port:
        port.write(b"Z1\rO\r")
        heard(port, lambda data: data.count(b"\r") > 20)
    time.sleep(1.0)
    opened_ms = int(car.now_s * 1000)
    with opened(car.can_port) as port:
        data = heard(port, lambda data: data.count(b"\r") > 20)
    oldest_ms = int(data.split(b"\r")[1][-4:], 16)
    assert (oldest_ms - opened_ms + 900) % 60_000 < 30_000, "the oldest frame is of the time without a host"
    assert car.lost_bytes("can") == 0


def test_a_host_that_does_not_read_loses_bytes_that_are_counted(tmp_path: Path) -> None:
    engine = Engine(DRIVE)
    with (
        VirtualCar(DRIVE, start_s=START_S, can_rate=9000.0, engine=engine, directory=tmp_path) as car,
        opened(car.can_port) as port,
    ):
        port.write(b"Z1\rO\r")
        until = time.monotonic() + PATIENCE_S
        while not car.lost_bytes("can"):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_threads_and_names_end_with_the_car(tmp_path: Path) -> None:
    with VirtualCar(DRIVE, directory=tmp_path):
        assert {"virtual-gps", "virtual-can"} <= {thread.name for thread in threading.enumerate()}
    assert not any(thread.name.startswith("virtual-") for thread in threading.enumerate())
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_device_is_an_error() -> None:
    with VirtualCar(DRIVE) as car, pytest.raises(ConfigurationError, match='no device "radio"'):
        car.unplug("radio")
    assert not Path(car.gps_port).parent.exists()
