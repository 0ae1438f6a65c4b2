"""How long and how many: one TCP connection's patience, and each address's share of them.

uvicorn's own limits count requests; these count connections, because an idle one costs a crew its page just
as well. A client has a few seconds for its request line and headers, and must take what it is sent; each
address has its share and all together a bound. Unsent bytes stay here and not in the kernel, so that a
client on a bad link gets the newest snapshot next and not a backlog of old ones.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from operator import itemgetter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 96
MAX_ADDRESS_CONNECTIONS = 32
"""Several browsers on one tablet use six each; a guesser or a broken client cannot take the rest."""
HEADERS_S = 10.0
"""From the first moment of waiting for a request until its headers are whole; uvicorn's keep-alive is shorter."""
STALLED_S = 15.0
"""A client that takes nothing for so long is gone."""
UNSENT_BYTES = 16 * 1024
"""About four snapshots."""


class Line:
    """What an answer may know of its connection, and do to it: `scope["state"]["line"]`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._left: int | None = None

    def unsent(self) -> int:
        """Bytes whose arrival the client's system has not confirmed: now, or when the connection ended."""
        if self._left is not None:
            return self._left
        raw: Any = self._transport.get_extra_info("socket")
        try:
            queued = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        except (OSError, ValueError):
            return 1  # nobody can tell: then it has not arrived
        return self._transport.get_write_buffer_size() + int(struct.unpack("i", queued)[0])

    def cut(self) -> None:
        """End the connection in the middle of an answer: the client must not take it for whole."""
        self._transport.abort()

    def ended(self) -> None:
        """The connection is gone."""
        self._left = self.unsent()


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 connection with bounded patience."""

    _patience: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._line = Line(transport)
        self.app_state = {**self.app_state, "line": self._line}
        neighbours = sum(_address(other) == _address(self) for other in self.connections)
        is_full = len(self.connections) > MAX_CONNECTIONS
        if neighbours > MAX_ADDRESS_CONNECTIONS or (is_full and not self._make_room()):
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
        super().on_response_complete()
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._patience, self._stalled):
            if timer is not None:
                timer.cancel()
        self._line.ended()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _make_room(self) -> bool:
        """End the connection that has waited longest without a request: a crew's browser asks at once."""
        waiting = [
            (timer.when(), other)
            for other in self.connections
            if isinstance(other, Connection) and (timer := other._patience) is not None
        ]
        if not waiting:
            return False
        _, longest = min(waiting, key=itemgetter(0))
        longest._patience = None
        longest.transport.abort()
        return True

    def _wait_for_headers(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
        elif self._patience is None:
            self._patience = self.loop.call_later(HEADERS_S, self.transport.abort)


def _address(connection: Any) -> str | None:
    return connection.client[0] if connection.client else None
