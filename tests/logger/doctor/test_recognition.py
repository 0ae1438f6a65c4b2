"""Which device is at a port, on virtual receivers and adapters that speak the real protocols."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.gpsd import VirtualGpsd
from logger.demo import stages
from logger.doctor import probe_answers, recognition
from logger.doctor.recognition import Device, at, recognize_all, stable_name

WAIT_S = 60
SENTENCE = b"$GPGGA,120000.00,4800.0000,N,01100.0000,E,1,08,1.0,500.0,M,47.0,M,,*6C\r\n"


def recognized(*ports: str) -> list[Device]:
    """The devices at ports, looked at together."""
    return recognize_all([at(port) for port in ports], threading.Event(), lambda _: None)


@pytest.mark.pty
@pytest.mark.load_sensitive
@pytest.mark.parametrize(
    ("protocol", "dialect", "can_baud", "gps_baud"),
    [
        ("slcan", "lawicel", None, 9600),
        ("slcan", "mute", 115_200, 4800),
        ("gvret", "lawicel", 1_000_000, 115_200),
        ("elm327", "lawicel", 38_400, 38_400),
        ("realdash", "lawicel", None, 9600),
        ("canserial", "lawicel", 115_200, 9600),
    ],
)
def test_a_receiver_and_an_adapter(protocol: str, dialect: str, can_baud: int | None, gps_baud: int) -> None:
    built_in = stages.stage("dakar-2026-11")
    drive = stages.drive(built_in, built_in.car("baciuska"), 1)
    with VirtualCar(
        drive,
        start_s=600.0,
        protocol=protocol,
        dialect=dialect,
        can_baud=can_baud,
        gps_baud=gps_baud,
        can_rate=200,
    ) as car:
        gps, can = recognized(car.gps_port, car.can_port)
    assert (gps.is_gps, gps.baud, gps.trouble) == (True, gps_baud, ""), gps
    assert (can.is_can, can.protocol, can.trouble) == (True, protocol, ""), can
    assert can.bitrate == (500_000 if protocol in {"slcan", "elm327"} else None)


@pytest.mark.pty
@pytest.mark.load_sensitive
def test_an_adapter_that_cannot_listen_only_is_named_with_the_reason() -> None:
    built_in = stages.stage("dakar-2026-11")
    drive = stages.drive(built_in, built_in.car("baciuska"), 1)
    with VirtualCar(drive, start_s=600.0, dialect="canable", can_baud=115_200) as car:
        (can,) = recognized(car.can_port)
    assert can.protocol == "slcan"
    assert "cannot listen only" in str(can)
    assert 'set listen_only = "try"' in str(can)


@contextmanager
def tcp_device(answer: bool) -> Iterator[str]:
    """The URL of a device that echoes, or one that is silent, until the body ends."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve() -> None:
            while not done.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                client.settimeout(0.1)
                with client:
                    while not done.is_set():
                        try:
                            if not (data := client.recv(4096)):
                                break
                        except TimeoutError:
                            continue
                        if answer:
                            client.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        finally:
            done.set()
            thread.join(WAIT_S)


@pytest.mark.parametrize("answer", [True, False], ids=["echo", "silent"])
def test_an_echo_is_no_adapter(answer: bool) -> None:
    with tcp_device(answer) as url:
        assert probe_answers.ask(url, threading.Event(), lambda _: None) is None
    with tcp_device(answer) as url:
        (device,) = recognized(url)
    assert str(device) == f"{url}: not recognised"


def test_a_receiver_of_gpsd(monkeypatch: pytest.MonkeyPatch) -> None:
    gpsd, done = VirtualGpsd(), threading.Event()
    monkeypatch.setattr(recognition, "USUAL_PORT", int(gpsd.url.rpartition(":")[2]))
    monkeypatch.setattr(recognition, "GPSD", gpsd.url)
    monkeypatch.setattr("logger.install.adapters.plugged", list)
    monkeypatch.setattr(recognition, "UARTS", ())

    def send() -> None:
        while not done.wait(0.1):
            gpsd.send(SENTENCE)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        device, *_ = recognize_all(recognition.plugged(), threading.Event(), lambda _: None)
    finally:
        done.set()
        thread.join(WAIT_S)
        gpsd.close()
    assert (device.port, device.protocol) == (gpsd.url, "nmea")
    assert str(device) == f"{gpsd.url}: GPS receiver"


def test_what_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    fcntl.flock(terminal, fcntl.LOCK_EX)
    missing, null, busy = recognized(str(tmp_path / "none"), "/dev/null", os.ttyname(terminal))
    os.close(controller)
    os.close(terminal)
    assert "no such device" in str(missing)
    assert "no serial port" in str(null)
    assert "another program holds it; stop that program" in str(busy)
    assert not any(device.protocol for device in (missing, null, busy))


def test_a_stable_name(tmp_path: Path) -> None:
    device, by_id = tmp_path / "ttyUSB0", tmp_path / "by-id"
    device.touch()
    by_id.mkdir()
    places = (tmp_path / "stagelog-gps", by_id)
    assert stable_name(str(device), places) == str(device)
    (by_id / "usb-other").symlink_to(tmp_path / "gone")
    (by_id / "usb-receiver").symlink_to("../ttyUSB0")
    assert stable_name(str(device), places) == str(by_id / "usb-receiver")
    (tmp_path / "stagelog-gps").symlink_to("ttyUSB0")
    assert stable_name(str(device), places) == str(tmp_path / "stagelog-gps")


def test_a_console_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Raspberry Pi whose serial console is on: opening it would change the rate of a login."""
    (tmp_path / "ttyAMA0").touch()
    (tmp_path / "serial0").symlink_to("ttyAMA0")
    monkeypatch.setattr(recognition, "UARTS", (tmp_path / "serial0",))
    monkeypatch.setattr(recognition, "CONSOLES", tmp_path / "active")
    assert str(tmp_path / "serial0") in {device.port for device in recognition.plugged()}
    (tmp_path / "active").write_text("tty0 ttyAMA0\n")
    assert str(tmp_path / "serial0") not in {device.port for device in recognition.plugged()}
