"""The pin goes to the car only: no redirect, and no other address of its name."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.logger.transfer.hostile_car.lying import Fetch, at_list
from tests.logger.transfer.hostile_server import (
    HostileServer,
    Pieces,
    answer,
    list_of,
)

pytestmark = pytest.mark.load_sensitive


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_no_other_server_gets_the_pin(status: int, fetch: Fetch) -> None:
    with HostileServer(at_list(list_of())) as other:
        where = f"http://127.0.0.2:{other.port}/"
        away = answer(
            b"", status, f"Location: {where}", f"Refresh: 0; url={where}", f"Content-Location: {where}"
        )

        def login(requested: str, _request: bytes) -> Pieces:
            return [away if requested == "POST /login" else answer(b"{}", 401, f"Location: {where}")]

        for behave in (at_list(away), login):
            with HostileServer(behave) as server:
                assert fetch(server.port, "--pin", "1234-5678").code == 69
        assert other.requests == []


def test_a_redirect_after_the_login_is_not_followed(fetch: Fetch) -> None:
    with HostileServer(at_list(list_of())) as other:
        welcome = answer(
            b"", 303, "Set-Cookie: pass=abc; Domain=evil", f"Location: http://127.0.0.2:{other.port}/"
        )

        def behave(requested: str, request: bytes) -> Pieces:
            if requested == "POST /login":
                return [welcome]
            return [list_of() if b"pass=abc" in request else answer(b"{}", 401)]

        with HostileServer(behave) as server:
            assert fetch(server.port, "--pin", "1234-5678").code == 0
        assert other.requests == []


def test_the_pin_is_sent_only_to_the_first_address_of_the_name(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name resolves to another machine once the car has asked for the pin, or has set a session cookie."""
    leads_to = ["127.0.0.1"]
    ask_system = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        return ask_system(leads_to[-1] if host == "car.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    def car(requested: str, request: bytes) -> Pieces:
        if requested == "POST /login":
            leads_to.append("127.0.0.2")
            return [answer(b"", 303, "Set-Cookie: pass=abc")]
        if b"pass=abc" not in request and moves_at_once:
            leads_to.append("127.0.0.2")
        return [answer(b"{}", 401)]

    for moves_at_once in (True, False):
        leads_to[:] = ["127.0.0.1"]
        with (
            HostileServer(car) as server,
            HostileServer(at_list(answer(b"{}", 401)), "127.0.0.2", server.port) as thief,
        ):
            done = fetch(server.port, "--pin", "1234-5678", host="car.test")
            assert done.code == 69
            assert ("does not get the pin" in done.err[-1]) == moves_at_once
            assert server.requested("POST /login") == int(not moves_at_once)
            assert len(thief.requests) == int(not moves_at_once)
            assert not any(b"1234" in request or b"pass=" in request for request in thief.requests)
