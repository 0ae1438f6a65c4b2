"""TCP connection limits of the crew server: timeouts, connections per client, and total.

uvicorn limits requests; this limits connections, because idle ones can also exhaust the server. A client has a few
seconds to send its request line and headers, and must read what it is sent. Connections per client and in total are
bounded. Above a bound, an unauthenticated connection is closed, whatever it does: no request without the pin takes
long. Unsent bytes stay in this process, not in the kernel, so a client on a bad link gets the newest snapshot next and
not a backlog of old ones.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import h11
from starlette.types import Receive
from uvicorn.protocols.http.h11_impl import H11Protocol

from logger.crew.client_key import client_key

MAX_CONNECTIONS = 96
MAX_CLIENT_CONNECTIONS = 32
"""Several browsers on one tablet use six each; a guesser or a broken client cannot take the rest."""
HEADERS_TIMEOUT_S = 10.0
"""From the start of waiting for a request until its headers are complete; uvicorn's keep-alive is shorter."""
STALL_TIMEOUT_S = 15.0
"""A client that reads nothing for this long is disconnected."""
UNSENT_BYTES = 16 * 1024
"""About four snapshots."""

Result = TypeVar("Result")


async def run_until_disconnect(
    receive: Receive, answering: Coroutine[object, object, Result]
) -> Result | None:
    """Run `answering`; cancel it and return None when the client disconnects first. Its exceptions are raised."""
    answer = asyncio.ensure_future(answering)
    leaving = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    finally:
        for task in (answer, leaving):
            task.cancel()
        await asyncio.gather(answer, leaving, return_exceptions=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class ConnectionHandle:
    """An endpoint's access to its TCP connection, in `scope["state"]["connection"]`.

    `is_authenticated` is true from the first request with the pin or a token on.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_authenticated = False
        self._transport = transport
        self._unsent_at_end: int | None = None

    def unsent(self) -> int:
        """Bytes that the client's system has not acknowledged: now, or when the connection ended."""
        if self._unsent_at_end is not None:
            return self._unsent_at_end
        raw: Any = self._transport.get_extra_info("socket")
        try:
            queued = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        except (OSError, ValueError):
            return 1  # unknown counts as not arrived
        return self._transport.get_write_buffer_size() + int(struct.unpack("i", queued)[0])

    def abort(self) -> None:
        """Close the connection in the middle of an answer, so that the client does not take it for complete."""
        self._transport.abort()

    def note_end(self) -> None:
        """Keep the number of unsent bytes: the connection has ended."""
        self._unsent_at_end = self.unsent()


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 connection with timeouts for headers and stalled reads, and connection limits."""

    _headers_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._handle = ConnectionHandle(transport)
        self.app_state = {**self.app_state, "connection": self._handle}
        self._began_s = self.loop.time()
        self._client_key = client_key(self.client[0]) if self.client else ""
        everybody = [other for other in self.connections if isinstance(other, Connection)]
        same_client = [other for other in everybody if other._client_key == self._client_key]
        for those, limit in ((same_client, MAX_CLIENT_CONNECTIONS), (everybody, MAX_CONNECTIONS)):
            if len(those) > limit and not self._make_room(those):
                transport.abort()
                return
        transport.set_write_buffer_limits(high=UNSENT_BYTES)
        raw: Any = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_headers()

    def on_response_complete(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()  # otherwise the rest of the body is read without limit or timeout
        super().on_response_complete()
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._headers_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._handle.note_end()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Send no second answer to one request: an error in its body may appear after the answer has begun."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        super().send_400_response(msg)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(STALL_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    def _make_room(self, those: list[Connection]) -> bool:
        """Close an unauthenticated connection: the oldest of the client that has most. False if there is none."""
        unauthenticated = [
            other for other in those if other is not self and not other._handle.is_authenticated
        ]
        if not unauthenticated:
            return False
        count = Counter(other._client_key for other in unauthenticated)
        closed = min(unauthenticated, key=lambda other: (-count[other._client_key], other._began_s))
        self.connections.discard(closed)  # now: the loop would do it only later
        closed.transport.abort()
        return True

    def _wait_for_headers(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            if self._headers_timer is not None:
                self._headers_timer.cancel()
                self._headers_timer = None
        elif self._headers_timer is None:
            self._headers_timer = self.loop.call_later(HEADERS_TIMEOUT_S, self.transport.abort)
