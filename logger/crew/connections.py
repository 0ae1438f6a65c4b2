"""How long and how many: one TCP connection's patience, and each place's share of them.

uvicorn's own limits count requests; these count connections, because an idle one costs a crew its page just
as well. A client has a few seconds for its request line and headers, and must take what it is sent; each
place has its share and all together a bound. When there are too many a stranger's makes room, whatever it is
about: nothing that somebody without the pin may do takes long. Unsent bytes stay here and not in the kernel,
so that a client on a bad link gets the newest snapshot next and not a backlog of old ones.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections import Counter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from logger.crew.client_key import place

MAX_CONNECTIONS = 96
MAX_PLACE_CONNECTIONS = 32
"""Several browsers on one tablet use six each; a guesser or a broken client cannot take the rest."""
HEADERS_S = 10.0
"""From the first moment of waiting for a request until its headers are whole; uvicorn's keep-alive is shorter."""
STALLED_S = 15.0
"""A client that takes nothing for so long is gone."""
UNSENT_BYTES = 16 * 1024
"""About four snapshots."""


class Line:
    """What an answer may know of its connection, and do to it: `scope["state"]["line"]`.

    `is_crews` from the first request on it that was let in.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_crews = False
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
        self._began_s = self.loop.time()
        self._place = place(self.client[0]) if self.client else ""
        everybody = [other for other in self.connections if isinstance(other, Connection)]
        neighbours = [other for other in everybody if other._place == self._place]
        for those, most in ((neighbours, MAX_PLACE_CONNECTIONS), (everybody, MAX_CONNECTIONS)):
            if len(those) > most and not self._make_room(those):
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
            self.transport.close()  # else what is left of the body is swallowed, with no end and no timer
        super().on_response_complete()
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._patience, self._stalled):
            if timer is not None:
                timer.cancel()
        self._line.ended()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Of two answers to one request only one is sent: what is wrong with its body may come to light late."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        super().send_400_response(msg)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _make_room(self, those: list[Connection]) -> bool:
        """End a stranger's connection: the oldest of the place that has most of them, so that many hurt their owner."""
        strangers = [other for other in those if other is not self and not other._line.is_crews]
        if not strangers:
            return False
        count = Counter(other._place for other in strangers)
        gone = min(strangers, key=lambda other: (-count[other._place], other._began_s))
        self.connections.discard(gone)  # now, and not when the loop comes round to it
        gone.transport.abort()
        return True

    def _wait_for_headers(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
        elif self._patience is None:
            self._patience = self.loop.call_later(HEADERS_S, self.transport.abort)
