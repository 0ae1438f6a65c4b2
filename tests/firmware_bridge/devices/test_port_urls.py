"""PortReader with URLs: a real TCP server and pyserial's URL handlers."""

from __future__ import annotations

import socket
import threading

import pytest
import serial
import serial.rfc2217

from firmware_bridge.protocols import Step, sequence
from tests.firmware_bridge.devices.port_readers import gps
from tests.firmware_bridge.simulated_devices import (
    Sink,
    eventually,
    pty,
    running,
    sentence,
    talking,
)
from tests.reserved_port import reserved_port

# -- other URLs -------------------------------------------------------------------------------------------


def test_socket_urls_are_recorded_written_to_and_reopened() -> None:
    sink = Sink()
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = gps(f"socket://127.0.0.1:{server.getsockname()[1]}", sink)
        with running(reader):
            client, _ = server.accept()
            with client:
                client.settimeout(10)
                sink.await_state("open")
                client.sendall(sentence(1) * 1000)
                eventually(lambda: sink.data() == sentence(1) * 1000)
                eventually(lambda: reader.write(b"$PMTK605*31\r\n"))
                assert client.recv(100) == b"$PMTK605*31\r\n"
            sink.await_state("lost")
            client, _ = server.accept()
            with client:
                sink.await_state("open", times=2)
                client.sendall(sentence(2))
                sink.await_tail(sentence(2))


def test_absent_server_is_missing() -> None:
    sink = Sink()
    with reserved_port() as port, running(gps(url := f"socket://127.0.0.1:{port}", sink)):
        missing = sink.await_state("missing")
    assert missing.detail == f"{url}: nothing answers there; start the server, or correct `port`"


def test_loop_url() -> None:
    sink = Sink()
    reader = gps("loop://", sink, opening=lambda: sequence(Step(b"hello ", 0.5)))
    with running(reader):
        sink.await_state("open")
        eventually(lambda: reader.write(b"rally"))
        eventually(lambda: sink.data() == b"hello rally")


def test_spy_url_still_spies(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Sink()
    with pty() as device, running(gps(f"spy://{device.name}", sink)):
        sink.await_state("open")
        device.send(sentence(7))
        eventually(lambda: sink.data() == sentence(7))
    assert "GPTXT" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning")
def test_rfc2217_url() -> None:
    """pyserial's own server, over a line that echoes everything."""
    sink = Sink()

    def serve(client: socket.socket, stop: threading.Event) -> None:
        class Wire:
            def write(self, data: bytes) -> None:
                client.sendall(data)

        line = serial.serial_for_url("loop://", timeout=0)
        manager = serial.rfc2217.PortManager(line, Wire())
        client.settimeout(0.01)
        while not stop.is_set():
            try:
                data = client.recv(1024)
            except TimeoutError:
                data = b""
            line.write(b"".join(manager.filter(data)))
            if echo := line.read(line.in_waiting):
                client.sendall(b"".join(manager.escape(echo)))

    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = gps(f"rfc2217://127.0.0.1:{server.getsockname()[1]}", sink)
        with running(reader):
            client, _ = server.accept()
            with client, talking(lambda stop: serve(client, stop)):
                sink.await_state("open")
                eventually(lambda: reader.write(sentence(3)))
                eventually(lambda: sink.data() == sentence(3))
            sink.await_state("lost")
