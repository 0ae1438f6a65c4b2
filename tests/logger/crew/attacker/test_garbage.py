"""Bytes that are no HTTP, or damaged HTTP, are refused and do not fill the log."""

from __future__ import annotations

import random
import socket
import time
from contextlib import suppress

import pytest

from tests.figures import Figures
from tests.logger.crew.attacker.raw_requests import LOG, dial, request, status
from tests.logger.crew.serving import Served

GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # a TLS hello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x00" * 1000,
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_other_protocols_are_refused(served: Served, data: bytes) -> None:
    with dial(served) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(60)
        answer = b""
        with suppress(ConnectionError):
            while piece := connection.recv(65_536):
                answer += piece
    assert status(answer) in (0, 303, 400, 421, 505)


NOISE = [
    b"\x00\r\n\r\n",
    b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    *(
        f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        for line in ("GET /login", "POST /login", "GET /", "GET /api/live")
    ),
]


@pytest.mark.parametrize("data", NOISE, ids=range(len(NOISE)))
@pytest.mark.parametrize("wait_s", [0.0, 0.1], ids=["before the answer", "after it"])
def test_damaged_requests_are_not_logged(served: Served, data: bytes, wait_s: float) -> None:
    """Otherwise thousands per second would rotate the recorder's own lines out of the journal."""
    before = served.output.read_text()
    for _ in range(3):
        with dial(served) as connection, suppress(OSError):
            connection.sendall(data if wait_s else data + b"no chunk\r\n")
            time.sleep(wait_s)
            connection.sendall(b"no chunk\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    assert served.output.read_text() == before


def test_damaged_requests_never_cause_a_server_error(served: Served, cookie: str, figures: Figures) -> None:
    """Requests with bytes changed, removed and inserted: refused or disconnected, never a 500."""
    chance = random.Random(5)
    good = [
        request(f"GET /api/logs/{LOG} HTTP/1.1", f"Cookie: {cookie}", "Range: bytes=0-10", 'If-Match: "x"'),
        request(f"GET /api/logs/{LOG}/export?format=gpx HTTP/1.1", f"Cookie: {cookie}"),
        request("POST /api/command HTTP/1.1", f"Cookie: {cookie}", "Content-Type: application/json",
                "Content-Length: 19", body=b'{"command": "mark"}'),
        request("POST /login HTTP/1.1", "Origin: http://127.0.0.1", "Content-Length: 8", body=b"pin=1234"),
        request("GET /api/live HTTP/1.1", "Authorization: Bearer 1234"),
    ]  # fmt: skip
    tried = 400
    for _ in range(tried):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(2)] = chance.randbytes(chance.randrange(3))
        with dial(served) as connection, suppress(ConnectionError):
            connection.sendall(bytes(data))
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65_536):
                answer += piece
            assert status(answer) != 500, bytes(data)
    figures.note(f"attacker: {tried} damaged requests, none caused a server error")
