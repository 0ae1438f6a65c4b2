"""What the crew server refuses: other sites, unknown host names, guesses of the pin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logger.crew import pin
from tests.field_failures.recorder_process import until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, login, serving


@pytest.fixture(scope="module")
def guarded(car: LiveCar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on every address of this machine, and so with a pin."""
    with serving(tmp_path_factory.mktemp("guarded"), car.socket, host=EVERYWHERE, pin=PIN) as server:
        yield server


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
    assert served.ask("/", headers={"host": f"localhost:{served.port}"}).status == 200


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
