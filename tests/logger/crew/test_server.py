"""The crew server as a process on a real port: answers, refusals, endurance."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from logger.crew import connections, pin
from logger.crew.guard import HEADERS
from logger.crew.server import CREW_FILES
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.serving import EVERYWHERE, PIN, Answer, Served, serving

KM = 43.5


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCar]:
    with LiveCar(tmp_path_factory.mktemp("car") / "live.sock", KM) as driven:
        yield driven


@pytest.fixture(scope="module")
def served(car: LiveCar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("serve"), car.socket) as server:
        until(lambda: server.ask("/api/live").status == 200)
        yield server


@pytest.fixture(scope="module")
def guarded(car: LiveCar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on every address of this machine, and so with a pin."""
    with serving(tmp_path_factory.mktemp("guarded"), car.socket, host=EVERYWHERE, pin=PIN) as server:
        yield server


def until(holds: object, within_s: float = 60.0) -> None:
    began = time.monotonic()
    while not holds():  # type: ignore[operator]
        assert time.monotonic() - began < within_s, "timed out"
        time.sleep(0.02)


class Stream:
    """Client for the server-sent events."""

    def __init__(self, served: Served, **headers: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
        self._connection.request("GET", "/api/live/stream", headers=headers)
        self.answer = self._connection.getresponse()

    def event(self) -> dict[str, str]:
        """The next event's fields."""
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


# -- answers ------------------------------------------------------------------------------------------------


def test_the_live_state_is_the_recorders_snapshot(served: Served, car: LiveCar) -> None:
    state = served.ask("/api/live").json
    assert state["stage"] == car.published["stage"]
    assert state["section"]["name"] == "SS11"
    assert KM - 0.2 < state["section"]["distance_km"] <= car.published["section"]["distance_km"] + 0.5
    assert state["recording"] == car.published["recording"]


def test_the_stream_sends_every_snapshot(served: Served) -> None:
    stream = Stream(served)
    assert stream.answer.getheader("content-type") == "text/event-stream"
    events = [stream.event() for _ in range(8)]
    stream.close()
    assert events[0]["retry"] == "500"
    assert json.loads(events[0]["data"])["recorder"] is True
    snapshots = [(int(event["id"]), json.loads(event["data"])) for event in events if "id" in event]
    assert len(snapshots) >= 6
    ids, distances = zip(*((id_, state["section"]["distance_km"]) for id_, state in snapshots), strict=True)
    assert list(ids) == sorted(set(ids))
    assert list(distances) == sorted(distances)


def test_a_command_reaches_the_recorder_and_returns_its_answer(served: Served, car: LiveCar) -> None:
    before = car.published["trip"][0]["distance_km"]
    assert served.command({"command": "adjust_distance", "trip": 1, "metres": 1000}).json == {"ok": True}
    until(lambda: car.published["trip"][0]["distance_km"] >= before + 1)
    assert served.command({"command": "undo"}).json == {"ok": True}
    until(lambda: car.published["trip"][0]["distance_km"] < before + 1)


def test_a_refusal_has_the_recorders_message(served: Served) -> None:
    answer = served.command({"command": "reset_trip", "trip": 7})
    assert answer.status == 409
    assert answer.json == {"ok": False, "error": "reset_trip: trip must be a whole number from 1 to 2"}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"mark"', "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"command": 1}', "application/json", 400),
        (b'{"command": "mark", "id": 5}', "application/json", 400),
        (b"[" * 4000, "application/json", 400),
        (b'{"command": "stick", "state": "done", "detail": ""}', "application/json", 403),
        (b'{"command": "mark", "note": "\\ud800"}', "application/json", 400),
        (b'\xff{"command"', "application/json", 400),
        (b'{"command": "mark"}', "text/plain", 415),
        (b'{"command": "mark"}', "application/x-www-form-urlencoded", 415),
        (b" " * 5000 + b'{"command": "mark"}', "application/json", 413),
        (b'{"command": "adjust_distance", "metres": NaN}', "application/json", 400),
        (b'{"command": "adjust_distance", "metres": 1e999}', "application/json", 400),
    ],
)
def test_an_invalid_command_is_refused(served: Served, body: bytes, kind: str, status: int) -> None:
    answer = served.ask("/api/command", "POST", body, {"content-type": kind})
    assert answer.status == status
    assert answer.json["ok"] is False


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/crew.js", 200),
        ("GET", "/crew.css", 200),
        ("GET", "/favicon.ico", 204),
        ("HEAD", "/", 200),
        ("GET", "/login", 303),
        ("GET", "/nothing", 404),
        ("GET", "/../verbs.py", 404),
        ("GET", "/%2e%2e/pin.py", 404),
        ("GET", "/api/command", 405),
        ("POST", "/api/live", 405),
        ("POST", "/api/live/stream", 405),
        ("DELETE", "/", 405),
        ("GET", "//evil.example/", 404),
    ],
)
def test_every_answer_has_the_security_headers(served: Served, method: str, path: str, status: int) -> None:
    answer = served.ask(path, method)
    assert answer.status == status
    assert HEADERS.items() <= answer.headers.items()
    assert "server" not in answer.headers


def test_the_page_loads_nothing_from_other_hosts(served: Served) -> None:
    for path in ("/", *(f"/{name}" for name in CREW_FILES)):
        text = served.ask(path).body.decode()
        assert not re.search(r"https?:|[\"'(]//", text), "a URL of another host"
    page = served.ask("/").body.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert " onclick=" not in page


def test_an_unchanged_file_is_not_sent_again(served: Served) -> None:
    tag = served.ask("/crew.js").headers["etag"]
    assert served.ask("/crew.js", headers={"if-none-match": tag}).status == 304


# -- refusals -----------------------------------------------------------------------------------------------


def test_a_command_from_another_site_is_refused(served: Served, car: LiveCar) -> None:
    commands = len(car.commands)
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{served.port}"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert served.command({"command": "mark"}, headers).status == 403
    assert len(car.commands) == commands
    assert served.command({"command": "mark"}, {"origin": served.url}).status == 200


def test_an_unknown_host_name_is_refused(served: Served) -> None:
    assert served.ask("/api/live", headers={"host": f"evil.example:{served.port}"}).status == 421
    assert served.ask("/api/live", headers={"host": f"localhost:{served.port}"}).status == 200


def login(served: Served, guess: str) -> Answer:
    form = {"content-type": "application/x-www-form-urlencoded", "origin": served.url}
    return served.ask("/login", "POST", urlencode({"pin": guess}).encode(), form)


def test_a_server_on_a_public_address_asks_for_the_pin(guarded: Served, car: LiveCar) -> None:
    commands = len(car.commands)
    assert guarded.ask("/").status == 303
    assert guarded.ask("/").headers["location"] == "/login"
    for path in ("/api/live", "/api/live/stream", "/api/nothing"):
        assert guarded.ask(path).status == 401
    assert guarded.ask("/crew.js").status == 303
    assert guarded.command({"command": "mark"}).status == 401
    assert guarded.command({"command": "mark", "pin": PIN}).status == 401
    assert guarded.ask(f"/api/live?pin={PIN}").status == 401
    assert len(car.commands) == commands
    assert guarded.ask("/login").status == 200


def test_the_pin_opens_the_page_and_appears_nowhere(guarded: Served, tmp_path: Path, car: LiveCar) -> None:
    assert login(guarded, "1111").status == 401
    answer = login(guarded, PIN)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert PIN not in cookie
    session = {"cookie": "theme=x; " + cookie.partition(";")[0]}
    assert guarded.ask("/", headers=session).status == 200
    until(lambda: guarded.ask("/api/live", headers=session).status == 200)
    assert guarded.command({"command": "mark"}, session).status == 200
    assert guarded.command({"command": "mark"}, {**session, "origin": "http://evil.example"}).status == 403
    assert guarded.command({"command": "mark"}, {"authorization": f"Bearer {PIN}"}).status == 200
    assert PIN not in guarded.output.read_text()
    # After a restart the crew is still logged in.
    with serving(tmp_path, car.socket, host=EVERYWHERE, pin=PIN) as again:
        assert again.ask("/", headers=session).status == 200


def test_excess_guesses_are_refused_unread(car: LiveCar, tmp_path: Path) -> None:
    with serving(tmp_path, car.socket, host=EVERYWHERE, pin=PIN) as server:
        wrong = [login(server, f"{number:04}").status for number in range(pin.CLIENT_GUESSES)]
        assert wrong == [401] * pin.CLIENT_GUESSES
        refused = login(server, PIN)
        assert refused.status == 429
        assert 0 < int(refused.headers["retry-after"]) <= pin.CLIENT_EVERY_S
        assert server.ask("/api/live", headers={"authorization": f"Bearer {PIN}"}).status == 429
        assert PIN not in server.output.read_text()


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 401), (b"pin=" + b"1" * 2000, 413), (b"&" * 100, 401), (b"pin=%ff", 401)]
)
def test_malformed_logins_are_refused(car: LiveCar, tmp_path: Path, body: bytes, status: int) -> None:
    with serving(tmp_path, car.socket, host=EVERYWHERE, pin=PIN) as server:
        assert server.ask("/login", "POST", body).status == status


# -- endurance ----------------------------------------------------------------------------------------------


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
        assert _status(served) == 200, "even for a client at their address"
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
        newest = 0.0
        for _ in range(60):
            event = stream.event()
            newest = json.loads(event["data"])["section"]["distance_km"] if "id" in event else newest
        assert car.published["section"]["distance_km"] - newest < 0.05, (
            "a page that reads gets the present state"
        )
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
        assert server.ask("/api/live").status == 200
        stream.close()


def test_a_stopped_server_ends_its_streams(car: LiveCar, tmp_path: Path) -> None:
    with serving(tmp_path, car.socket) as server:
        stream = Stream(server)
        stream.event()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) in (0, -signal.SIGTERM)
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
