"""SocketCAN through PortReader: kernel time stamps, interfaces that disappear, sending."""

from __future__ import annotations

import errno
import os
import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest

from firmware_bridge.devices.can_interface import Expected, Interface
from firmware_bridge.devices.ports import PortReader
from firmware_bridge.devices.socketcan_link import can_socket
from firmware_bridge.protocols import protocol
from firmware_bridge.protocols.socketcan import HEAD_BYTES, encode
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.firmware_bridge.can_bus import UP, Bus, can_bus, down
from tests.firmware_bridge.simulated_devices import Sink, clock_us, eventually, running
from tests.firmware_bridge.wire import ids_and_data

SOCKETCAN = protocol("socketcan")
CAN0 = Expected("can0", 500_000)
NORMAL = replace(UP, listen_only=False)


def frames(count: int, first: int = 0) -> list[CanFrame]:
    return [
        CanFrame(0, 0, 0x100 + number % 8, number.to_bytes(8, "big"))
        for number in range(first, first + count)
    ]


def reader(sink: Sink, expected: Expected = CAN0, **more: object) -> PortReader:
    options: dict[str, object] = {"clock_us": clock_us(), "sink": sink, **more}
    return PortReader("engine", expected.url, "auto", SOCKETCAN, **options)  # type: ignore[arg-type]


def decoded(sink: Sink) -> list[CanFrame]:
    decoder = SOCKETCAN.decoder(0)
    return [frame for chunk in sink.chunks("engine") for frame in decoder.feed(chunk.data, chunk.t_us).frames]


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    with can_bus(monkeypatch) as opened:
        yield opened


def test_every_kind_of_frame_comes_through(bus: Bus) -> None:
    sent = [
        CanFrame(0, 0, 0x123, b"\x01\x02"),
        CanFrame(0, 0, 0x18DA_F110 | EFF_FLAG, bytes(8)),
        CanFrame(0, 0, 0x123 | RTR_FLAG, bytes(3)),
        CanFrame(0, 0, 0x40 | ERR_FLAG, bytes(8)),
        CanFrame(0, 0, 0x123 | FD_FLAG | BRS_FLAG, bytes(range(64))),
    ]
    sink = Sink()
    with running(reader(sink)):
        assert sink.await_state("open", "engine").detail == "500000 bit/s, listen-only"
        bus.send(*sent)
        eventually(lambda: ids_and_data(decoded(sink)) == ids_and_data(sent))


def test_frames_read_together_have_the_kernel_s_stamps(bus: Bus) -> None:
    """Frames sent 2 ms apart and read every 5 ms have times 2 ms apart, none before it was sent."""
    sink, clock = Sink(), clock_us()
    sent_us = []
    with running(reader(sink, clock_us=clock)):
        sink.await_state("open", "engine")
        for frame in frames(20_000):  # on a busy machine each may be read alone
            sent_us.append(clock())
            bus.send(frame)
            time.sleep(0.002)
            if len(sent_us) - len(sink.chunks("engine")) > 100:
                break
        eventually(lambda: len(decoded(sink)) == len(sent_us))
    late_us = [frame.t_us - sent for frame, sent in zip(decoded(sink), sent_us, strict=True)]
    assert min(late_us) >= -1_000
    record_bytes = len(encode(frames(1)[0]))
    last = set(accumulate(len(chunk.data) // record_bytes for chunk in sink.chunks("engine")))
    """Of each chunk, counted from 1."""
    waited_us = [late for number, late in enumerate(late_us, 1) if number not in last]
    assert len(waited_us) > 90
    assert statistics.median(waited_us) < 2_000, "the next was sent so much later, and read with it"


def test_a_flood_loses_nothing(bus: Bus) -> None:
    sink, sent = Sink(), frames(20_000)
    with running(reader(sink)):
        sink.await_state("open", "engine")
        bus.send(*sent)  # an AF_UNIX socket blocks its sender where AF_CAN would drop
        eventually(lambda: len(decoded(sink)) >= len(sent))
    assert ids_and_data(decoded(sink)) == ids_and_data(sent)
    assert all(before.t_us <= after.t_us for before, after in pairwise(decoded(sink)))


@pytest.mark.parametrize(
    ("error", "settings", "state", "detail"),
    [
        (
            errno.ENETDOWN,
            down(),
            "down",
            "can0: is down; bring it up with `sudo ip link set can0 up type can bitrate 500000 listen-only on`",
        ),
        (errno.ENODEV, None, "missing", "can0: no such interface; plug it in, or correct `port`"),
    ],
)
def test_interface_that_disappears_and_returns(
    bus: Bus, error: int, settings: object, state: str, detail: str
) -> None:
    sink = Sink()
    with running(reader(sink)):
        sink.await_state("open", "engine")
        bus.send(*frames(10))
        bus.fail(error, settings)  # type: ignore[arg-type]
        bus_said = sink.await_state(state, "engine")
        assert bus_said.detail == detail
        eventually(
            lambda: ids_and_data(decoded(sink)) == ids_and_data(frames(10)), "what waited in the socket"
        )
        bus.settings = UP
        sink.await_state("open", "engine", times=2)
        bus.send(*frames(10, 10))
        eventually(lambda: ids_and_data(decoded(sink)) == ids_and_data(frames(20)))


@pytest.mark.parametrize(
    ("settings", "refusal", "state", "detail"),
    [
        (None, None, "missing", "can0: no such interface; plug it in, or correct `port`"),
        (replace(UP, is_can=False), None, "unusable", "can0: is no CAN interface; correct `port`"),
        (
            UP,
            errno.EAFNOSUPPORT,
            "denied",
            "can0: SocketCAN is not allowed or not there; `sudo stagelog install --with socketcan`, "
            "and a kernel with CAN (`sudo modprobe can_raw`)",
        ),
    ],
)
def test_unopenable_interface_is_reported_once_with_a_hint(
    bus: Bus, settings: object, refusal: int | None, state: str, detail: str
) -> None:
    bus.settings, bus.refusal = settings, refusal  # type: ignore[assignment]
    sink = Sink()
    with running(reader(sink)):
        assert sink.await_state(state, "engine").detail == detail
        time.sleep(0.8)
        assert sink.states("engine") == ["opening", state]
        bus.settings, bus.refusal = UP, None
        sink.await_state("open", "engine")


AGAIN = "sudo ip link set can0 down && sudo ip link set can0 up type can bitrate 500000 listen-only on"


@pytest.mark.parametrize(
    ("expected", "settings", "detail", "warning"),
    [
        (Expected("can0"), UP, "500000 bit/s, listen-only", ""),
        (Expected("can0", 500_000, False), NORMAL, "500000 bit/s", ""),
        (Expected("can0", 500_000, False), UP, "500000 bit/s, listen-only", ""),
        (
            CAN0,
            NORMAL,
            "500000 bit/s",
            f"not listening only: this adapter acknowledges frames on the bus: {AGAIN}",
        ),
        (
            Expected("can0", 500_000, "try"),
            NORMAL,
            "500000 bit/s",
            f"not listening only: this adapter acknowledges frames on the bus: {AGAIN}",
        ),
        (
            CAN0,
            replace(UP, bitrate=250_000),
            "250000 bit/s, listen-only",
            f"not 500000 bit/s: {AGAIN}, or correct `bitrate`",
        ),
        (CAN0, replace(UP, kind="vcan", bitrate=None, listen_only=None), "vcan", ""),
    ],
)
def test_interface_with_other_settings_is_recorded_with_a_warning(
    bus: Bus, expected: Expected, settings: Interface, detail: str, warning: str
) -> None:
    bus.settings = settings
    sink = Sink()
    with running(reader(sink, expected, clock_us=clock_us(speed=100))):
        change = sink.await_state("open", "engine")
        assert (change.detail, change.warning) == ("; ".join(filter(None, (detail, warning))), warning)
        silent = sink.await_state("silent", "engine")
        assert silent.warning == warning, "a wrong bit rate is a reason for silence"
        bus.send(*frames(3))
        eventually(lambda: ids_and_data(decoded(sink)) == ids_and_data(frames(3)))


def test_frames_are_sent_one_by_one(bus: Bus) -> None:
    sink = Sink()
    port = reader(sink, Expected("can0", 500_000, listen_only=False))
    sent = [CanFrame(0, 0, 0x7DF, bytes(8)), CanFrame(0, 0, 0x7DF | FD_FLAG, bytes(12))] * 3
    with running(port):
        sink.await_state("open", "engine")
        for frame in sent:
            assert port.write(encode(frame))
        assert [bus.received() for _ in sent] == [encode(frame)[HEAD_BYTES:] for frame in sent]
    assert port.dropped_bytes == 0


@pytest.mark.parametrize("error", [errno.ENOBUFS, errno.EINVAL, errno.EMSGSIZE])
def test_frame_refused_by_the_interface_is_dropped_and_the_session_continues(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """A full queue, or an FD frame on a classic interface."""
    sink = Sink()
    port = reader(sink, Expected("can0", 500_000, listen_only=False))
    requested, refused = CanFrame(0, 0, 0x7DF, bytes(8)), encode(CanFrame(0, 0, 0x7DE | FD_FLAG, bytes(12)))

    def write(fd: int, data: bytes) -> int:
        if data == refused[HEAD_BYTES:]:
            raise OSError(error, "refused")
        return real(fd, data)

    real = os.write
    monkeypatch.setattr("firmware_bridge.devices.socketcan_link.os.write", write)
    with running(port):
        sink.await_state("open", "engine")
        port.write(refused)
        port.write(encode(requested))
        assert bus.received() == encode(requested)[HEAD_BYTES:]
        bus.send(*frames(3))
        eventually(lambda: ids_and_data(decoded(sink)) == ids_and_data(frames(3)))
    assert sink.states("engine") == ["opening", "open"]
    assert port.dropped_bytes == len(refused)


def test_url_round_trip() -> None:
    for expected in (
        Expected("can0"),
        Expected("can-engine.1", 125_000, False, 2_000_000),
        Expected("can0", None, "try"),
    ):
        assert Expected.of(expected.url) == expected


def test_answer_of_this_kernel() -> None:
    """A CAN socket, or a one-line error on a kernel without CAN."""
    try:
        can_socket("no-such-can").close()
    except OSError as error:
        assert error.errno in (errno.EAFNOSUPPORT, errno.ENODEV)
    else:
        pytest.fail("there is no such interface")
    sink = Sink()
    with running(reader(sink, Expected("no-such-can"))):
        assert sink.await_state("missing", "engine").detail.startswith("no-such-can: no such interface")
    assert socket.AF_CAN
