"""The other end of a serial line, for tests: real ptys, and what the reader said about them.

A device thread of a test speaks through the master; the reader under test opens the slave by its name, as it
would open /dev/ttyUSB0.
"""

from __future__ import annotations

import os
import select
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
"""How long a test waits for what must come: only a failing test takes so long."""


def clock_us(speed: int = 1) -> Callable[[], int]:
    """A session's clock, if need be a fast one: thresholds of seconds then pass in a fraction."""
    began_ns = time.monotonic_ns()
    return lambda: (time.monotonic_ns() - began_ns) // 1000 * speed


def sentence(number: int) -> bytes:
    """A good NMEA sentence that says which one it is."""
    return nmea.encode(f"GPTXT,01,01,02,{number:08d}")


class Pty:
    """A device at the far end of a real pseudo-terminal whose near end is called `name`."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.name = os.ttyname(self._slave)
        self._received = b""

    @property
    def speed(self) -> int:
        """The termios constant of the rate that the near end is set to."""
        return int(termios.tcgetattr(self._slave)[4])

    def send(self, data: bytes) -> None:
        """Send all of `data`, however slowly the near end reads."""
        until_s = time.monotonic() + PATIENCE_S
        while data and time.monotonic() < until_s:
            if select.select([], [self.master], [], 0.1)[1]:
                with suppress(BlockingIOError):
                    data = data[os.write(self.master, data) :]
        assert not data, "the near end does not read"

    def received(self) -> bytes:
        """All that the near end has sent so far."""
        with suppress(OSError):
            while piece := os.read(self.master, 65536):
                self._received += piece
        return self._received

    def await_received(self, data: bytes) -> None:
        """Until all that the near end has sent is `data`."""
        eventually(lambda: self.received() == data, f"{data!r}")

    def hang_up(self) -> None:
        """Unplug: the near end gets a hang-up. Its name is not used again while this object lives."""
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
    """Let `link` point to `device`, at one go, as udev does."""
    fresh = link.with_name(link.name + ".new")
    fresh.symlink_to(device.name)
    fresh.replace(link)


class Said:
    """The sink of one or more readers: everything, in order."""

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
        """The `times`-th change to `state`."""
        eventually(lambda: self.states(port).count(state) >= times, f"{state} in {self.states(port)}")
        return [change for change in self.changes(port) if change.state == state][times - 1]

    def await_tail(self, data: bytes, port: str = "gps") -> None:
        """Until the port's bytes end with `data`."""
        eventually(lambda: self.data(port).endswith(data), f"{data!r}")


def eventually(holds: Callable[[], bool], what: str = "") -> None:
    """Wait until `holds`, or fail."""
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s, f"never came: {what}"
        time.sleep(0.005)


@contextmanager
def running(*readers: PortReader) -> Iterator[threading.Event]:
    """The readers at work, each in its thread; afterwards stopped, and none of them died of an exception."""
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
    """A device's own thread, until the end of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=body, args=(stop,), name="device")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
