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
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import serial

from firmware_bridge.errors import PortError
from firmware_bridge.outbox import Outbox
from firmware_bridge.trouble import PORT_ERRORS, cannot_open, cannot_set_rate, lost

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
WRITE_TIMEOUT_S = 0.5
"""How long pyserial's own write may take, where that can be set; our own does not block."""

POLLED_SCHEMES = ("", "socket", "hwgrep")
"""URL schemes whose ports are a file descriptor and nothing more ("" is a device path). The others (loop,
rfc2217, spy, ...) do something in pyserial's read and write, so they go through those."""
RATELESS_SCHEMES = ("socket", "loop", "socketcan", "gpsd")
"""URL schemes whose ports take any baud rate and mean none."""


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


def open_link(url: str, baud: int, outbox: Outbox) -> Link:
    """Open a device path, any URL of `serial.serial_for_url`, a CAN interface (socketcan.py) or gpsd (gpsd.py); a
    path's symbolic links are followed again each time.

    A real port is locked, so that a second recorder is told instead of stealing bytes. Raises PortError.
    """
    scheme = _scheme(url)
    if scheme == "socketcan":
        from firmware_bridge.socketcan import open_interface  # noqa: PLC0415 - only where there is one

        return open_interface(url, outbox)
    if scheme == "gpsd":
        from firmware_bridge.gpsd import open_gpsd  # noqa: PLC0415 - only where there is one

        return open_gpsd(url, outbox)
    try:
        port = serial.serial_for_url(
            url,
            baudrate=baud,
            timeout=FALLBACK_READ_S,
            write_timeout=None if scheme == "rfc2217" else WRITE_TIMEOUT_S,  # pyserial refuses one there
            exclusive=True,
        )
    except PORT_ERRORS as error:
        raise cannot_open(url, baud, error) from error
    return PolledLink(url, port, outbox) if scheme in POLLED_SCHEMES else Link(url, port, outbox)


def is_there(url: str) -> bool:
    """Whether a device can be seen, or a CAN interface is up; False where only opening it can show."""
    if _scheme(url) == "socketcan":
        from firmware_bridge.can_interface import is_up  # noqa: PLC0415 - only where there is one

        return is_up(urlsplit(url).netloc)
    return Path(url).exists()


def has_rate(url: str) -> bool:
    """Whether a baud rate means anything to the port."""
    return _scheme(url) not in RATELESS_SCHEMES


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""
