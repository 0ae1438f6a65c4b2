"""One session with one open port: read and write bytes until it is closed or lost.

Knows no protocol and no thread, and does not retry: a link that fails raises PortError and is closed; the supervisor
in ports.py opens another.

The caller lets bytes collect after a read (read_pace.py). During a long pause the kernel's small buffer is emptied at
short intervals. A reader that is behind does not pause.
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
from firmware_bridge.devices.read_pace import STAMPED_READ_US
from firmware_bridge.errors import PortError

STEP_S = 0.015
"""Interval at which the kernel's buffer is emptied during a longer pause: an adapter that finds it full must wait, and
some lose frames. A saturated bus of 1 Mbit/s, 9,000 lines of 27 bytes per second, fills nine tenths of a terminal's
4 kB in it."""
FULL_BYTES = 4096
"""A terminal's buffer in the kernel. A reader that finds so many bytes is behind: more may wait in the driver."""
MORE_BYTES = 2048
"""After a piece of this size more may be waiting: the kernel returns a terminal's bytes in pieces of 4 KiB at most."""
STEP_FULL_BYTES = 7680
"""As `FULL_BYTES` within a longer pause: more than two saturated buses send in a step of it."""
CHUNK_BYTES = 65536
"""Largest chunk: a quarter of a second of a saturated 1 Mbit/s bus."""
FALLBACK_READ_S = 0.05
"""How long pyserial's read waits for a first byte, and therefore how long data to send may wait."""


class Chunk(NamedTuple):
    """Bytes read from `port`, all of which had arrived by `t_us`; none if nothing had."""

    port: str
    t_us: int
    data: bytes
    is_timed: bool = False
    """Whether its frames carry their own times, so that it can wait for the next decoding round."""


class Link:
    """An open port, used through pyserial's read and write."""

    setting = ""
    """How the port is set up, if not by a baud rate."""
    warning = ""
    """How the setup of the open port differs from the configuration; one line."""

    longest_pause_s = 0.02
    """The longest pause where nothing empties the kernel's buffer."""
    is_behind = False
    """Whether the last read found so many bytes that more may be waiting."""

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
        """Why no data arrives, on one line, if the other end reports it; `is_silent`: the link counts as silent."""
        return ""

    def read(self, wait_s: float) -> bytes:
        """The next bytes, or none after `wait_s`. Also sends the contents of the outbox. PortError if the port is
        gone."""
        until_s = self._rest() + wait_s
        try:
            while True:
                self._send()
                if first := self._port.read(1):
                    data = bytes(first + self._port.read(min(self._port.in_waiting, CHUNK_BYTES - 1)))
                    self.is_behind = len(data) >= FULL_BYTES
                    return data
                if time.monotonic() >= until_s:
                    return b""
        except PORT_ERRORS as error:
            raise lost(self.url, error) from error

    def pause(self, seconds: float) -> None:
        """Let bytes collect for so long before the next read, or for `longest_pause_s`."""
        self._rest_until_s = time.monotonic() + min(seconds, self.longest_pause_s)

    def _rest(self) -> float:
        """Pause while bytes collect after a recent read. Returns the time of `time.monotonic`."""
        self.is_behind = False
        while (rest_s := self._rest_until_s - (now_s := time.monotonic())) > 0:
            time.sleep(min(rest_s, STEP_S))
            if rest_s > STEP_S and self._collect(STEP_FULL_BYTES):
                self.is_behind, self._rest_until_s = True, 0.0
        return now_s

    def _collect(self, full_bytes: int) -> bool:
        """Take the waiting bytes during a pause. Returns whether they are `full_bytes`, which ends the pause."""
        return False

    def _send(self) -> None:
        if self._outbox:
            data = self._outbox.unsent()
            self._outbox.sent(len(data))
            self._port.write(data)

    def set_rate(self, baud: int) -> None:
        """Change the baud rate and discard bytes received at the old one. PortError if the port refuses."""
        try:
            self._port.baudrate = baud
            self._port.reset_input_buffer()
        except PORT_ERRORS as error:
            raise cannot_set_rate(self.url, baud, error) from error

    def send_closing(self, data: bytes) -> None:
        """Send the outbox and then `data`, if the port accepts them without blocking."""
        self._outbox.put(data)
        with suppress(*PORT_ERRORS):  # the port is being closed; an error here changes nothing
            self._send()

    def close(self) -> None:
        """Close the port. Never raises: closing an unplugged port fails."""
        self._outbox.close()
        with suppress(*PORT_ERRORS):
            self._port.close()


class PolledLink(Link):
    """An open port that is a non-blocking file descriptor, read without pyserial."""

    longest_pause_s = STAMPED_READ_US / 1e6

    def __init__(self, url: str, port: serial.SerialBase, outbox: Outbox) -> None:
        super().__init__(url, port, outbox)
        self._fd: int = port.fileno()
        # One buffer for all reads: os.read allocates a whole chunk each time and shrinks it, which over hours fragments
        # the heap by megabytes.
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._poll.register(outbox.wake_fd, select.POLLIN)
        self._collected = 0

    def read(self, wait_s: float) -> bytes:
        try:
            until_s = self._rest() + wait_s
            if self._collected:
                with suppress(OSError):  # the next read reports it: these bytes first
                    self._send()
            elif not self._wait(until_s):
                return b""
            data = self._take()
        except OSError as error:
            raise self._lost(error) from error
        if not data:  # Linux reports a port that was hung up or unplugged as ready and empty
            raise self._lost()
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
        """The bytes collected during the pause, and those that wait now."""
        self.is_behind |= self._collect(FULL_BYTES)
        size, self._collected = self._collected, 0
        return bytes(self._buffer[:size])

    def _collect(self, full_bytes: int) -> bool:
        begin = end = self._collected
        try:
            while end < CHUNK_BYTES:
                piece = os.readv(self._fd, [self._buffer[end:]])
                end += piece
                if piece < MORE_BYTES:
                    break
        except BlockingIOError:
            pass  # nothing left
        except OSError:
            if not end:  # else the next read reports it
                raise
        self._collected = end
        return end - begin >= full_bytes or end == CHUNK_BYTES

    def _lost(self, error: OSError | None = None) -> PortError:
        """The error that ends the session."""
        return lost(self.url, error)

    def _send(self) -> None:
        if self._outbox:
            with suppress(BlockingIOError):  # the port's buffer is full: poll reports when it has room
                self._outbox.sent(os.write(self._fd, self._outbox.unsent()))
            self._poll.modify(self._fd, select.POLLIN | (select.POLLOUT if self._outbox else 0))
