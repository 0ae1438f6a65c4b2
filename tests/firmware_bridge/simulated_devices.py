"""Simulated serial devices on real ptys, and a sink for the output of port readers.

A test's device thread uses the master; the reader under test opens the slave by its name, like /dev/ttyUSB0.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from firmware_bridge.devices.link import Chunk
from firmware_bridge.devices.ports import LinkChange, PortReader
from firmware_bridge.protocols import nmea

PATIENCE_S = 60.0
"""Longest wait of a test for an expected event; only a failing test takes as long."""
STALL_S = 0.2
"""A thread that has not run for so long has been kept from it by other work on the machine."""


def clock_us(speed: int = 1) -> Callable[[], int]:
    """A session's clock; with `speed` > 1 thresholds of seconds pass in a fraction of the time."""
    began_ns = time.monotonic_ns()
    return lambda: (time.monotonic_ns() - began_ns) // 1000 * speed


def unstalled_clock_us(speed: int) -> Callable[[], int]:
    """As `clock_us`, for a reader of a device that talks all the time: a stall of the machine is no silence.

    Between two calls at most `STALL_S` pass on it. A reader calls it several times in that time.
    """
    last_ns, now_us = time.monotonic_ns(), 0

    def read_us() -> int:
        nonlocal last_ns, now_us
        before_ns, last_ns = last_ns, time.monotonic_ns()
        now_us += min(last_ns - before_ns, round(STALL_S * 1e9)) // 1000 * speed
        return now_us

    return read_us


def sentence(number: int) -> bytes:
    """A valid NMEA sentence that contains its number."""
    return nmea.encode(f"GPTXT,01,01,02,{number:08d}")


class Pty:
    """A device at the master end of a real pseudo-terminal; `name` is the slave end's path."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.name = os.ttyname(self._slave)
        self._received = b""

    @property
    def speed(self) -> int:
        """The termios constant of the slave end's rate."""
        return int(termios.tcgetattr(self._slave)[4])

    def send(self, data: bytes) -> None:
        """Send all of `data`, even to a slow reader."""
        until_s = time.monotonic() + PATIENCE_S
        while data and time.monotonic() < until_s:
            if select.select([], [self.master], [], 0.1)[1]:
                with suppress(BlockingIOError):
                    data = data[os.write(self.master, data) :]
        assert not data, "nothing reads the slave end"

    def received(self) -> bytes:
        """All bytes that the slave end has sent so far."""
        with suppress(OSError):
            while piece := os.read(self.master, 65536):
                self._received += piece
        return self._received

    def waiting(self) -> int:
        """Number of bytes that the slave end can read now."""
        return int(struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)))[0])

    def await_received(self, data: bytes) -> None:
        """Wait until the bytes that the slave end has sent are `data`."""
        eventually(lambda: self.received() == data, f"{data!r}")

    def hang_up(self) -> None:
        """Unplug: the slave end gets a hang-up. Its path is not reused while this object exists."""
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        if self.master >= 0:
            self.hang_up()
        os.close(self._slave)


@contextmanager
def pty() -> Iterator[Pty]:
    device = Pty()
    try:
        yield device
    finally:
        device.close()


def plug(link: Path, device: Pty) -> None:
    """Make `link` point to `device` atomically, as udev does."""
    fresh = link.with_name(link.name + ".new")
    fresh.symlink_to(device.name)
    fresh.replace(link)


class Sink:
    """Collects the chunks and state changes of one or more readers, in order."""

    def __init__(self) -> None:
        self.items: list[Chunk | LinkChange] = []

    def __call__(self, item: Chunk | LinkChange) -> None:
        self.items.append(item)

    def chunks(self, port: str = "gps") -> list[Chunk]:
        return [item for item in self.items if isinstance(item, Chunk) and item.port == port]

    def data(self, port: str = "gps") -> bytes:
        return b"".join(chunk.data for chunk in self.chunks(port))

    def changes(self, port: str = "gps") -> list[LinkChange]:
        return [item for item in self.items if isinstance(item, LinkChange) and item.port == port]

    def states(self, port: str = "gps") -> list[str]:
        return [change.state for change in self.changes(port)]

    def await_state(self, state: str, port: str = "gps", times: int = 1) -> LinkChange:
        """Wait for the `times`-th change to `state` and return it."""
        eventually(
            lambda: self.states(port).count(state) >= times,
            lambda: f"{state}, {times} times, in {self.changes(port)}",
        )
        return [change for change in self.changes(port) if change.state == state][times - 1]

    def await_tail(self, data: bytes, port: str = "gps") -> None:
        """Wait until the port's bytes end with `data`."""
        eventually(lambda: self.data(port).endswith(data), f"{data!r}")


def eventually(holds: Callable[[], bool], what: str | Callable[[], str] = "") -> None:
    """Wait until `holds()` is true, or fail."""
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s, f"never came: {what if isinstance(what, str) else what()}"
        time.sleep(0.005)


@contextmanager
def running(*readers: PortReader) -> Iterator[threading.Event]:
    """Run each reader in its own thread; stop them at the end, and fail if one raised an exception."""
    stop = threading.Event()
    died: list[BaseException] = []

    def body(reader: PortReader) -> None:
        try:
            reader.run(stop)
        except BaseException as error:
            died.append(error)
            raise

    threads = [threading.Thread(target=body, args=(reader,), name=reader.name) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert not died
    assert not any(thread.is_alive() for thread in threads)


@contextmanager
def talking(body: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run a device's thread until the end of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=body, args=(stop,), name="device")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
