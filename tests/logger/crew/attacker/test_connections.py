"""Slow clients and many connections leave room for the crew."""

from __future__ import annotations

import random
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from logger.crew import connections, exports
from tests.child_processes import children
from tests.field_failures.recorder_process import until
from tests.logger.crew.attacker.raw_requests import CREW, LOG, crew_sees, dial, raw, request, status
from tests.logger.crew.serving import Served


def open_files(served: Served) -> int:
    return sum(1 for _ in Path(f"/proc/{served.process.pid}/fd").iterdir())


def hung_up(connection: socket.socket, within_s: float) -> bool:
    connection.settimeout(within_s)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_slow_clients_are_disconnected_and_one_address_cannot_take_every_connection(
    served: Served, cookie: str
) -> None:
    """Slowloris: a header line now and then, on as many connections as the server accepts."""
    with ExitStack() as stack:
        slow = [stack.enter_context(dial(served)) for _ in range(200)]
        for connection in slow:
            with suppress(ConnectionError):
                connection.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert crew_sees(served, cookie), "while the attackers hold their connections"
        ends = time.monotonic() + connections.HEADERS_TIMEOUT_S + 60.0
        left = slow
        while left and time.monotonic() < ends:
            for connection in left:
                with suppress(ConnectionError):
                    connection.sendall(b"X: y\r\n")
            left = [connection for connection in left if not hung_up(connection, 0.001)]
            time.sleep(0.5)
        assert not left, "no attacker's connection is left"


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost:",
        b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n",
    ],
    ids=["nothing", "headers", "answered", "answered, body", "body"],
)
def test_strangers_from_many_addresses_leave_room_for_the_crew(
    served: Served, cookie: str, beginning: bytes
) -> None:
    """More connections than the server accepts in total, in any state; the crew's stream continues."""
    with ExitStack() as held:
        stream = held.enter_context(dial(served, CREW))
        stream.sendall(request("GET /api/live/stream HTTP/1.1", f"Cookie: {cookie}"))
        assert stream.recv(65_536)
        for number in range(2 * connections.MAX_CONNECTIONS):
            with suppress(ConnectionError):
                line = held.enter_context(dial(served, f"127.0.1.{1 + number // 30}"))
                line.sendall(beginning)
                line.sendall(b"x" * bool(beginning))
        for _ in range(5):
            assert status(raw(served, request("GET / HTTP/1.1", f"Cookie: {cookie}"), CREW)) == 200
            assert status(raw(served, request("GET /login HTTP/1.1"), "127.0.0.2")) == 200, (
                "a user who wants to log in"
            )
        assert not hung_up(stream, 0.01)
        stream.settimeout(60)
        assert stream.recv(65_536), "the stream gets data every second"


def test_addresses_with_most_connections_lose_theirs_first(served: Served) -> None:
    """Many newer connections of strangers do not close the connection of a user who is typing the pin."""
    with ExitStack() as held:
        typing = held.enter_context(dial(served, CREW))
        typing.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for number in range(2 * connections.MAX_CONNECTIONS):
            held.enter_context(dial(served, f"127.0.1.{1 + number // 30}"))
        typing.sendall(b"Connection: close\r\n\r\n")
        assert typing.recv(65_536).startswith(b"HTTP/1.1 200")


def test_short_connections_leave_no_open_files(served: Served) -> None:
    files = open_files(served)
    for _ in range(1500):
        with suppress(OSError), dial(served) as connection:
            connection.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"[: random.randrange(50)])
    until(lambda: open_files(served) <= files + 2, 60.0)


def test_a_thousand_pipelined_requests_are_answered_in_order(served: Served) -> None:
    one = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = raw(served, one * 999 + request("GET /login HTTP/1.1"))
    assert answer.count(b"HTTP/1.1 200") == 1000


def test_exports_are_limited_and_end_with_their_clients(served: Served, cookie: str) -> None:
    export = request(f"GET /api/logs/{LOG}/export?format=csv HTTP/1.1", f"Cookie: {cookie}")
    with ExitStack() as stack:
        greedy = [stack.enter_context(dial(served)) for _ in range(20)]
        most = 0
        for connection in greedy:
            connection.sendall(export)
            most = max(most, len(children(served.process.pid)))
        assert crew_sees(served, cookie)
        most = max(most, len(children(served.process.pid)))
        assert most <= exports.MAX_EXPORTS
    until(lambda: not children(served.process.pid), 60.0)
