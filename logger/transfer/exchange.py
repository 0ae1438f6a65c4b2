"""One HTTP request and its answer, bounded in bytes and in time whatever the server sends.

h11 reads the answer: it takes bytes and gives events, and refuses what is not HTTP, such as two lengths, a length of
5,000 digits or a chunk of 2^80 bytes. Ours are the clock and the bounds:

    silence        no byte for `silence_s`
    pace           fewer than LEAST_BYTES_S, averaged over `slow_s`
    head           MOST_HEAD_BYTES, and MOST_INTERIM answers such as "100 Continue" before it
    JSON           MOST_BYTES of untrusted_json
    answer         `answer_s` for all of it, but for the body of a log, which only has to keep the pace
    encodings      none: what is compressed was not asked for

A line that breaks or is too slow is a CutError, worth another try; a server that does not speak as the car's does is a
DeviceError, for it will not the next time either.
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
from logger.boundary.untrusted_json import MOST_BYTES, loads

RECEIVE_BYTES = 64 * 1024
"""At a time: h11 copies what waits; this stays in the processor's cache (390 MB/s; with four times as much 220)."""
MOST_HEAD_BYTES = 16 * 1024
"""The car's own heads have some 400 bytes; h11's own limit."""
MOST_INTERIM = 8
"""Interim answers (1xx) before the answer: the car sends none, a proxy one."""


class Limits(NamedTuple):
    """How long a server may take, in seconds."""

    silence_s: float = 20.0
    """Without a byte: a server that says nothing for so long is gone; ours gives up a client after less."""
    slow_s: float = 60.0
    """At less than the least pace: a crossing of a dune, with TCP's own waits behind it."""
    answer_s: float = 120.0
    """For a whole answer of JSON: the longest that is accepted, at 35 kB/s; and for the head of any other.

    A list takes three answers at most, as the first may ask for the pin: with connecting and sending, 20 s each, it has
    come after 8 minutes or never.
    """
    preparing_s: float = 3600.0
    """For a car's copy of one log: 10 GB at the 3 MB/s of a card that is also recorded to."""
    ask_again_s: float = 1.0
    """Between two questions about a copy: the car itself answers after a second."""


LIMITS = Limits()


class CutError(Exception):
    """The line was cut, or the server is not there, or is busy: worth another try, not before `wait_s`.

    `heard`: it is there, for something came from it.
    """

    def __init__(self, why: str, wait_s: float = 0.0, *, heard: bool = True) -> None:
        super().__init__(why)
        self.wait_s, self.heard = wait_s, heard


class Answer:
    """What a server answers: `status`, `headers` by lower-case name, and a body to be read piece by piece."""

    def __init__(self, connection: socket.socket, limits: Limits, where: str) -> None:
        """An exchange over a connection that was just opened; whoever opened it closes it."""
        self._connection, self._limits, self._where = connection, limits, where
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD_BYTES)
        self._ends_s = time.monotonic() + limits.answer_s
        self._pace = Pace(limits.slow_s)
        self._is_over = False
        self.status = 0
        self.headers: dict[str, str] = {}

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send the request, and read the answer up to its body. Raises CutError, DeviceError."""
        fields = {**headers, "Accept-Encoding": "identity", "Connection": "close"}
        if body or method == "POST":
            fields["Content-Length"] = str(len(body))
        request = h11.Request(method=method, target=target, headers=list(fields.items()))
        wire = [self._http.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
        try:
            self._connection.settimeout(self._limits.silence_s)
            self._connection.sendall(b"".join(piece for piece in wire if piece))
        except OSError as error:
            raise CutError(why(error), heard=False) from error
        for _ in range(MOST_INTERIM + 1):
            event = self._event(heard=False)
            if isinstance(event, h11.Response):
                self._begin(event)
                return
            if not isinstance(event, h11.InformationalResponse):
                break
        raise self.refused("announces an answer again and again, and gives none")

    def read(self) -> bytes:
        """The next piece of a body of any length, nothing at the end. Raises CutError, DeviceError."""
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
        """The whole body. Raises CutError when that did not come, ValueError when it is no JSON, DeviceError."""
        body = bytearray()
        while piece := self._piece():
            body += piece
            if len(body) > MOST_BYTES:
                raise self.refused(f"answers with over {MOST_BYTES >> 20} MB where a list is expected")
        return loads(bytes(body), replace_surrogates=True)

    def complaint(self) -> str:
        """Why the car refuses."""
        try:
            return printable(self.json()["error"])
        except (ValueError, KeyError, TypeError):
            return f"the server answers {self.status}"

    def refused(self, what: str) -> DeviceError:
        """The error of a server that does not speak as a car's does."""
        hint = "name the address of a crew page; whatever answers there is none"
        return DeviceError(f"the server {what}", where=self._where, hint=hint)

    def _begin(self, response: h11.Response) -> None:
        self.status = response.status_code
        self.headers = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise self.refused("answers compressed, which was not asked for")

    def _event(self, *, heard: bool = True) -> Any:
        """What comes next. Raises CutError when the line breaks, DeviceError when it is no HTTP."""
        while True:
            try:
                event = self._http.next_event()
            except (h11.RemoteProtocolError, ValueError) as error:
                if self._is_over:
                    raise CutError("the line was cut", heard=heard) from error
                raise self.refused(f"does not speak HTTP: {printable(error)}") from error
            if event is not h11.NEED_DATA:
                return event
            data = self._receive(heard=heard)
            self._is_over = not data
            self._http.receive_data(data)

    def _receive(self, *, heard: bool) -> bytes:
        paced_s, whole_s = self._pace.left_s(), self._ends_s - time.monotonic()
        if paced_s <= 0:
            raise CutError("the line brings next to nothing", heard=heard)
        if whole_s <= 0:
            raise CutError(f"an answer takes longer than {self._limits.answer_s:g} s", heard=heard)
        try:
            self._connection.settimeout(min(self._limits.silence_s, paced_s, whole_s))
            data = self._connection.recv(RECEIVE_BYTES)
        except OSError as error:
            raise CutError(why(error), heard=heard) from error
        self._pace.came(len(data))
        return data


def why(error: OSError) -> str:
    """A cut line in a few words."""
    return printable(error.strerror or error or type(error).__name__)


LEAST_BYTES_S = 250.0
"""A slower line brings nothing: a quarter of GPRS with one slot (9 kbit/s), and a day for 20 MB."""


class Pace:
    """`most_s` seconds, of which each byte gives back 1 / `least_bytes_s`, so that a line at that rate never ends."""

    def __init__(self, most_s: float, least_bytes_s: float = LEAST_BYTES_S) -> None:
        self._most_s, self._least_bytes_s = most_s, least_bytes_s
        self.renew()

    def renew(self) -> None:
        """All of the time again."""
        self._until_s = time.monotonic() + self._most_s

    def came(self, count: int) -> None:
        """So many bytes."""
        full_s = time.monotonic() + self._most_s
        self._until_s = min(full_s, self._until_s + count / self._least_bytes_s)

    def left_s(self) -> float:
        """What is left of it; zero or less when it is over."""
        return self._until_s - time.monotonic()
