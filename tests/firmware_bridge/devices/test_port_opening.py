"""Opening steps of a port: dialogue with the adapter, refusals, init lines, writes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from firmware_bridge.devices.outbox import OUTBOX_BYTES
from firmware_bridge.devices.ports import PortReader
from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import Opened, Opening, Step, sequence
from tests.firmware_bridge.devices.port_readers import SLCAN, gps
from tests.firmware_bridge.simulated_devices import (
    PATIENCE_S,
    Sink,
    clock_us,
    eventually,
    plug,
    pty,
    running,
    sentence,
    talking,
)

# -- bytes out --------------------------------------------------------------------------------------------


def test_opening_steps_come_in_order_and_need_no_answer() -> None:
    sink = Sink()
    steps = (Step(b"\r\r", 0.02), Step(b"C\r", 0.02), Step(b"S6\r", 0.02), Step(b"O\r", 0.02))
    with pty() as device:
        reader = PortReader(
            "engine",
            device.name,
            115200,
            SLCAN,
            clock_us=clock_us(),
            sink=sink,
            opening=lambda: sequence(*steps),
        )
        with running(reader):
            sink.await_state("open", "engine")
            device.await_received(b"\r\rC\rS6\rO\r")
        assert device.received() == b"\r\rC\rS6\rO\r" + SLCAN.closing


def test_a_step_waits_for_the_answer_and_the_answer_is_recorded() -> None:
    sink = Sink()
    steps = (Step(b"V\r", PATIENCE_S), Step(b"O\r", PATIENCE_S))
    with pty() as device:

        def adapter(stop: threading.Event) -> None:
            for question, answer in ((b"V\r", b"V1013\r"), (b"V\rO\r", b"\r")):
                device.await_received(question)
                device.send(answer)

        reader = PortReader(
            "engine",
            device.name,
            115200,
            SLCAN,
            clock_us=clock_us(),
            sink=sink,
            opening=lambda: sequence(*steps),
        )
        with talking(adapter), running(reader):
            change = sink.await_state("open", "engine")
        assert change.t_us < PATIENCE_S * 1e6, "it did not wait on after the answers"
        assert sink.data("engine") == b"V1013\r\r"


@pytest.mark.parametrize(("answer", "expected"), [(b"\r", b"L\r"), (b"\a", b"L\rO\r")])
def test_the_dialogue_is_sent_each_answer_and_chooses_what_follows(answer: bytes, expected: bytes) -> None:
    """With any chunks of the answer, and any bytes before it."""

    def dialogue() -> Opening:
        answer = yield Step(b"L\r", 5.0, lambda data: data[-1:] in (b"\r", b"\a"))
        if answer == b"t1" + b"\a":
            yield Step(b"O\r", 0.02)
        return Opened()

    sink = Sink()
    with pty() as device:

        def adapter(stop: threading.Event) -> None:
            device.await_received(b"L\r")
            device.send(b"t1")
            time.sleep(0.05)
            device.send(answer)

        reader = PortReader(
            "engine", device.name, 115200, SLCAN, clock_us=clock_us(), sink=sink, opening=dialogue
        )
        with talking(adapter), running(reader):
            sink.await_state("open", "engine")
            device.await_received(expected)


def test_a_refusal_ends_the_session_in_one_line_and_the_port_is_tried_again() -> None:
    sink, tries = Sink(), []

    def dialogue() -> Opening:
        tries.append(1)
        yield Step(b"L\r", 0.01)
        if len(tries) == 1:
            raise NotOpenedError("normal_only", "this adapter cannot listen only", hint="allow it")
        return Opened()

    with pty() as device:
        reader = PortReader(
            "engine", device.name, 115200, SLCAN, clock_us=clock_us(), sink=sink, opening=dialogue
        )
        with running(reader):
            refused = sink.await_state("normal_only", "engine")
            sink.await_state("open", "engine")
        assert device.received() == b"L\r" + SLCAN.closing + b"L\r" + SLCAN.closing
    assert refused.detail == "this adapter cannot listen only; allow it"
    assert sink.states("engine") == ["opening", "normal_only", "open"]


def test_a_warning_is_part_of_the_open_link() -> None:
    def dialogue() -> Opening:
        yield Step(b"O\r", 0.01)
        return Opened(warning="it acknowledges")

    sink = Sink()
    with pty() as device:
        reader = PortReader(
            "engine", device.name, 115200, SLCAN, clock_us=clock_us(), sink=sink, opening=dialogue
        )
        with running(reader):
            change = sink.await_state("open", "engine")
    assert (change.detail, change.warning) == ("115200 baud; it acknowledges", "it acknowledges")


def test_a_silent_adapter_is_queried_until_it_answers() -> None:
    """A board that restarts when its port is opened misses the first opening."""
    requests: list[int] = []

    def dialogue() -> Opening:
        requests.append(1)
        answer = yield Step(b"L\r", 0.01)
        return Opened() if answer else Opened(doubt="it does not answer")

    sink = Sink()
    with pty() as device:
        reader = PortReader(
            "engine", device.name, 115200, SLCAN, clock_us=clock_us(10), sink=sink, opening=dialogue
        )
        with running(reader):
            assert sink.await_state("silent", "engine").detail == "it does not answer"
            eventually(lambda: len(requests) >= 3)

            def talk(stop: threading.Event) -> None:
                while not stop.wait(0.01):
                    device.send(b"t1230\r")

            with talking(talk):
                sink.await_state("open", "engine")
    assert sink.states("engine")[0] == "opening"


def test_init_lines_get_their_line_end_and_are_sent_at_each_open(tmp_path: Path) -> None:
    sink, link = Sink(), tmp_path / "stagelog-gps"
    init = ["$PMTK220,100*2F", "$PMTK314,-1*04\r\n"]
    sent = b"$PMTK220,100*2F\r\n$PMTK314,-1*04\r\n"
    with pty() as first, pty() as second:
        plug(link, first)
        with running(gps(str(link), sink, init=init)):
            first.await_received(sent)
            plug(link, second)
            first.hang_up()
            second.await_received(sent)


def test_writes_of_another_thread_are_sent_immediately_on_a_silent_line() -> None:
    sink = Sink()
    with pty() as device:
        reader = gps(device.name, sink)
        assert not reader.write(b"too early")
        assert reader.dropped_bytes == len(b"too early")
        with running(reader):
            sink.await_state("open")
            eventually(lambda: reader.write(b"t7DF80201050000000000\r"))
            device.await_received(b"t7DF80201050000000000\r")
        assert not reader.write(b"too late")


def test_device_that_reads_nothing_drops_bytes_without_blocking() -> None:
    sink = Sink()
    with pty() as device:
        reader = gps(device.name, sink)
        with running(reader):
            sink.await_state("open")
            taken = 0
            while reader.write(b"x" * 64):
                taken += 64
                assert taken < 1 << 20, "there is no bound"
            device.send(sentence(1))
            eventually(lambda: sink.data() == sentence(1), "reading continues")
            assert taken >= OUTBOX_BYTES
            eventually(lambda: len(device.received()) == taken, "the line is free again: all is sent")
            assert device.received() == b"x" * taken
            assert reader.dropped_bytes >= 64


# -- the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traffic", ["none", "flood", "no port"])
def test_stop_ends_the_thread_and_sends_the_closing_bytes(tmp_path: Path, traffic: str) -> None:
    sink, stop = Sink(), threading.Event()
    with pty() as device:
        url = str(tmp_path / "none") if traffic == "no port" else device.name
        reader = PortReader("engine", url, 115200, SLCAN, clock_us=clock_us(), sink=sink)
        thread = threading.Thread(target=reader.run, args=(stop,))
        thread.start()
        sink.await_state("missing" if traffic == "no port" else "open", "engine")

        def flood(quit: threading.Event) -> None:
            while not quit.is_set():
                try:
                    os.write(device.master, b"t1238DEADBEEF01234567\r" * 40)
                except BlockingIOError:
                    time.sleep(0.001)

        with talking(flood if traffic == "flood" else lambda _: None):
            if traffic == "flood":
                eventually(lambda: len(sink.data("engine")) > 100_000)
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        assert device.received() == (b"" if traffic == "no port" else SLCAN.closing)
