"""F9: a USB device is unplugged and returns, perhaps renamed; the other source loses nothing.

The tests use real ptys: closing the far end is a hang-up to the kernel, like pulling the plug.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from firmware_bridge.devices.link import Chunk
from firmware_bridge.devices.ports import LinkChange, PortReader
from firmware_bridge.protocols import Step, protocol, sequence
from tests.figures import Figures
from tests.firmware_bridge.simulated_devices import (
    Sink,
    clock_us,
    eventually,
    plug,
    pty,
    running,
    sentence,
    talking,
)

NMEA, SLCAN = protocol("nmea"), protocol("slcan")
# linux/tty ioctls that Python's termios does not name (asm-generic/ioctls.h): a master's number, its lock.
TIOCGPTN, TIOCSPTLCK = 0x8004_5430, 0x4004_5431
FRAME = b"t%03X8DEADBEEF01234567\r"
PULLS = "plugs pulled, each port opened again automatically"


def reader(name: str, url: str | Path, sink: Sink) -> PortReader:
    return PortReader(
        name, str(url), 115200, NMEA if name == "gps" else SLCAN, clock_us=clock_us(), sink=sink
    )


def test_a_device_returns_under_another_name_while_the_other_source_records(
    tmp_path: Path, figures: Figures
) -> None:
    sink, link = Sink(), tmp_path / "stagelog-gps"
    frames = b"".join(FRAME % (number & 0x7FF) for number in range(30_000))
    fed = threading.Event()
    with pty() as first, pty() as second, pty() as adapter:
        plug(link, first)
        assert first.name != second.name

        def bus(stop: threading.Event) -> None:
            for start in range(0, len(frames), 2200):
                adapter.send(frames[start : start + 2200])
                stop.wait(0.002)
            fed.set()

        with running(reader("gps", link, sink), reader("engine", adapter.name, sink)):
            sink.await_state("open", "gps")
            sink.await_state("open", "engine")
            with talking(bus):
                first.send(sentence(1))
                eventually(lambda: sink.data("gps") == sentence(1))
                first.hang_up()
                sink.await_state("lost", "gps")
                eventually(lambda: "missing" in sink.states("gps") or sink.states("gps").count("lost") > 1)
                plug(link, second)
                sink.await_state("open", "gps", times=2)
                second.send(sentence(2))
                eventually(lambda: sink.data("gps") == sentence(1) + sentence(2))
                eventually(fed.is_set, "the bus sent all frames")
            eventually(lambda: len(sink.data("engine")) == len(frames), "every frame")
    assert sink.data("engine") == frames
    assert {"opening", "open"} <= set(sink.states("engine")) <= {"opening", "open", "silent"}, (
        "silent at its end"
    )
    figures.tried(PULLS)
    figures.note("0 of 30,000 frames of the other source lost during the gap")


def test_a_gap_is_an_event_between_the_bytes(tmp_path: Path, figures: Figures) -> None:
    sink, link = Sink(), tmp_path / "stagelog-gps"
    with pty() as first, pty() as second:
        plug(link, first)
        with running(reader("gps", link, sink)):
            sink.await_state("open")
            first.send(sentence(1))
            eventually(lambda: bool(sink.data()))
            plug(link, second)
            first.hang_up()
            sink.await_state("open", times=2)
            second.send(sentence(2))
            sink.await_tail(sentence(2))
    order = ["bytes" if isinstance(item, Chunk) else item.state for item in sink.items]
    lost = order.index("lost")
    assert "bytes" in order[:lost]
    assert order[lost + 1] == "open"
    assert set(order[lost + 2 :]) == {"bytes"}
    change = sink.items[lost]
    assert isinstance(change, LinkChange)
    assert change.detail.startswith(f"{link}: hung up; ")
    figures.tried(PULLS)


@pytest.mark.parametrize("times", [5])
def test_a_loose_plug_is_reopened_each_time(tmp_path: Path, times: int, figures: Figures) -> None:
    sink, link = Sink(), tmp_path / "stagelog-gps"
    with running(reader("gps", link, sink)):
        for number in range(times):
            with pty() as device:
                plug(link, device)
                sink.await_state("open", times=number + 1)
                device.send(sentence(number))
                sink.await_tail(sentence(number))
                link.unlink()  # as udev does: another test may soon have a device of this number
    assert sink.data() == b"".join(map(sentence, range(times)))
    figures.tried(PULLS, times)


def test_an_adapter_that_restarts_behind_an_open_port_is_set_up_again(figures: Figures) -> None:
    """Cranking the engine resets the adapter but not its USB chip: no hang-up, but a closed bus."""
    sink, steps = Sink(), (Step(b"C\r", 0.01), Step(b"O\r", 0.01))
    cranked = threading.Event()
    with pty() as device:

        def adapter(stop: threading.Event) -> None:
            opened, number = 0, 0
            while not stop.wait(0.01):
                if device.received().count(b"O\r") > opened:
                    device.send(FRAME % (number & 0x7FF))
                    number += 1
                if cranked.is_set():
                    opened = device.received().count(b"O\r")
                    cranked.clear()

        engine = PortReader(
            "engine",
            device.name,
            115200,
            SLCAN,
            clock_us=clock_us(speed=10),
            sink=sink,
            opening=lambda: sequence(*steps),
        )
        with talking(adapter), running(engine):
            eventually(lambda: len(sink.data("engine")) > 10 * len(FRAME % 0))
            cranked.set()
            eventually(lambda: not cranked.is_set())
            before = len(sink.data("engine"))
            eventually(lambda: len(sink.data("engine")) > before + 10 * len(FRAME % 0))
    figures.tried("adapters restarted behind an open port")


def test_eio_ends_a_session_and_the_port_is_opened_again(figures: Figures) -> None:
    """Reading a pty's master after its slave was closed gives EIO, as a failing USB adapter does.

    Each opening of /dev/ptmx creates a new pair; the test finds the reader's master among the open files.
    """
    sink, others = Sink(), set(_masters())
    with running(reader("gps", "/dev/ptmx", sink)):
        for number in range(2):
            sink.await_state("open", times=number + 1)
            (master,) = set(_masters()) - others
            slave = os.open(_slave_of(master), os.O_RDWR | os.O_NOCTTY)
            os.write(slave, sentence(number))
            sink.await_tail(sentence(number))
            os.close(slave)
            lost = sink.await_state("lost", times=number + 1)
            assert "Input/output error" in lost.detail
    figures.tried("reads that ended in EIO", 2)


def _masters() -> Iterator[int]:
    """The masters that this process has open: the reader's, and perhaps some of other tests."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if entry.readlink().name.endswith("ptmx"):
                yield int(entry.name)


def _slave_of(master: int) -> str:
    """The name of the slave of a master, unlocked."""
    number = struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, bytes(4)))[0]
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    return f"/dev/pts/{number}"
