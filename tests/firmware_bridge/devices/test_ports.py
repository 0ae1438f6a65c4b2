"""PortReader on real ptys, a real TCP server and pyserial's URL handlers."""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from firmware_bridge.devices import ports
from firmware_bridge.devices.link import CHUNK_BYTES, GATHER_S
from firmware_bridge.devices.outbox import OUTBOX_BYTES
from firmware_bridge.devices.ports import PortReader
from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import Opened, Opening, Step, protocol, sequence
from tests.firmware_bridge.simulated_devices import (
    Pty,
    Sink,
    clock_us,
    eventually,
    plug,
    pty,
    running,
    sentence,
    talking,
)

NMEA = protocol("nmea")
SLCAN = protocol("slcan")


def gps(url: str, sink: Sink, **more: object) -> PortReader:
    options: dict[str, object] = {"clock_us": clock_us(), "sink": sink, **more}
    return PortReader("gps", url, 115200, NMEA, **options)  # type: ignore[arg-type]


# -- bytes in ---------------------------------------------------------------------------------------------


def test_bytes_are_stamped_after_they_arrived_and_in_order() -> None:
    sink, clock = Sink(), clock_us()
    sent_us = []
    with pty() as device, running(gps(device.name, sink, clock_us=clock)):
        sink.await_state("open")
        for number in range(20):
            sent_us.append(clock())
            device.send(sentence(number))
            sink.await_tail(sentence(number))
        end_us = clock()
    assert sink.data() == b"".join(map(sentence, range(20)))
    stamps = [chunk.t_us for chunk in sink.chunks()]
    assert stamps == sorted(stamps)
    assert stamps[-1] <= end_us
    arrived = b""
    for chunk in sink.chunks():
        arrived += chunk.data
        last_sent = sent_us[(len(arrived) - 1) // len(sentence(0))]
        assert chunk.t_us >= last_sent, "stamped before its last byte was sent"


def test_a_flood_loses_nothing() -> None:
    sink = Sink()
    flood = os.urandom(1 << 20) * 8
    with pty() as device, running(gps(device.name, sink)):
        sink.await_state("open")
        device.send(flood)
        eventually(lambda: len(sink.data()) >= len(flood), "the whole flood")
    assert sink.data() == flood
    assert max(len(chunk.data) for chunk in sink.chunks()) <= CHUNK_BYTES


def test_stream_of_small_pieces_wakes_the_reader_200_times_per_second() -> None:
    sink = Sink()
    with pty() as device, running(gps(device.name, sink)):
        sink.await_state("open")
        until_s = time.monotonic() + 0.5
        sent = b""
        while time.monotonic() < until_s:
            device.send(b"t1238DEADBEEF01234567\r")
            sent += b"t1238DEADBEEF01234567\r"
            time.sleep(0.0001)
        eventually(lambda: sink.data() == sent, "all dribbles")
    chunks = sink.chunks()
    spread_s = (chunks[-1].t_us - chunks[0].t_us) / 1e6
    assert len(chunks) <= spread_s / GATHER_S + 2


# -- ports that cannot be opened -----------------------------------------------------------------------------


def test_device_that_appears_late_is_reported_in_one_line_and_then_recorded(tmp_path: Path) -> None:
    sink, link = Sink(), tmp_path / "stagelog-gps"
    with pty() as device, running(gps(str(link), sink)):
        missing = sink.await_state("missing")
        time.sleep(0.8)  # three more attempts
        assert sink.states() == ["opening", "missing"]
        assert missing.detail == f"{link}: no such device; plug it in, or correct `port`"
        plug(link, device)
        sink.await_state("open")
        device.send(sentence(1))
        eventually(lambda: sink.data() == sentence(1))


def test_device_is_opened_at_once_when_plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even after the pause between attempts has grown."""
    monkeypatch.setattr(ports, "FIRST_PAUSE_S", 3600.0)
    sink, link = Sink(), tmp_path / "stagelog-gps"
    with pty() as device, running(gps(str(link), sink)):
        sink.await_state("missing")
        plug(link, device)
        sink.await_state("open")


def test_unchanged_fault_is_reported_once_per_minute(tmp_path: Path) -> None:
    sink, clock = Sink(), clock_us(speed=60)
    with running(gps(str(tmp_path / "none"), sink, clock_us=clock)):
        sink.await_state("missing", times=2)
    first, second = sink.changes()[1:3]
    assert first.detail == second.detail
    assert second.t_us - first.t_us >= 60_000_000


@pytest.mark.parametrize("kind", ["file", "directory", "null device"])
def test_non_serial_file_is_reported(tmp_path: Path, kind: str) -> None:
    path = {"file": tmp_path / "notes.txt", "directory": tmp_path, "null device": Path("/dev/null")}[kind]
    if kind == "file":
        path.write_text("not a port")
    sink = Sink()
    with running(gps(str(path), sink)):
        change = sink.await_state("unusable")
    assert change.detail == f"{path}: this is no serial port; correct `port`"


@pytest.mark.parametrize(
    ("url", "state", "text"),
    [
        ("gopher://x", "unusable", "gopher"),
        ("socket://127.0.0.1", "missing", "socket://127.0.0.1"),
        ("loop://?speed=9", "unusable", "loop://"),
        ("hwgrep://no such adapter", "missing", "no such adapter"),
    ],
)
def test_invalid_url_is_one_line(url: str, state: str, text: str) -> None:
    sink = Sink()
    with running(gps(url, sink)):
        change = sink.await_state(state)
    assert text in change.detail
    assert "correct `port`" in change.detail
    assert "\n" not in change.detail


def test_port_of_another_recorder_is_busy_until_released() -> None:
    first, second = Sink(), Sink()
    with pty() as device:
        with running(gps(device.name, first)):
            first.await_state("open")
            late = gps(device.name, second)
            with running(late):
                busy = second.await_state("busy")
                device.send(sentence(1))
                eventually(lambda: first.data() == sentence(1))
        assert second.data() == b""
        assert busy.detail.startswith(f"{device.name}: another program holds it")
        with running(gps(device.name, second)):
            second.await_state("open")


def test_no_permission_names_the_group_and_recovers() -> None:
    """Only the reader's thread takes another user's file permissions, so the test also works as root."""
    sink, stop = Sink(), threading.Event()
    with pty() as device:
        mode = stat.S_IMODE(Path(device.name).stat().st_mode)
        Path(device.name).chmod(0)
        reader = gps(device.name, sink)

        def as_nobody() -> None:
            if os.geteuid() == 0:
                ctypes.CDLL(None).setfsuid(65534)
            reader.run(stop)

        thread = threading.Thread(target=as_nobody)
        thread.start()
        try:
            denied = sink.await_state("denied")
            Path(device.name).chmod(0o666)
            sink.await_state("open")
        finally:
            stop.set()
            thread.join()
            Path(device.name).chmod(mode)
    assert denied.detail.startswith(f"{device.name}: no permission; ")
    assert "dialout" in denied.detail


def test_impossible_rate_is_one_line() -> None:
    sink = Sink()
    with (
        pty() as device,
        running(PortReader("gps", device.name, 10**12, NMEA, clock_us=clock_us(), sink=sink)),
    ):
        change = sink.await_state("unusable")
    assert "1000000000000 baud" in change.detail


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
    steps = (Step(b"V\r", 5.0), Step(b"O\r", 5.0))
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
        assert change.t_us < 5_000_000, "it did not wait on after the answers"
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


def test_an_adapter_that_does_not_answer_is_asked_again_until_something_comes() -> None:
    """A board that restarts when its port is opened misses the first opening."""
    asked: list[int] = []

    def dialogue() -> Opening:
        asked.append(1)
        answer = yield Step(b"L\r", 0.01)
        return Opened() if answer else Opened(doubt="it does not answer")

    sink = Sink()
    with pty() as device:
        reader = PortReader(
            "engine", device.name, 115200, SLCAN, clock_us=clock_us(10), sink=sink, opening=dialogue
        )
        with running(reader):
            assert sink.await_state("silent", "engine").detail == "it does not answer"
            eventually(lambda: len(asked) >= 3)

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


def test_what_another_thread_writes_is_sent_at_once_even_on_a_silent_line() -> None:
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


# -- other URLs -------------------------------------------------------------------------------------------


def test_socket_urls_are_recorded_written_to_and_reopened() -> None:
    sink = Sink()
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = gps(f"socket://127.0.0.1:{server.getsockname()[1]}", sink)
        with running(reader):
            client, _ = server.accept()
            with client:
                client.settimeout(10)
                sink.await_state("open")
                client.sendall(sentence(1) * 1000)
                eventually(lambda: sink.data() == sentence(1) * 1000)
                eventually(lambda: reader.write(b"$PMTK605*31\r\n"))
                assert client.recv(100) == b"$PMTK605*31\r\n"
            sink.await_state("lost")
            client, _ = server.accept()
            with client:
                sink.await_state("open", times=2)
                client.sendall(sentence(2))
                sink.await_tail(sentence(2))


def test_absent_server_is_missing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
    sink = Sink()
    with running(gps(url, sink)):
        missing = sink.await_state("missing")
    assert missing.detail == f"{url}: nothing answers there; start the server, or correct `port`"


def test_loop_url() -> None:
    sink = Sink()
    reader = gps("loop://", sink, opening=lambda: sequence(Step(b"hello ", 0.5)))
    with running(reader):
        sink.await_state("open")
        eventually(lambda: reader.write(b"rally"))
        eventually(lambda: sink.data() == b"hello rally")


def test_spy_url_still_spies(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Sink()
    with pty() as device, running(gps(f"spy://{device.name}", sink)):
        sink.await_state("open")
        device.send(sentence(7))
        eventually(lambda: sink.data() == sentence(7))
    assert "GPTXT" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning")
def test_rfc2217_url() -> None:
    """pyserial's own server, over a line that echoes everything."""
    sink = Sink()

    def serve(client: socket.socket, stop: threading.Event) -> None:
        class Wire:
            def write(self, data: bytes) -> None:
                client.sendall(data)

        line = serial.serial_for_url("loop://", timeout=0)
        manager = serial.rfc2217.PortManager(line, Wire())
        client.settimeout(0.01)
        while not stop.is_set():
            try:
                data = client.recv(1024)
            except TimeoutError:
                data = b""
            line.write(b"".join(manager.filter(data)))
            if echo := line.read(line.in_waiting):
                client.sendall(b"".join(manager.escape(echo)))

    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = gps(f"rfc2217://127.0.0.1:{server.getsockname()[1]}", sink)
        with running(reader):
            client, _ = server.accept()
            with client, talking(lambda stop: serve(client, stop)):
                sink.await_state("open")
                eventually(lambda: reader.write(sentence(3)))
                eventually(lambda: sink.data() == sentence(3))
            sink.await_state("lost")


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
            thread.join(5)
            assert not thread.is_alive()
        assert device.received() == (b"" if traffic == "no port" else SLCAN.closing)


def test_stamps_never_run_backwards_across_reopenings(tmp_path: Path) -> None:
    sink, link = Sink(), tmp_path / "gps"
    devices: list[Pty] = []
    with running(gps(str(link), sink)):
        for number in range(3):
            devices.append(Pty())
            plug(link, devices[-1])
            sink.await_state("open", times=number + 1)
            devices[-1].send(sentence(number))
            sink.await_tail(sentence(number))
            devices[-1].hang_up()
    for device in devices:
        device.close()
    assert all(one.t_us <= other.t_us for one, other in pairwise(sink.items))
