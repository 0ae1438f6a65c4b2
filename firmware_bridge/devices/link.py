"""One session with one port, from open to close: bytes in, bytes out.

Knows no protocol, no thread and no second attempt: a link that fails raises PortError and is closed; the
supervisor in ports.py opens another.

The idea of the read: wake when the first byte arrives, take what is there, and let the next bytes gather for
a few milliseconds before looking again. A lone sentence is not held up, and a saturated bus, whose adapter
delivers in dribbles, wakes the thread at most 200 times a second. A reader that has fallen behind does not
rest.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import serial

from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.port_errors import PORT_ERRORS, cannot_set_rate, lost
from firmware_bridge.errors import PortError

GATHER_S = 0.005
"""Pause after a read: 200 wakes a second at most. The bytes of 5 ms at 1 MB/s, more than USB 1.1 carries, are
5 kB; the kernel keeps at least ten times that for us."""
CHUNK_BYTES = 65536
"""Most that one chunk holds: a quarter of a second of a saturated 1 Mbit/s bus."""
BEHIND_BYTES = 2048
"""A read this long says that more may be there already: the kernel hands out a terminal's bytes 4 KiB at a
time. A saturated 1 Mbit/s bus stays below."""
FALLBACK_READ_S = 0.05
"""How long pyserial's own read waits for a first byte; what is to be sent waits as long."""


class Chunk(NamedTuple):
    """Bytes as they were read from `port`; all of them had arrived by `t_us`."""

    port: str
    t_us: int
    data: bytes


class Link:
    """An open port, used through pyserial's read and write."""

    setting = ""
    """How the port is set up, where that is something else than a baud rate."""
    warning = ""
    """What is not set up as the configuration asks although the port is open; one line."""

    def __init__(self, url: str, port: serial.SerialBase, outbox: Outbox) -> None:
        self.url = url
        self._port = port
        self._outbox = outbox
        self._rest_until_s = 0.0
        outbox.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def complaint(self, *, is_silent: bool) -> str:
        """Why nothing comes, on one line, where the other end says so; `is_silent` is whether it is missed already."""
        return ""

    def read(self, wait_s: float) -> bytes:
        """The next bytes, or none after `wait_s`. Meanwhile sends what the outbox holds. PortError if it is
        gone."""
        until_s = self._rest() + wait_s
        try:
            while True:
                self._send()
                if first := self._port.read(1):
                    self._rest_until_s = time.monotonic() + GATHER_S
                    return bytes(first + self._port.read(min(self._port.in_waiting, CHUNK_BYTES - 1)))
                if time.monotonic() >= until_s:
                    return b""
        except PORT_ERRORS as error:
            raise lost(self.url, error) from error

    def _rest(self) -> float:
        """Let bytes gather if the last ones came just now. Returns the time of `time.monotonic`."""
        now_s = time.monotonic()
        if now_s >= self._rest_until_s:
            return now_s
        time.sleep(self._rest_until_s - now_s)
        return self._rest_until_s

    def _send(self) -> None:
        if self._outbox:
            data = self._outbox.unsent()
            self._outbox.sent(len(data))
            self._port.write(data)

    def set_rate(self, baud: int) -> None:
        """Go on at another rate; what arrived at the old one is discarded. PortError if it is refused."""
        try:
            self._port.baudrate = baud
            self._port.reset_input_buffer()
        except PORT_ERRORS as error:
            raise cannot_set_rate(self.url, baud, error) from error

    def say_goodbye(self, data: bytes) -> None:
        """Send `data` after what the outbox holds, if the port still takes it at once."""
        self._outbox.put(data)
        with suppress(*PORT_ERRORS):  # it is being closed; nobody can do more
            self._send()

    def close(self) -> None:
        """Never raises: an unplugged port cannot even be closed in order."""
        self._outbox.close()
        with suppress(*PORT_ERRORS):
            self._port.close()


class PolledLink(Link):
    """An open port that is a non-blocking file descriptor: the kernel is asked directly."""

    def __init__(self, url: str, port: serial.SerialBase, outbox: Outbox) -> None:
        super().__init__(url, port, outbox)
        self._fd: int = port.fileno()
        # One for all reads: os.read makes room for a whole chunk each time and cuts off what it did not need, and in
        # hours those cuts leave megabytes of holes in the heap that no other chunk fits into.
        self._room = memoryview(bytearray(CHUNK_BYTES))
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._poll.register(outbox.wake_fd, select.POLLIN)

    def read(self, wait_s: float) -> bytes:
        until_s = self._rest() + wait_s
        try:
            if not self._wait(until_s):
                return b""
            data = self._take()
        except OSError as error:
            raise self._lost(error) from error
        if not data:  # ready and empty is how Linux shows a port that was hung up or unplugged
            raise self._lost()
        if len(data) < CHUNK_BYTES:
            self._rest_until_s = time.monotonic() + GATHER_S
        return data

    def _wait(self, until_s: float) -> bool:
        """Whether the port became ready before `until_s`."""
        while True:
            self._send()
            ready = self._poll.poll(max(0.0, until_s - time.monotonic()) * 1000)
            if any(fd == self._fd and event != select.POLLOUT for fd, event in ready):
                return True
            if not ready:
                return False

    def _take(self) -> bytes:
        """What a ready port holds; if that is much, what came meanwhile too."""
        size = piece = os.readv(self._fd, [self._room])
        while piece >= BEHIND_BYTES and size < CHUNK_BYTES:
            try:
                piece = os.readv(self._fd, [self._room[size:]])
            except OSError:
                break  # nothing left, or the port went away just now: the next read says which
            size += piece
        return bytes(self._room[:size])

    def _lost(self, error: OSError | None = None) -> PortError:
        """Why the session is over."""
        return lost(self.url, error)

    def _send(self) -> None:
        if self._outbox:
            with suppress(BlockingIOError):  # the line is full: poll says when it is not
                self._outbox.sent(os.write(self._fd, self._outbox.unsent()))
            self._poll.modify(self._fd, select.POLLIN | (select.POLLOUT if self._outbox else 0))
