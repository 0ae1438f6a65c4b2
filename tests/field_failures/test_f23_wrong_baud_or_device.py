"""F23, bridge: a wrong baud rate, silence or a cable to the wrong device is reported in one line.

A pty has no baud rate, so the simulated device checks the rate that the reader has set and sends noise if it differs
from its own, as on a real wire. The clock of these sessions runs fast, to shorten thresholds of seconds. Where a device
talks, its lines are the clock: it is never silent for a session's second because a loaded machine holds it up.
"""

from __future__ import annotations

import random
import termios
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from firmware_bridge.devices.ports import PortReader
from firmware_bridge.protocols import Protocol, Step, protocol, sequence
from firmware_bridge.records import CanFrame
from tests.firmware_bridge.simulated_devices import (
    Pty,
    Sink,
    clock_us,
    eventually,
    pty,
    running,
    sentence,
    talking,
)

NMEA, SLCAN = protocol("nmea"), protocol("slcan")
FAST = 10
"""Session seconds per second of the test."""


class Talker:
    """A device that sends `line(n)` at 100 Hz and `baud`. `clock_us` goes on with each line."""

    def __init__(self, device: Pty, baud: int, line: Callable[[int], bytes]) -> None:
        self.device, self.baud, self.line = device, baud, line
        self._rng = random.Random(23)
        self._ticks = 0

    def clock_us(self) -> int:
        """The session's time, `FAST` times that of the lines."""
        return self._ticks * FAST * 10_000

    def talk(self, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(0.01):
            right = self.device.speed == getattr(termios, f"B{self.baud}")
            data = self.line(number) if right else self._rng.randbytes(len(self.line(number)))
            number += right
            self.device.send(data)
            self._ticks += 1


def frame(number: int) -> bytes:
    assert SLCAN.report is not None
    return SLCAN.report(CanFrame(0, 0, number & 0x7FF, bytes(8)))


def auto(
    device: Pty, sink: Sink, clock: Callable[[], int], what: Protocol = NMEA, **more: object
) -> PortReader:
    return PortReader("port", device.name, "auto", what, clock_us=clock, sink=sink, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("baud", [4800, 9600, 38400, 230400])
def test_auto_finds_the_rate_and_delivers_no_noise(baud: int) -> None:
    sink = Sink()
    with pty() as device, ExitStack() as stack:
        stack.enter_context(talking((talker := Talker(device, baud, sentence)).talk))
        stack.enter_context(running(auto(device, sink, talker.clock_us)))
        opened = sink.await_state("open", "port")
        eventually(lambda: len(sink.data("port")) > 2000)
    assert opened.detail == f"{baud} baud"
    decoder = NMEA.decoder(0)
    decoder.feed(sink.data("port"), 0)
    assert decoder.good > 20
    assert decoder.bad <= 1, "at most the first sentence is torn"


def test_auto_follows_a_receiver_that_changes_its_rate() -> None:
    sink = Sink()
    with pty() as device:
        talker = Talker(device, 9600, sentence)
        reader = auto(device, sink, talker.clock_us)
        with talking(talker.talk), running(reader):
            assert sink.await_state("open", "port").detail == "9600 baud"
            talker.baud = 38400
            assert "9600 baud any more" in sink.await_state("wrong_baud", "port").detail
            assert sink.await_state("open", "port", times=2).detail == "38400 baud"
            changed = len(sink.data("port"))
            eventually(lambda: len(sink.data("port")) > changed + 2000)
    decoder = NMEA.decoder(0)
    decoder.feed(sink.data("port")[changed:], 0)
    assert decoder.good > 20


def test_auto_first_tries_the_rate_that_worked_last() -> None:
    """After a reconnection the rate of a receiver is found without trying the others."""
    sink = Sink()
    with pty() as device:
        seen: set[int] = set()
        talker = Talker(device, NMEA.bauds[-1], sentence)

        def watch(stop: threading.Event) -> None:
            while not stop.wait(0.0005):
                seen.add(device.speed)

        with talking(talker.talk), talking(watch):
            reader = auto(device, sink, talker.clock_us)
            with running(reader):
                sink.await_state("open", "port")
            assert len(seen) > 1, "others were tried before"
            seen.clear()
            with running(reader):
                sink.await_state("open", "port", times=2)
        assert seen == {getattr(termios, f"B{NMEA.bauds[-1]}")}


def test_auto_sends_the_whole_opening_to_an_adapter_that_already_sends() -> None:
    """A power cut left the adapter open: its frames are valid before the bit rate is set."""
    sink = Sink()
    steps = (Step(b"C\r", 0.01), Step(b"S6\r", 0.01), Step(b"O\r", 0.01))
    with pty() as device:
        talker = Talker(device, SLCAN.bauds[0], lambda number: frame(number) * 20)
        reader = auto(device, sink, talker.clock_us, SLCAN, opening=lambda: sequence(*steps))
        with talking(talker.talk), running(reader):
            sink.await_state("open", "port")
        assert device.received() == b"C\rS6\rO\r" + SLCAN.closing


def test_auto_reports_a_silent_line_and_finds_the_rate_when_the_device_wakes() -> None:
    sink = Sink()
    with pty() as device, running(auto(device, sink, clock_us(FAST))):
        silent = sink.await_state("silent", "port")
        assert all(str(baud) in silent.detail for baud in NMEA.bauds)
        with talking(Talker(device, 4800, sentence).talk):
            assert sink.await_state("open", "port").detail == "4800 baud"


def test_auto_names_the_protocol_of_another_device() -> None:
    sink = Sink()
    with pty() as device:
        talker = Talker(device, 115200, frame)
        reader = auto(device, sink, talker.clock_us, neighbours={"slcan": "engine"})
        with talking(talker.talk), running(reader):
            change = sink.await_state("no_protocol", "port")
    assert change.detail == (
        "this looks like slcan at 115200 baud, not NMEA: the cables of engine and port may be swapped"
    )
    assert not sink.data("port"), "none of its bytes are recorded"


def test_a_wrong_fixed_rate_is_reported_and_recovers() -> None:
    sink = Sink()
    with pty() as device:
        talker = Talker(device, 38400, sentence)
        reader = PortReader("port", device.name, 4800, NMEA, clock_us=talker.clock_us, sink=sink)
        with talking(talker.talk), running(reader):
            change = sink.await_state("wrong_baud", "port")
            talker.baud = 4800
            sink.await_state("open", "port", times=2)
    assert change.detail == 'bytes arrive but no NMEA checksum holds at 4800 baud: try baud = "auto"'
    assert sink.states("port") == ["opening", "open", "wrong_baud", "open"], (
        "one session, each state reported once"
    )


def test_swapped_cables_are_named_on_both_ports() -> None:
    sink = Sink()
    with pty() as gps_socket, pty() as can_socket:
        at_gps, at_can = Talker(gps_socket, 115200, frame), Talker(can_socket, 115200, sentence)
        gps = PortReader(
            "gps",
            gps_socket.name,
            115200,
            NMEA,
            clock_us=at_gps.clock_us,
            sink=sink,
            neighbours={"slcan": "engine"},
        )
        engine = PortReader(
            "engine",
            can_socket.name,
            115200,
            SLCAN,
            clock_us=at_can.clock_us,
            sink=sink,
            neighbours={"nmea": "gps"},
        )
        with talking(at_gps.talk), talking(at_can.talk), running(gps, engine):
            of_gps = sink.await_state("no_protocol", "gps").detail
            of_engine = sink.await_state("no_protocol", "engine").detail
    assert of_gps.endswith("not NMEA: the cables of engine and gps may be swapped")
    assert of_engine.endswith("not slcan: the cables of gps and engine may be swapped")


def test_silence_is_reported_until_the_first_bytes() -> None:
    sink = Sink()
    with pty() as device:
        reader = PortReader("port", device.name, 9600, NMEA, clock_us=clock_us(FAST), sink=sink)
        with running(reader):
            change = sink.await_state("silent", "port")
            assert change.t_us >= 5_000_000
            device.send(sentence(1))
            sink.await_state("open", "port", times=2)
    assert change.detail == ("open, but no bytes at 9600 baud: check power and wiring, or the bus is asleep")
