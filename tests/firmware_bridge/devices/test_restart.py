"""Restart detection: signs of a restart, and openings sent again on real ptys."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from firmware_bridge.devices.link_health import STRETCH_US
from firmware_bridge.devices.ports import PortReader
from firmware_bridge.devices.restart import MAX_ECHOES, AdapterWatch, NoWatch, ReceiverWatch, restart_watch
from firmware_bridge.protocols import BusSettings, nmea, protocol
from firmware_bridge.records import CanFrame
from firmware_bridge.virtual.dialogue import GvretDialogue
from firmware_bridge.virtual.slcan_device import SlcanDialogue
from tests.firmware_bridge.simulated_devices import Pty, Sink, clock_us, eventually, pty, running, talking

NMEA, SLCAN, GVRET = protocol("nmea"), protocol("slcan"), protocol("gvret")
INIT = "$PMTK220,100*2F"
CASES = Path(__file__).parents[2] / "field_cases" / "gps"
SECOND_US = 1_000_000


def rmc(number: int) -> bytes:
    return nmea.encode(f"GNRMC,{number % 240000:06}.00,A,2442.00000,N,04600.00000,E,48.596,0.0,120126,,,A")


def epochs(watch: ReceiverWatch, from_s: float, to_s: float, hz: float) -> list[float]:
    """Feed a steady receiver; returns the times at which the opening was due and sent, in seconds."""
    sent, count = [], round((to_s - from_s) * hz)
    for number in range(count):
        t_us = round((from_s + number / hz) * SECOND_US)
        watch.arrived(rmc(number), t_us)
        if watch.due(t_us):
            watch.opened(t_us)
            sent.append(t_us / SECOND_US)
    return sent


def receiver() -> ReceiverWatch:
    return ReceiverWatch(NMEA.decoder(0), 0)


@pytest.mark.parametrize("hz", [0.5, 1, 5, 10, 25])
def test_steady_receiver_gets_no_init(hz: float) -> None:
    assert epochs(receiver(), 0, 300, hz) == []


@pytest.mark.parametrize(("before", "after"), [(10, 1), (5, 1), (25, 1), (2, 1), (10, 5)])
def test_slower_receiver_gets_init_again_a_bounded_number_of_times(before: float, after: float) -> None:
    watch = receiver()
    assert epochs(watch, 0, 30, before) == []
    sent = epochs(watch, 30, 600, after)
    assert 30 < sent[0] < 38
    assert len(sent) <= MAX_ECHOES, "a rate that stays is the usual one"


def test_a_receiver_that_was_silent_gets_init_again() -> None:
    watch = receiver()
    assert epochs(watch, 0, 30, 1) == []
    assert len(epochs(watch, 34, 60, 1)) == 1


@pytest.mark.parametrize(
    "banner",
    [
        nmea.encode("PMTK010,001"),
        nmea.encode("PMTK011,MTKGPS"),
        nmea.encode("GPTXT,01,01,02,u-blox ag - www.u-blox.com"),
        nmea.encode("GNTXT,01,01,02,u-blox AG - www.u-blox.com"),
        nmea.encode("GNTXT,01,01,02,ROM BASE 2.01 (75331) Oct 29 2013 13:28:17"),
        nmea.encode("GPTXT,01,01,02,MA=CASIC"),
        nmea.encode("GPTXT,01,01,02,SW=URANUS5,V5.3.0.0"),
        nmea.encode("PSRFTXT,Version:GSW3.2.4"),
        b"$SkyTraq,Venus6\r\n$Kernel,V1.7.2,15360001-32768,\r\n",
    ],
)
def test_start_up_sentences_are_a_sign(banner: bytes) -> None:
    watch = receiver()
    assert epochs(watch, 0, 20, 10) == []
    watch.arrived(banner, 20 * SECOND_US)
    sent = epochs(watch, 20.1, 30, 10)
    assert len(sent) == 1
    assert sent[0] < 21.5


@pytest.mark.parametrize(
    "text", ["GPTXT,01,01,01,ANTENNA OK", "GNTXT,01,01,02,ANTSTATUS=OPEN", "PMTK001,220,3", "PUBX,00,1"]
)
def test_usual_sentences_are_not_a_sign(text: str) -> None:
    watch = receiver()
    for second in range(60):
        watch.arrived(nmea.encode(text), second * SECOND_US)
        assert epochs(watch, second, second + 1, 10) == []


def test_init_that_restarts_the_receiver_does_not_loop() -> None:
    watch, sent = receiver(), 0
    for second in range(600):
        watch.arrived(nmea.encode("PMTK010,001"), second * SECOND_US) if second in restarts else None
        if watch.due(second * SECOND_US):
            watch.opened(second * SECOND_US)
            restarts.add(second + 1)
            sent += 1
    assert 1 <= sent <= 2 * (MAX_ECHOES + 1)


restarts = {1, 300}


def test_field_case_gets_init_again() -> None:
    """5 s at 10 Hz, 3 s nothing, the start-up sentences, then 1 Hz."""
    lines = (CASES / "receiver-restart-init.nmea").read_bytes().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if b"PMTK01" in line)
    sink = Sink()
    with pty() as device:

        def play(stop: threading.Event) -> None:
            for number, line in enumerate(lines):
                if stop.wait(
                    0.05 if number < at else 3.0 if number == at else 0.0 if number < at + 2 else 0.5
                ):
                    return
                device.send(line)

        reader = PortReader("gps", device.name, 115200, NMEA, clock_us=clock_us(), sink=sink, init=[INIT])
        with running(reader), talking(play):
            eventually(lambda: device.received().count(INIT.encode()) >= 2)
    assert set(sink.states()) == {"opening", "open"}
    assert any("restarted" in change.detail for change in sink.changes())


class Adapter:
    """An adapter on an active bus: reports a frame every 5 ms while it is open. `restart` is a brown-out."""

    def __init__(self, device: Pty, make: Callable[[], SlcanDialogue | GvretDialogue], banner: bytes) -> None:
        self.device, self._make, self._banner = device, make, banner
        self.dialogue = make()
        self.is_text = make is GvretDialogue
        self.report = GVRET.report if self.is_text else SLCAN.report
        self.boot_until_s = 0.0
        self.opened_at_s: list[float] = []

    def restart(self) -> None:
        self.boot_until_s = time.monotonic() + 0.3
        self.dialogue = self._make()

    def play(self, stop: threading.Event) -> None:
        number, booting = 0, False
        while not stop.wait(0.005):
            heard = self._heard()
            if time.monotonic() < self.boot_until_s:
                booting = True
                continue  # bytes sent to it meanwhile are lost
            if booting:
                booting = False
                self.device.send(self._banner)
            was_open = self.dialogue.is_open
            self._say(self.dialogue.feed(heard, 0).answer)
            if self.dialogue.is_open and not was_open:
                self.opened_at_s.append(time.monotonic())
            number += 1
            if self.dialogue.is_open:
                assert self.report is not None
                self._say(self.report(CanFrame(number * 5000, 0, 0x100 + number % 9, bytes(8))))
            elif self.is_text:
                self._say(b"%d - 1A3 S 0 8 01 02 03 04 05 06 07 08\r\n" % number)

    def _heard(self) -> bytes:
        try:
            return os.read(self.device.master, 4096)
        except BlockingIOError:
            return b""

    def _say(self, data: bytes) -> None:
        if data:
            self.device.send(data)


ADAPTERS = {
    "slcan, silent": (SLCAN, SlcanDialogue, b""),
    "slcan, banner": (
        SLCAN,
        SlcanDialogue,
        b"ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\nready\r\n",
    ),
    "gvret, text": (GVRET, GvretDialogue, b"ESP32RET starting\r\n"),
}


@pytest.mark.load_sensitive
@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize("baud", ["auto", 1_000_000])
def test_adapter_restarted_on_an_active_bus_is_open_again_within_two_seconds(
    kind: str, baud: str | int
) -> None:
    chosen, make, banner = ADAPTERS[kind]
    sink = Sink()
    with pty() as device:
        adapter = Adapter(device, make, banner)
        reader = PortReader(
            "engine",
            device.name,
            baud,  # type: ignore[arg-type]
            chosen,
            clock_us=clock_us(),
            sink=sink,
            opening=partial(chosen.opening, BusSettings(500_000)),
        )
        with talking(adapter.play), running(reader):
            sink.await_state("open", "engine")
            for _ in range(3):
                time.sleep(1.5)
                adapter.opened_at_s.clear()
                adapter.restart()
                ready_s = adapter.boot_until_s
                eventually(lambda: bool(adapter.opened_at_s))
                assert adapter.opened_at_s[0] - ready_s < 2.0
    assert set(sink.states("engine")) == {"opening", "open"}


def adapter_watch() -> AdapterWatch:
    watch = restart_watch(SLCAN, has_init=False, began_us=0)
    assert isinstance(watch, AdapterWatch)
    return watch


def test_sleeping_bus_causes_ever_fewer_openings() -> None:
    watch, sent = adapter_watch(), []
    for tick in range(6000):
        t_us = tick * 100_000
        if tick < 100:
            watch.arrived(b"t1238DEADBEEF01234567\r", t_us)
        if watch.due(t_us):
            watch.opened(t_us)
            sent.append(t_us / SECOND_US)
    assert 10 < sent[0] < 11.5
    assert len(sent) < 26


@pytest.mark.parametrize("period_ms", [20, 500, 2000, 5000])
def test_slow_bus_is_reopened_only_until_its_gaps_are_known(period_ms: int) -> None:
    watch, sent = adapter_watch(), 0
    for tick in range(1200):
        t_us = tick * 100_000
        if tick * 100 % period_ms == 0:
            watch.arrived(b"t1238DEADBEEF01234567\r", t_us)
        if watch.due(t_us):
            watch.opened(t_us)
            sent += 1
    assert sent <= 4


def test_the_gap_of_a_restart_is_not_a_usual_gap() -> None:
    """Each restart takes 0.4 s, after which the adapter sends text until it is opened."""
    watch, restarted_us, waited_s = adapter_watch(), 0, []
    for t_us in range(0, 60 * SECOND_US, 50_000):
        if t_us % (10 * SECOND_US) == 0:
            restarted_us = t_us
        if not restarted_us:
            watch.arrived(b"t1238DEADBEEF01234567\r", t_us)
        elif t_us - restarted_us >= 400_000:
            watch.arrived(b"1234 - 1A3 S 0 8 01 02 03 04 05 06 07 08\r\n", t_us)
        if watch.due(t_us):
            watch.opened(t_us)
            waited_s.append((t_us - restarted_us) / SECOND_US)
            restarted_us = 0
    assert waited_s == [pytest.approx(0.9, abs=0.15)] * 5


def test_acknowledgements_prove_that_an_adapter_is_open() -> None:
    watch = adapter_watch()
    for tick in range(600):
        watch.arrived(b"t1238DEADBEEF01234567\r" if tick < 20 else b"z\r", tick * 100_000)
        assert not watch.due(tick * 100_000)


def test_device_without_commands_is_not_watched() -> None:
    assert isinstance(restart_watch(NMEA, has_init=False, began_us=0), NoWatch)
    assert isinstance(restart_watch(protocol("realdash"), has_init=False, began_us=0), NoWatch)


def test_a_bus_that_falls_asleep_is_silent_and_stays_so_in_the_reports() -> None:
    sink = Sink()
    with pty() as device:
        reader = PortReader(
            "engine",
            device.name,
            1_000_000,
            SLCAN,
            clock_us=clock_us(10),
            sink=sink,
            opening=partial(SLCAN.opening, BusSettings(500_000, listen_only=False)),
        )
        with running(reader):
            eventually(lambda: b"O\r" in device.received())
            for _ in range(100):
                device.send(b"t1238DEADBEEF01234567\r")
                time.sleep(0.005)
            eventually(lambda: sink.data("engine").count(b"t123") == 100)
            eventually(lambda: sink.states("engine")[-1] == "silent")
            quiet = len(sink.changes("engine"))
            openings = device.received().count(b"O\r")
            eventually(lambda: device.received().count(b"O\r") > openings + 1)
    assert {change.state for change in sink.changes("engine")[quiet:]} <= {"silent"}


def test_receiver_restarted_at_another_rate_is_one_line_at_a_fixed_baud() -> None:
    sink = Sink()
    with pty() as device:
        reader = PortReader("gps", device.name, 115200, NMEA, clock_us=clock_us(10), sink=sink, init=[INIT])

        def play(stop: threading.Event) -> None:
            sink.await_state("open")
            number, noise = 0, random.Random(23)
            while not stop.wait(0.01):
                heard = sink.chunks()
                is_known = bool(heard) and heard[-1].t_us - heard[0].t_us >= 2 * STRETCH_US
                device.send(noise.randbytes(60) if is_known else rmc(number))
                number += 1

        with running(reader), talking(play):
            change = sink.await_state("wrong_baud")
    assert change.detail == (
        "bytes arrive but no NMEA checksum holds at 115200 baud any more: "
        'the device has restarted at another rate; set baud = "auto"'
    )
