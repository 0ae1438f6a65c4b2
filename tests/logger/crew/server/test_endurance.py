"""The crew server with silent clients, a recorder that goes and returns, and at its own end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from logger.crew import connections
from tests.field_failures.recorder_process import until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.server.stream import KM, Stream
from tests.logger.crew.serving import Served, serving


def test_silent_clients_do_not_keep_the_crew_out(served: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(100)]
    try:
        ended = 0
        for one in idle[: -connections.MAX_CLIENT_CONNECTIONS]:
            one.settimeout(60)
            try:
                ended += one.recv(1) == b""
            except ConnectionResetError:
                ended += 1
        assert ended == 100 - connections.MAX_CLIENT_CONNECTIONS, "the oldest connections were closed"
        assert served.ask("/").status == 200, "even for a client at their address"
    finally:
        for one in idle:
            one.close()
    until(lambda: _status(served) == 200)


def _status(served: Served) -> int | None:
    try:
        return served.ask("/api/live").status
    except OSError:
        return None


def test_pages_that_read_nothing_use_no_memory_and_delay_no_other(served: Served, car: LiveCar) -> None:
    hung = []
    for _ in range(8):
        connection = socket.create_connection(("127.0.0.1", served.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /api/live/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        hung.append(connection)
    try:
        before = served.resident_kb
        stream = Stream(served)
        began, count, newest = time.monotonic(), 0, 0.0
        # A page that reads gets the present state; a test that is held up has older ones before it.
        while count < 60 or car.published["section"]["distance_km"] - newest > 0.05:
            assert time.monotonic() - began < 60
            event, count = stream.event(), count + 1
            newest = json.loads(event["data"])["section"]["distance_km"] if "id" in event else newest
        stream.close()
        assert served.resident_kb - before < 8000
    finally:
        for connection in hung:
            connection.close()


def test_recorder_loss_and_return_are_shown(tmp_path: Path) -> None:
    with LiveCar(tmp_path / "live.sock", KM) as car, serving(tmp_path, car.socket) as server:
        until(lambda: server.ask("/api/live").status == 200)
        stream = Stream(server)
        car.disconnect()
        began = time.monotonic()
        while (event := stream.event()).get("event") != "link" or json.loads(event["data"])["recorder"]:
            assert time.monotonic() - began < 60
        assert server.ask("/api/live").status == 503
        assert server.command({"command": "mark"}).status == 503
        car.connect()
        while "id" not in stream.event():
            assert time.monotonic() - began < 60
        until(lambda: server.ask("/api/live").status == 200)
        stream.close()


def test_a_stopped_server_ends_its_streams(car: LiveCar, tmp_path: Path) -> None:
    with serving(tmp_path, car.socket) as server:
        stream = Stream(server)
        stream.event()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) in (0, -signal.SIGTERM)
        while stream.event():
            pass
        stream.close()
        assert "Traceback" not in server.output.read_text()


def test_an_address_in_use_is_a_one_line_error_and_exit_69(served: Served, tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(f'[gps]\nport = "socket://127.0.0.1:9"\n[serve]\nport = {served.port}\n')
    program = (
        "from logger.crew.verbs import serve\nfrom firmware_bridge.errors import DeviceError\nimport sys\n"
    )
    program += "try:\n    serve(sys.argv[1:])\nexcept DeviceError as error:\n"
    program += "    print(error)\n    sys.exit(error.exit_code)"
    ran = subprocess.run(
        [sys.executable, "-c", program, "-c", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ},
    )
    assert ran.returncode == 69, ran.stderr
    assert ran.stdout.startswith(f"127.0.0.1:{served.port}: cannot serve there")
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("more", "options", "is_hidden"),
    [
        ("", [], True),
        ("compliance = false\n", [], False),
        ("compliance = false\n", ["--compliance"], True),
        ("compliance = true\n", ["--no-compliance"], False),
    ],
)
def test_hiding_the_position_is_configured_and_an_option_overrides_it(
    car: LiveCar, tmp_path: Path, more: str, options: list[str], is_hidden: bool
) -> None:
    with serving(tmp_path, car.socket, *options, more=more) as server:
        until(lambda: server.ask("/api/live").status == 200)
        state = server.ask("/api/live").json
        assert state["section"]["kind"] == "selective"
        assert (state["gps"]["lat"] is None, state["compliance"]) == (is_hidden, is_hidden)
