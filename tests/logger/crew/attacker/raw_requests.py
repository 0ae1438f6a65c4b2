"""Raw bytes from a client on the car's Wi-Fi.

The attacker has no pin or, where that is worse, a token. Many attackers are many addresses of the loopback network.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from tests.logger.crew.serving import Served

LOG = "stage-1-001.db"
SECRET = b"the-team's-secret"
CREW, ATTACKER = "127.0.0.1", "127.0.0.66"
MAY_GROW_KB = 12_000
"""What the server's memory may grow by under any attack here; the attacks themselves are far larger."""


def crew_sees(served: Served, cookie: str) -> bool:
    try:
        return served.ask("/", headers={"cookie": cookie}).status == 200
    except OSError:
        return False


def dial(served: Served, address: str = ATTACKER) -> socket.socket:
    """Connect from one of the attacker's addresses."""
    return socket.create_connection(("127.0.0.1", served.port), timeout=60, source_address=(address, 0))


def raw(served: Served, data: bytes, address: str = ATTACKER) -> bytes:
    """Send exactly these bytes; return the response until the server closes the connection or goes silent."""
    with dial(served, address) as connection:
        connection.settimeout(60)
        answer = b""
        with suppress(ConnectionError):
            connection.sendall(data)
        with suppress(ConnectionError, TimeoutError):
            while piece := connection.recv(65_536):
                answer += piece
        return answer


def request(line: str | bytes, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes, with `connection: close`."""
    line = line.encode("latin-1") if isinstance(line, str) else line
    lines = [line, b"Host: 127.0.0.1", b"Connection: close", *(header.encode() for header in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    """The status of a response; 0 if the server closed the connection without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
