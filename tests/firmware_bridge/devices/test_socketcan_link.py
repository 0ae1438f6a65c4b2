"""CAN interfaces through the supervisor: frames with the kernel's stamps, and interfaces that come and go."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from firmware_bridge.devices.can_interface import Expected, Interface
from firmware_bridge.devices.ports import PortReader
from firmware_bridge.devices.socketcan_link import can_socket
from firmware_bridge.protocols import protocol
from firmware_bridge.protocols.socketcan import HEAD_BYTES, encode
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.firmware_bridge.can_bus import UP, Bus, can_bus, down
from tests.firmware_bridge.simulated_devices import Said, clock_us, eventually, running
from tests.firmware_bridge.wire import what

SOCKETCAN = protocol("socketcan")
CAN0 = Expected("can0", 500_000)
NORMAL = replace(UP, listen_only=False)


def frames(count: int, first: int = 0) -> list[CanFrame]:
    return [
        CanFrame(0, 0, 0x100 + number % 8, number.to_bytes(8, "big"))
        for number in range(first, first + count)
    ]


def reader(said: Said, expected: Expected = CAN0, **more: object) -> PortReader:
    options: dict[str, object] = {"clock_us": clock_us(), "sink": said, **more}
    return PortReader("engine", expected.url, "auto", SOCKETCAN, **options)  # type: ignore[arg-type]


def decoded(said: Said) -> list[CanFrame]:
    decoder = SOCKETCAN.decoder(0)
    return [frame for chunk in said.chunks("engine") for frame in decoder.feed(chunk.data, chunk.t_us).frames]


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    with can_bus(monkeypatch) as made:
        yield made


def test_every_kind_of_frame_comes_through(bus: Bus) -> None:
    some = [
        CanFrame(0, 0, 0x123, b"\x01\x02"),
        CanFrame(0, 0, 0x18DA_F110 | EFF_FLAG, bytes(8)),
        CanFrame(0, 0, 0x123 | RTR_FLAG, bytes(3)),
        CanFrame(0, 0, 0x40 | ERR_FLAG, bytes(8)),
        CanFrame(0, 0, 0x123 | FD_FLAG | BRS_FLAG, bytes(range(64))),
    ]
    said = Said()
    with running(reader(said)):
        assert said.await_state("open", "engine").detail == "500000 bit/s, listen-only"
        bus.send(*some)
        eventually(lambda: what(decoded(said)) == what(some))


def test_stamps_are_the_kernels_though_frames_are_read_together(bus: Bus) -> None:
    """Sent 2 ms apart, read every 5 ms: the log has them 2 ms apart, and none before it was sent."""
    said, clock = Said(), clock_us()
    sent_us = []
    with running(reader(said, clock_us=clock)):
        said.await_state("open", "engine")
        for frame in frames(200):
            sent_us.append(clock())
            bus.send(frame)
            time.sleep(0.002)
        eventually(lambda: len(decoded(said)) == 200)
    late_us = sorted(frame.t_us - sent for frame, sent in zip(decoded(said), sent_us, strict=True))
    assert late_us[0] >= -1_000
    assert late_us[100] < 2_000, "half a read's pause would be 2,500 and more"
    assert len(said.chunks("engine")) < 150, "frames were read together"


def test_a_flood_loses_nothing(bus: Bus) -> None:
    said, some = Said(), frames(20_000)
    with running(reader(said)):
        said.await_state("open", "engine")
        bus.send(*some)  # an AF_UNIX socket blocks its sender where AF_CAN would drop
        eventually(lambda: len(decoded(said)) >= len(some))
    assert what(decoded(said)) == what(some)
    assert all(before.t_us <= after.t_us for before, after in pairwise(decoded(said)))


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
def test_an_interface_that_goes_and_comes_back(
    bus: Bus, error: int, settings: object, state: str, detail: str
) -> None:
    said = Said()
    with running(reader(said)):
        said.await_state("open", "engine")
        bus.send(*frames(10))
        bus.fail(error, settings)  # type: ignore[arg-type]
        bus_said = said.await_state(state, "engine")
        assert bus_said.detail == detail
        eventually(lambda: what(decoded(said)) == what(frames(10)), "what waited in the socket")
        bus.settings = UP
        said.await_state("open", "engine", times=2)
        bus.send(*frames(10, 10))
        eventually(lambda: what(decoded(said)) == what(frames(20)))


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
def test_what_cannot_be_opened_is_told_once_with_the_fix(
    bus: Bus, settings: object, refusal: int | None, state: str, detail: str
) -> None:
    bus.settings, bus.refusal = settings, refusal  # type: ignore[assignment]
    said = Said()
    with running(reader(said)):
        assert said.await_state(state, "engine").detail == detail
        time.sleep(0.8)
        assert said.states("engine") == ["opening", state]
        bus.settings, bus.refusal = UP, None
        said.await_state("open", "engine")


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
def test_an_interface_that_is_set_up_otherwise_is_recorded_with_a_warning(
    bus: Bus, expected: Expected, settings: Interface, detail: str, warning: str
) -> None:
    bus.settings = settings
    said = Said()
    with running(reader(said, expected, clock_us=clock_us(speed=100))):
        change = said.await_state("open", "engine")
        assert (change.detail, change.warning) == ("; ".join(filter(None, (detail, warning))), warning)
        silent = said.await_state("silent", "engine")
        assert silent.warning == warning, "a wrong bit rate is a reason for silence"
        bus.send(*frames(3))
        eventually(lambda: what(decoded(said)) == what(frames(3)))


def test_frames_are_sent_one_by_one(bus: Bus) -> None:
    said = Said()
    port = reader(said, Expected("can0", 500_000, listen_only=False))
    some = [CanFrame(0, 0, 0x7DF, bytes(8)), CanFrame(0, 0, 0x7DF | FD_FLAG, bytes(12))] * 3
    with running(port):
        said.await_state("open", "engine")
        for frame in some:
            assert port.write(encode(frame))
        assert [bus.received() for _ in some] == [encode(frame)[HEAD_BYTES:] for frame in some]
    assert port.dropped_bytes == 0


@pytest.mark.parametrize("error", [errno.ENOBUFS, errno.EINVAL, errno.EMSGSIZE])
def test_a_frame_that_the_interface_does_not_take_is_dropped_and_ends_nothing(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """A full queue, or an FD frame on a classic interface."""
    said = Said()
    port = reader(said, Expected("can0", 500_000, listen_only=False))
    asked, refused = CanFrame(0, 0, 0x7DF, bytes(8)), encode(CanFrame(0, 0, 0x7DE | FD_FLAG, bytes(12)))

    def write(fd: int, data: bytes) -> int:
        if data == refused[HEAD_BYTES:]:
            raise OSError(error, "refused")
        return real(fd, data)

    real = os.write
    monkeypatch.setattr("firmware_bridge.devices.socketcan_link.os.write", write)
    with running(port):
        said.await_state("open", "engine")
        port.write(refused)
        port.write(encode(asked))
        assert bus.received() == encode(asked)[HEAD_BYTES:]
        bus.send(*frames(3))
        eventually(lambda: what(decoded(said)) == what(frames(3)))
    assert said.states("engine") == ["opening", "open"]
    assert port.dropped_bytes == len(refused)


def test_a_url_says_what_is_expected() -> None:
    for expected in (
        Expected("can0"),
        Expected("can-engine.1", 125_000, False, 2_000_000),
        Expected("can0", None, "try"),
    ):
        assert Expected.of(expected.url) == expected


def test_this_kernels_own_answer() -> None:
    """A CAN socket, or the words for a kernel that has none; both end in one line."""
    try:
        can_socket("no-such-can").close()
    except OSError as error:
        assert error.errno in (errno.EAFNOSUPPORT, errno.ENODEV)
    else:
        pytest.fail("there is no such interface")
    said = Said()
    with running(reader(said, Expected("no-such-can"))):
        assert said.await_state("missing", "engine").detail.startswith("no-such-can: no such interface")
    assert socket.AF_CAN
