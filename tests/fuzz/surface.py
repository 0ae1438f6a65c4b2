"""Fuzz target for the crew server's HTTP requests: each damaged request has its own connection.

The server may refuse, answer or close the connection, but never answer 500, and its memory stays bounded. The valid
requests contain no complete export or review, because each starts a process; they contain query strings for exports.
"""

from __future__ import annotations

import atexit
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.logger.crew.serving import Served, serving
from tests.logger.transfer.logs_made import closed

Check = Callable[[bytes], None]
LOG = "stage-1-001.db"
_SOUND_EVERY = 500
_MAY_GROW_KB = 20_000
_PATIENCE_S = 30
_HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"


def _request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return line + b" HTTP/1.1\r\n" + _HOST + lines + length + b"\r\n" + body


def good_requests() -> list[bytes]:
    """One valid request of each kind."""
    log, json = LOG.encode(), b"Content-Type: application/json"
    return [
        _request(b"GET /"),
        _request(b"GET /crew.js", b'If-None-Match: "x", W/"y"'),
        _request(b"GET /login"),
        _request(b"POST /login", b"Origin: http://127.0.0.1", b"Content-Type: text/plain", body=b"pin=1234"),
        _request(b"GET /api/live", b"Authorization: Bearer 1234", b"Cookie: stagelog=1.2.3"),
        _request(b"POST /api/command", json, body=b'{"command": "set_distance", "km": 12.5, "id": 7}'),
        _request(b"GET /login", b"Transfer-Encoding: chunked") + b"8\r\npin=1234\r\n0\r\n\r\n",
        _request(b"GET /logs"),
        _request(b"GET /api/logs"),
        _request(b"GET /api/logs/" + log, b"Range: bytes=0-10", b'If-Range: "x"'),
        _request(b"HEAD /api/logs/" + log, b"Range: bytes=-5,7-9"),
        _request(b"GET /api/logs/" + log + b"/export?format=none&section=1&from=0"),
        _request(b"POST /api/logs/" + log + b"/delivered", json, body=b'{"sha256": "00", "size": 1}'),
        _request(b"GET /api/logs/..%2f..%2fetc%2fpasswd", b"X-Forwarded-For: 1.2.3.4"),
    ]


def requests() -> Check:
    """Send raw bytes as a request."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stagelog-fuzz-")))
    closed(folder / "logs" / LOG, 100)
    served = stack.enter_context(serving(folder, folder / "live.sock"))
    state = {"count": 0, "rest_kb": 0}

    def check(data: bytes) -> None:
        assert _status(served, data) != 500, "internal server error"
        state["count"] += 1
        if state["count"] % _SOUND_EVERY == 0:
            assert _status(served, good_requests()[0]) == 200
            assert "Traceback" not in served.output.read_text()
            state["rest_kb"] = state["rest_kb"] or served.resident_kb
            assert served.resident_kb < state["rest_kb"] + _MAY_GROW_KB, f"{served.resident_kb} kB"

    return check


def _status(served: Served, data: bytes) -> int:
    """The response's status; 0 if the server closed the connection without one."""
    response = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=_PATIENCE_S) as line:
        with suppress(ConnectionError):
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)  # no more of the request follows
        with suppress(ConnectionError):
            while len(response) < len("HTTP/1.1 200") and (piece := line.recv(65_536)):
                response += piece
    return int(response[9:12]) if response.startswith(b"HTTP/1.1 ") else 0


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[], Check]]] = {
    "requests": (good_requests, requests),
}
