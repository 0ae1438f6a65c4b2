"""One HTTP exchange, bounded in bytes and time whatever the server sends.

h11 parses the response and rejects what is not HTTP, such as two lengths, a length of 5,000 digits or a chunk of 2^80
bytes. The clock and these limits are ours:

    silence        no byte for `silence_s`
    pace           fewer than MIN_BYTES_PER_S, averaged over `slow_s`
    head           MAX_HEAD_BYTES, and MAX_INTERIM responses such as "100 Continue" before it
    JSON           MAX_BYTES of untrusted_json
    response       `response_s` in total, except for the body of a log, which only has to keep the pace
    encodings      none: compression was not requested

A lost or too slow connection is a TransientError, worth a retry; a server that does not behave like the car's is a
DeviceError, because it will not next time either.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import h11

from firmware_bridge.errors import DeviceError
from firmware_bridge.printable import printable
from logger.boundary.untrusted_json import MAX_BYTES, loads

RECEIVE_BYTES = 64 * 1024
"""Bytes per read: h11 copies what is buffered; this size stays in the processor's cache (390 MB/s; four times as much
gives 220)."""
MAX_HEAD_BYTES = 16 * 1024
"""The car's own heads have some 400 bytes; this is h11's default limit."""
MAX_INTERIM = 8
"""Interim responses (1xx) before the final one: the car sends none, a proxy one."""


class Limits(NamedTuple):
    """Time limits for a server, in seconds."""

    silence_s: float = 20.0
    """Without a byte. Our server gives up a silent client sooner."""
    slow_s: float = 60.0
    """Below the minimum rate: one crossing of a dune, with TCP's own retransmission delays."""
    response_s: float = 120.0
    """For a whole JSON response (the longest accepted, at 35 kB/s), and for the head of any other.

    A list takes three requests at most, since the first may ask for the pin: with connecting and sending, 20 s each,
    it takes 8 minutes or fails.
    """
    preparing_s: float = 3600.0
    """For the car to copy one log: 10 GB at the 3 MB/s of a card that is also being recorded to.
    For all logs together it is the same, beyond the patience, until bytes arrive."""
    worthless_s: float = 21_600.0
    """For data that comes to nothing: abandoned versions, digests that do not match, damaged logs, all together. A slow
    line is no reason to stop while logs arrive whole; six wasted hours are."""
    ask_again_s: float = 1.0
    """Between two requests for a copy: the car itself answers after a second."""


LIMITS = Limits()


class TransientError(Exception):
    """The connection was lost, or the server is absent or busy: worth a retry, not before `wait_s`.

    `responded`: the server responded before the loss.
    """

    def __init__(self, why: str, wait_s: float = 0.0, *, responded: bool = True) -> None:
        super().__init__(why)
        self.wait_s, self.responded = wait_s, responded


class Response:
    """A server's response: `status`, `headers` by lower-case name, and a body to be read in pieces."""

    def __init__(self, connection: socket.socket, limits: Limits, where: str) -> None:
        """An exchange over a fresh connection, which the caller closes."""
        self._connection, self._limits, self._where = connection, limits, where
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._ends_s = time.monotonic() + limits.response_s
        self._pace = Pace(limits.slow_s)
        self._is_ended = False
        self.status = 0
        self.headers: dict[str, str] = {}

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send the request and read the response up to its body. Raises TransientError, DeviceError."""
        fields = {**headers, "Accept-Encoding": "identity", "Connection": "close"}
        if body or method == "POST":
            fields["Content-Length"] = str(len(body))
        head = h11.Request(method=method, target=target, headers=list(fields.items()))
        wire = [self._http.send(event) for event in (head, h11.Data(data=body), h11.EndOfMessage())]
        try:
            self._connection.settimeout(self._limits.silence_s)
            self._connection.sendall(b"".join(piece for piece in wire if piece))
        except OSError as error:
            raise TransientError(why(error), responded=False) from error
        for _ in range(MAX_INTERIM + 1):
            event = self._event(responded=False)
            if isinstance(event, h11.Response):
                self._begin(event)
                return
            if not isinstance(event, h11.InformationalResponse):
                break
        raise self.protocol_error("sends interim responses without end")

    def read(self) -> bytes:
        """The next piece of a body of any length; empty at the end. Raises TransientError, DeviceError."""
        self._ends_s = math.inf
        return self._piece()

    def _piece(self) -> bytes:
        while True:
            event = self._event()
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
            if not isinstance(event, h11.Data):
                return b""

    def json(self) -> Any:
        """The whole body. Raises ValueError when it is not JSON, TransientError, DeviceError."""
        body = bytearray()
        while piece := self._piece():
            body += piece
            if len(body) > MAX_BYTES:
                raise self.protocol_error(f"sends over {MAX_BYTES >> 20} MB where a list is expected")
        return loads(bytes(body), surrogates="replace")

    def error_text(self) -> tuple[str, str]:
        """The error that the car reports, and how to fix it; a server that reports none may be another program."""
        try:
            return printable(self.json()["error"]), ""
        except (ValueError, KeyError, TypeError):
            return f"the server answers {self.status}", "check that the address is that of a crew page"

    def protocol_error(self, what: str) -> DeviceError:
        """The error for a server that does not behave like a car's."""
        hint = "give the address of a crew page; another program answers there"
        return DeviceError(f"the server {what}", where=self._where, hint=hint)

    def _begin(self, response: h11.Response) -> None:
        self.status = response.status_code
        self.headers = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise self.protocol_error("sends a compressed response, which was not requested")

    def _event(self, *, responded: bool = True) -> Any:
        """The next HTTP event. Raises TransientError when the connection is lost, DeviceError when it is not HTTP."""
        while True:
            try:
                event = self._http.next_event()
            except (h11.RemoteProtocolError, ValueError) as error:
                if self._is_ended:
                    raise TransientError("the connection was lost", responded=responded) from error
                raise self.protocol_error(f"does not speak HTTP: {printable(error)}") from error
            if event is not h11.NEED_DATA:
                return event
            data = self._receive(responded=responded)
            self._is_ended = not data
            self._http.receive_data(data)

    def _receive(self, *, responded: bool) -> bytes:
        paced_s, whole_s = self._pace.left_s(), self._ends_s - time.monotonic()
        if paced_s <= 0:
            raise TransientError("the connection is too slow", responded=responded)
        if whole_s <= 0:
            raise TransientError(
                f"a response takes longer than {self._limits.response_s:g} s", responded=responded
            )
        try:
            self._connection.settimeout(min(self._limits.silence_s, paced_s, whole_s))
            data = self._connection.recv(RECEIVE_BYTES)
        except OSError as error:
            raise TransientError(why(error), responded=responded) from error
        self._pace.received(len(data))
        return data


def why(error: OSError) -> str:
    """Short text of a connection error."""
    return printable(error.strerror or error or type(error).__name__)


MIN_BYTES_PER_S = 250.0
"""Minimum rate: a quarter of GPRS with one slot (9 kbit/s), and a day for 20 MB."""


class Pace:
    """A time limit of `max_s` seconds that each byte extends by 1 / `min_bytes_per_s`: a line at that rate never runs
    out."""

    def __init__(self, max_s: float, min_bytes_per_s: float = MIN_BYTES_PER_S) -> None:
        self._max_s, self._min_bytes_per_s = max_s, min_bytes_per_s
        self.renew()

    def renew(self) -> None:
        """Restart with the full time."""
        self._until_s = time.monotonic() + self._max_s

    def received(self, count: int) -> None:
        """Count received bytes."""
        full_s = time.monotonic() + self._max_s
        self._until_s = min(full_s, self._until_s + count / self._min_bytes_per_s)

    def prolong(self, seconds: float) -> None:
        """Do not count these seconds."""
        self._until_s += seconds

    def left_s(self) -> float:
        """Remaining seconds; zero or less when the time is over."""
        return self._until_s - time.monotonic()
