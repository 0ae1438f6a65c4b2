"""gpsd client: over real TCP with a simulated gpsd, and with the real one if installed."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.devices import gpsd, link_health
from firmware_bridge.devices.gpsd import MAX_JSON_BYTES, GpsdStream, parse_url
from firmware_bridge.devices.ports import PortReader
from firmware_bridge.protocols import protocol
from firmware_bridge.protocols.nmea import Decoder
from firmware_bridge.virtual.gpsd import VirtualGpsd
from firmware_bridge.virtual.receiver import GpsReceiver
from tests.firmware_bridge.simulated_devices import Sink, clock_us, eventually, running, sentence
from tests.firmware_bridge.virtual.courses import lively
from tests.reserved_port import reserved_port

BANNER = b'{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}\r\n'
DEVICE = "/dev/ttyACM0"


@pytest.fixture
def server() -> Iterator[VirtualGpsd]:
    server = VirtualGpsd()
    yield server
    server.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report silence, and repeat the watch request, within half a second."""
    monkeypatch.setattr(gpsd, "ASK_S", 0.2)
    monkeypatch.setattr(link_health, "SILENT_US", 300_000)


def reader(url: str, sink: Sink) -> PortReader:
    return PortReader("gps", url, "auto", protocol("nmea"), clock_us=clock_us(), sink=sink)


# -- separation of JSON and NMEA -------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([BANNER, b'{"class":"DEVICES","devices":[]}\r\n', *map(sentence, range(3))])),
    st.data(),
)
def test_only_json_is_removed_in_any_chunks(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    stream = GpsdStream()
    out = b"".join(stream.feed(whole[a:b]) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    assert out == b"".join(line for line in lines if line[:1] != b"{")


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"{", b"\n", b'{"class":"DEVICES","devices":[3]}\n']))
)
def test_arbitrary_bytes_never_raise(pieces: list[bytes]) -> None:
    stream = GpsdStream()
    for piece in pieces:
        assert len(stream.feed(piece)) <= len(piece)


def test_an_endless_line_is_dropped_and_the_next_is_read() -> None:
    stream = GpsdStream()
    assert stream.feed(b"{" + b"x" * 1000) == b""
    for _ in range(200):
        assert stream.feed(b"y" * 1000) == b""
    assert stream._json is not None
    assert len(stream._json) <= MAX_JSON_BYTES
    assert stream.feed(b"\n" + sentence(1)) == sentence(1)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"class":"DEVICES","devices":[]}', "gpsd has no receiver"),
        (b'{"class":"DEVICES"}', "gpsd has no receiver"),
        (b'{"class":"DEVICES","devices":[{"path":"/dev/a"}]}', "gpsd cannot open /dev/a"),
        (b'{"class":"DEVICES","devices":[{"path":"/dev/a","activated":0}]}', "gpsd cannot open /dev/a"),
        (
            b'{"class":"DEVICES","devices":[{"path":"/dev/a","activated":"2026"}]}',
            "gpsd hears nothing from /dev/a",
        ),
        (b'{"class":"DEVICE","path":"/dev/a","activated":0}', "gpsd cannot open /dev/a"),
        (b'{"class":"ERROR","message":"no \\u0007 sense"}', "gpsd refuses: no   sense"),
        (BANNER.strip(), ""),
        (b"{damaged", ""),
        (b"{" * 5000, ""),
    ],
)
def test_device_reports_of_gpsd(line: bytes, complaint: str) -> None:
    stream = GpsdStream()
    assert stream.feed(line + b"\r\n") == b""
    reported = stream.fault or stream.suspect
    assert reported.startswith(complaint)
    assert bool(reported) is bool(complaint)


def test_parse_url() -> None:
    assert parse_url("gpsd://pi.local") == ("pi.local", 2947, "")
    assert parse_url("gpsd://") == ("localhost", 2947, "")
    assert parse_url("gpsd://[::1]:3000/dev/ttyACM0") == ("::1", 3000, "/dev/ttyACM0")
    with pytest.raises(ValueError, match="could not be cast"):
        parse_url("gpsd://host:abc")


# -- as a port --------------------------------------------------------------------------------------------------


def test_only_nmea_is_recorded(server: VirtualGpsd) -> None:
    sink = Sink()
    server.devices[DEVICE] = True
    with running(reader(server.url, sink)):
        eventually(lambda: server.watchers == 1, "it watches")
        sent = b"".join(map(sentence, range(20)))
        server.send(sent)
        eventually(lambda: sink.data() == sent, "all sentences")
        assert sink.await_state("open").detail == ""
    assert server.requests[0] == b'?WATCH={"enable":true,"nmea":true,"raw":0}'


def test_named_device_is_the_only_one_watched(server: VirtualGpsd) -> None:
    with running(reader(server.url + DEVICE, Sink())):
        eventually(lambda: server.watchers == 1, "it watches")
    assert server.requests[0] == b'?WATCH={"enable":true,"nmea":true,"raw":0,"device":"/dev/ttyACM0"}'


@pytest.mark.usefixtures("impatient")
def test_missing_and_lost_receiver_are_reported_and_recording_resumes(
    server: VirtualGpsd,
) -> None:
    sink = Sink()
    with running(reader(server.url, sink)):
        eventually(lambda: sink.changes()[-1].detail.startswith("gpsd has no receiver: "), "no receiver")
        server.devices[DEVICE] = False
        eventually(lambda: sink.changes()[-1].detail.startswith(f"gpsd cannot open {DEVICE}"), "cannot open")
        server.devices[DEVICE] = True

        def speaks() -> bool:
            server.send(sentence(1))
            return sink.states().count("open") >= 2

        eventually(speaks, "it is open again")
    assert set(sink.data().splitlines(keepends=True)) == {sentence(1)}


@pytest.mark.usefixtures("impatient")
def test_silent_receiver_is_named(server: VirtualGpsd) -> None:
    sink = Sink()
    server.devices[DEVICE] = True
    expected = f"gpsd hears nothing from {DEVICE}: check the receiver's power and wiring"
    with running(reader(server.url, sink)):
        eventually(lambda: (change := sink.changes()[-1]).state == "silent" and change.detail == expected)


@pytest.mark.usefixtures("impatient")
def test_restarted_gpsd_is_connected_to_again() -> None:
    sink = Sink()
    with reserved_port() as port, running(reader((first := VirtualGpsd(port)).url, sink)):
        eventually(lambda: first.watchers == 1, "it watches")
        first.send(sentence(1))
        eventually(lambda: sink.data() == sentence(1), "before")
        first.close()
        sink.await_state("lost")
        missing = sink.await_state("missing")
        assert missing.detail.startswith(
            f"{first.url}: no gpsd answers there; sudo systemctl start gpsd.socket"
        )
        second = VirtualGpsd(port)
        try:
            eventually(lambda: second.watchers == 1, "it watches again")
            second.send(sentence(2))
            eventually(lambda: sink.data() == sentence(1) + sentence(2), "after")
        finally:
            second.close()


@pytest.mark.usefixtures("impatient")
def test_a_gpsd_that_hangs_is_connected_to_again(server: VirtualGpsd) -> None:
    sink = Sink()
    server.is_deaf = True
    with running(reader(server.url, sink)):
        assert "gpsd does not answer" in sink.await_state("lost").detail
        server.is_deaf = False
        eventually(lambda: server.watchers == 1, "it watches")


def test_invalid_address_is_one_line() -> None:
    for url, state in (("gpsd://127.0.0.1:99999", "unusable"), ("gpsd://no.such.host.invalid", "missing")):
        sink = Sink()
        with running(reader(url, sink)):
            change = sink.await_state(state)
            assert change.detail.startswith(url)
            assert "\n" not in change.detail


# -- the real one -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def real_gpsd(device: str, folder: Path) -> Iterator[str]:
    program = shutil.which("gpsd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
    if program is None:
        pytest.skip("needs Debian's package gpsd")
    with reserved_port() as port, (folder / "gpsd.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-N", "-n", "-b", "-S", str(port), device], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield f"gpsd://localhost:{port}"
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("ubx", [False, True], ids=["nmea", "ubx"])
def test_real_gpsd_with_a_receiver_of_either_protocol(ubx: bool, tmp_path: Path) -> None:
    """gpsd converts the messages of a UBX receiver into sentences."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    epochs = GpsReceiver(lively(), 4, ubx=ubx, nmea=not ubx).bytes_between(0.0, 60.0)
    done, sink, decoder = threading.Event(), Sink(), Decoder()

    def drive() -> None:
        for epoch in epochs:
            os.write(master, epoch.data)
            if done.wait(0.1):
                return

    thread = threading.Thread(target=drive)
    try:
        with real_gpsd(os.ttyname(slave), tmp_path) as url, running(reader(url, sink)):
            thread.start()
            deadline_s = time.monotonic() + 30
            kinds: set[str] = set()
            taken = 0
            while not {"RMC", "GGA"} <= kinds and time.monotonic() < deadline_s:
                data = sink.data()
                kinds |= {found.text[3:6] for found in decoder.feed(data[taken:], 0).sentences}
                taken = len(data)
                time.sleep(0.1)
            done.set()
            thread.join()
            assert {"RMC", "GGA"} <= kinds
            assert b"{" not in sink.data()
    finally:
        done.set()
        os.close(master)
        os.close(slave)
