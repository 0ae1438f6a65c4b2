"""Guessed pins, and requests that another site makes a browser send."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from logger.crew import pin
from tests.figures import Figures
from tests.logger.crew.attacker.raw_requests import CREW, LOG, crew_sees, raw, request, status
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, login, serving


def test_parallel_guesses_from_many_addresses_are_limited(
    place: Path, tmp_path: Path, figures: Figures
) -> None:
    """Eight threads, one address each, login and bearer, forged headers: together they have a few guesses."""
    with serving(tmp_path, tmp_path / "live.sock", host=EVERYWHERE, pin=PIN) as server:
        token = login(server, PIN).headers["set-cookie"].partition(";")[0]
        statuses: list[int] = []

        def guess(number: int) -> None:
            for n in range(40):
                forged = f"X-Forwarded-For: 10.0.{number}.{n}"
                body = b"pin=%04d" % (number * 40 + n)
                as_form = request("POST /login HTTP/1.1", forged, f"Content-Length: {len(body)}", body=body)
                as_token = request(
                    "GET /api/live HTTP/1.1", forged, f"Authorization: Bearer {number:02}{n:02}"
                )
                statuses.append(status(raw(server, (as_form, as_token)[n % 2], f"127.0.1.{number + 1}")))

        threads = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        earned = (time.monotonic() - began) / pin.SHARED_EVERY_S
        looked_at = sum(code in (303, 200, 401) for code in statuses)
        figures.note(
            f"attacker: {len(statuses)} guesses from 8 addresses, {looked_at} checked, the rest delayed"
        )
        assert looked_at <= pin.SHARED_GUESSES + 8 * pin.FIRST_GUESSES + earned + 1
        assert statuses.count(429) == len(statuses) - looked_at
        assert crew_sees(server, token), "a logged-in user stays logged in"
        bearer = f"Authorization: Bearer {PIN}"
        for address in (CREW, "127.0.0.2", "127.0.0.3"):
            assert status(raw(server, request("GET / HTTP/1.1", bearer), address)) == 200, (
                "and who knows the pin gets in"
            )
        lines = [line for line in server.output.read_text().splitlines() if "pin guesses" in line]
        assert 1 <= len(lines) <= 1 + (time.monotonic() - began) / pin.LOG_EVERY_S


@pytest.mark.parametrize("route", ["/login", "/api/command", f"/api/logs/{LOG}/delivered"])
@pytest.mark.parametrize(
    "header",
    [
        "Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1.evil.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1@evil.example", "Origin: https://127.0.0.1:1", "Origin:",
    ],
)  # fmt: skip
def test_a_post_from_another_site_is_refused(served: Served, cookie: str, route: str, header: str) -> None:
    """Even with the crew's cookie."""
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        body = b'{"command": "mark"}'
        sent = (f"Cookie: {cookie}", header, f"Content-Type: {kind}", f"Content-Length: {len(body)}")
        assert status(raw(served, request(f"POST {route} HTTP/1.1", *sent, body=body))) == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:127.0.0.1", "a@127.0.0.1", "127.0.0.1/x", ""],
)
def test_a_foreign_host_name_is_refused(served: Served, cookie: str, host: str) -> None:
    data = f"GET /api/logs HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n".encode()
    assert status(raw(served, data)) in (400, 421)


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]
)
def test_other_methods_are_refused(served: Served, cookie: str, method: str) -> None:
    for route in ("/", "/api/command", f"/api/logs/{LOG}"):
        answer = raw(served, request(f"{method} {route} HTTP/1.1", f"Cookie: {cookie}"))
        assert status(answer) in (0, 400, 404, 405), (method, route, answer[:100])
        assert b"access-control-allow" not in answer.lower()
