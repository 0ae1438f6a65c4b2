"""PortReader on real ptys: bytes in, ports that cannot be opened, reopening."""

from __future__ import annotations

import ctypes
import os
import stat
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.devices import ports
from firmware_bridge.devices.link import CHUNK_BYTES, PolledLink
from firmware_bridge.devices.open_link import open_link
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.ports import PortReader
from firmware_bridge.devices.read_pace import GATHER_S, PROMPT_READS, STAMPED_READ_US
from firmware_bridge.errors import PortError
from tests.firmware_bridge.devices.port_readers import NMEA, gps
from tests.firmware_bridge.simulated_devices import (
    PATIENCE_S,
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

LINE = b"t1238DEADBEEF012345670011\r"

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


def test_stream_of_frames_with_times_wakes_the_reader_10_times_per_second() -> None:
    sink = Sink()
    reader = gps("", sink)
    with pty() as device, open_link(device.name, 115200, Outbox()) as link:
        reader.note_stamps(is_stamped=True)
        reader._writable = True  # as after the opening dialogue
        chunks = []
        for _ in range(7 + PROMPT_READS):
            device.send(LINE * 40)
            eventually(lambda: device.waiting() == len(LINE * 40))
            chunks.append(reader._read(link, 1.0))
    assert [chunk.data for chunk in chunks] == [LINE * 40] * len(chunks)
    assert chunks[-1].t_us - chunks[PROMPT_READS].t_us >= 5 * STAMPED_READ_US


def test_the_kernels_buffer_is_emptied_during_a_pause() -> None:
    with pty() as device, open_link(device.name, 115200, Outbox()) as link:
        assert isinstance(link, PolledLink)
        device.send(LINE)
        assert link.read(1.0) == LINE
        link.longest_pause_s = PATIENCE_S
        link.pause(PATIENCE_S)
        pieces, is_fed = [LINE * 100] * 8, threading.Event()

        def feed() -> None:
            """Send the next piece when the last was taken, and then end the pause."""
            sent_bytes = 0

            def is_taken() -> bool:
                return link._collected == sent_bytes

            for piece in pieces:
                device.send(piece)
                sent_bytes += len(piece)
                eventually(is_taken)
            is_fed.set()
            link.pause(0.0)

        feeder = threading.Thread(target=feed)
        feeder.start()
        data = link.read(1.0)
        assert is_fed.is_set(), "the pause has ended before"
        feeder.join()
    assert data == b"".join(pieces)


def test_a_reader_that_is_behind_does_not_pause() -> None:
    with pty() as device, open_link(device.name, 115200, Outbox()) as link:
        device.send(LINE)
        assert link.read(1.0) == LINE
        link.longest_pause_s = 100.0
        link.pause(100.0)
        flood = LINE * (4 * CHUNK_BYTES // len(LINE))
        threading.Thread(target=device.send, args=(flood,), daemon=True).start()
        began_s, data = time.monotonic(), b""
        while len(data) < len(flood):
            data += link.read(1.0)
        assert data == flood
        assert time.monotonic() - began_s < 50.0


def test_a_port_that_is_lost_during_a_pause_gives_its_bytes_first() -> None:
    outbox = Outbox()
    with pty() as device, open_link(device.name, 115200, outbox) as link:
        link.longest_pause_s = 10.0
        link.pause(0.2)
        outbox.put(b"S6\r")
        device.send(LINE)
        eventually(lambda: device.waiting() == len(LINE))

        def unplug(_stop: threading.Event) -> None:
            """When the line was taken: a pty that hangs up loses what waits in it."""
            eventually(lambda: device.waiting() == 0)
            device.hang_up()

        with talking(unplug):
            assert link.read(1.0) == LINE
        with pytest.raises(PortError):
            link.read(1.0)


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
