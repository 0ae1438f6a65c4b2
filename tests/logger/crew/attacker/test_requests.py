"""Oversized, endless, smuggled and damaged requests are refused without using memory."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tests.logger.crew.attacker.raw_requests import LOG, MAY_GROW_KB, dial, raw, request, status
from tests.logger.crew.serving import Served


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 5_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        request("GET /login HTTP/1.1", "X: " + "y" * 5_000_000),
        request("GET /login HTTP/1.1", *(f"X-{number}: y" for number in range(50_000))),
        request("GET /login HTTP/1.1", "Cookie: " + "; ".join(f"stagelog={n}" for n in range(100_000))),
        b"\r\n" * 1_000_000,
        b"A" * 5_000_000,
    ],
    ids=["address", "header", "headers", "cookies", "empty lines", "no line"],
)
def test_oversized_requests_are_refused_without_using_memory(served: Served, data: bytes) -> None:
    before = served.resident_kb
    answers = [raw(served, data) for _ in range(3)]
    assert {status(answer) for answer in answers} <= {0, 400, 414, 431}
    assert served.resident_kb - before < MAY_GROW_KB


@pytest.mark.parametrize(
    "line",
    [
        "POST /login",
        "POST /api/command",
        f"POST /api/logs/{LOG}/delivered",
        "GET /login",
        "GET /",
        "GET /api/logs",
    ],
)
@pytest.mark.parametrize("framing", ["Content-Length: 10000000000", "Transfer-Encoding: chunked"])
def test_an_endless_body_is_refused(served: Served, cookie: str, line: str, framing: str) -> None:
    """Also by a page that needs no body and has already answered."""
    head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n{framing}"
    piece = b"x" * 65_536
    piece = b"10000\r\n" + piece + b"\r\n" if "chunked" in framing else piece
    taken = 0
    with dial(served) as connection, suppress(ConnectionError, TimeoutError):
        connection.sendall(head.encode() + b"\r\n\r\n")
        connection.settimeout(5)
        while taken < 100_000_000:
            connection.sendall(piece)
            taken += len(piece)
    assert taken < 30_000_000, "disconnected early: the rest was in the kernel's buffers"


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: -1",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Content-Length: 0x5",),
        ("Content-Length: 99999999999999999999999999",),
    ],
)
def test_request_smuggling_is_refused(served: Served, cookie: str, lines: tuple[str, ...]) -> None:
    """A request whose body's end is ambiguous ends its connection, so that no proxy reads it differently."""
    hidden = b"0\r\n\r\nGET /api/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: " + cookie.encode() + b"\r\n\r\n"
    answer = raw(
        served,
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + hidden,
    )
    assert LOG.encode() not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1


def test_many_ranges_get_one_answer(served: Served, cookie: str) -> None:
    whole = len(served.ask(f"/api/logs/{LOG}", headers={"cookie": cookie}).body)
    ranges = "bytes=" + ",".join(f"{number}-" for number in range(1000))
    answer = raw(served, request(f"GET /api/logs/{LOG} HTTP/1.1", f"Cookie: {cookie}", f"Range: {ranges}"))
    assert len(answer) < whole + 2000
