"""SocketCAN records: the kernel's structs, error frames, dropped frames, times, damaged captures."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.socketcan import CLASSIC, FD, Decoder, encode
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, ESI_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.examples import examples
from tests.firmware_bridge.wire import T_US, chunks, feed, frames, ids_and_data

CASES = [
    ("23010000 03 000000 0102030000000000", 0x123, b"\x01\x02\x03"),
    ("f110da98 08 000000 1122334455667788", 0x18DA_10F1 | EFF_FLAG, bytes.fromhex("1122334455667788")),
    ("23010040 04 000000 0000000000000000", 0x123 | RTR_FLAG, bytes(4)),
    ("23010040 02 000000 ffffffffffffffff", 0x123 | RTR_FLAG, bytes(2)),  # the bytes there are not data
    ("40000020 08 000000 0000000000000000", 0x40 | ERR_FLAG, bytes(8)),
    ("23010000 08 0000ff 1122334455667788", 0x123, bytes.fromhex("1122334455667788")),  # a raw DLC of 15
    ("23010000 0c 05 0000" + "ab" * 12 + "00" * 52, 0x123 | FD_FLAG | BRS_FLAG, b"\xab" * 12),
    ("23010080 40 06 0000" + "cd" * 64, 0x123 | EFF_FLAG | FD_FLAG | ESI_FLAG, b"\xcd" * 64),
    ("23010000 00 00 0000" + "00" * 64, 0x123 | FD_FLAG, b""),
]
"""The kernel's struct in hexadecimal, and its frame."""


def record(kernels: bytes, stamp_us: int = 0, dropped: int = 0) -> bytes:
    return b"CAN" + struct.pack("<BIQ", len(kernels), dropped, stamp_us) + kernels


def frame(number: int, t_us: int = 0) -> bytes:
    return encode(CanFrame(t_us, 0, 0x100 + number, bytes([number] * 8)))


@pytest.mark.parametrize(("kernels", "can_id", "data"), CASES)
def test_each_kind_of_frame(kernels: str, can_id: int, data: bytes) -> None:
    whole, trailing = record(bytes.fromhex(kernels)), frame(1)
    for pieces in ([whole], chunks(whole, [1]), [whole + trailing[:9], trailing[9:]]):
        decoder = Decoder(bus=4)
        batch = feed(decoder, pieces)
        assert batch.frames[0][1:] == (4, can_id, data)
        assert decoder.bad == 0
    assert ids_and_data(batch.frames[1:]) == [(0x101, bytes([1] * 8))]


@examples(200)
@given(st.lists(frames("socketcan"), min_size=1, max_size=12), st.integers(0, 2**60))
def test_the_decoder_gives_what_the_construct_gives(sent: list[CanFrame], t_us: int) -> None:
    """Long runs take the fast path, mixed ones the slow path."""
    for run in (sent, [sent[0]] * 9):
        wire = b"".join(encode(each._replace(t_us=t_us)) for each in run)
        decoder, at, expected = Decoder(), 0, []
        while at < len(wire):
            layout = CLASSIC if wire[at + 3] == 16 else FD
            size = 16 + wire[at + 3]
            fields = layout.parse(wire[at : at + size])
            flags = 0
            if layout is FD:
                flags = (
                    FD_FLAG | (BRS_FLAG if fields.flags & 1 else 0) | (ESI_FLAG if fields.flags & 2 else 0)
                )
            expected.append((fields.can_id | flags, fields.data))
            assert fields.stamp == t_us
            at += size
        assert ids_and_data(feed(decoder, [wire]).frames) == expected == ids_and_data(run)
        assert (decoder.good, decoder.bad) == (len(run), 0)


@pytest.mark.parametrize("length", range(9))
def test_runs_of_every_length(length: int) -> None:
    sent = [CanFrame(0, 0, 0x200 + n, bytes([n] * (length if n % 2 else 8))) for n in range(20)]
    assert ids_and_data(feed(Decoder(), [b"".join(map(encode, sent))]).frames) == ids_and_data(sent)


ERRORS = [
    (0x40, "", [("bus_state", "off")]),
    (0x204, "00 10 00 00 00 00 00 80", [("bus_state", "passive", 128, 0)]),
    (0x204, "00 20 00 00 00 00 88 00", [("bus_state", "passive", 0, 136)]),
    (0x204, "00 30 00 00 00 00 88 90", [("bus_state", "passive", 144, 136)]),
    (0x204, "00 04 00 00 00 00 00 60", [("bus_state", "warning", 96, 0)]),
    (0x204, "00 40 00 00 00 00 00 00", [("bus_state", "active")]),
    (0x100, "", [("bus_state", "active")]),
    (0x04, "00 01", [("bus_error", "rx_overrun")]),
    (0x04, "00 02", [("bus_error", "tx_overrun")]),
    (0x04, "00 05", [("bus_state", "warning"), ("bus_error", "rx_overrun")]),
    (0x88, "00 00 04 00", [("bus_error", "stuff")]),
    (0x88, "00 00 02 00", [("bus_error", "form")]),
    (0x88, "00 00 88 08", [("bus_error", "bit0", "crc")]),
    (0xA8, "00 00 80 19", [("bus_error", "ack")]),
    (0x88, "", [("bus_error", "unspecified")]),
    (0x20, "", [("bus_error", "ack")]),
    (0x10, "00 00 00 00 04", [("bus_error", "transceiver")]),
    (0x01, "", [("bus_error", "tx_timeout")]),
    (0x02, "08", []),  # lost arbitration
]
"""Error classes, data, and the notices: kind, then state and counters, or errors."""


@pytest.mark.parametrize(("classes", "data", "expected"), ERRORS)
def test_error_frames_are_notices_and_stay_in_the_log(
    classes: int, data: str, expected: Sequence[tuple[object, ...]]
) -> None:
    payload = bytes.fromhex(data).ljust(8, b"\0")
    batch = feed(Decoder(), [frame(1) + encode(CanFrame(0, 0, classes | ERR_FLAG, payload)) + frame(2)])
    assert [each.can_id for each in batch.frames] == [0x101, classes | ERR_FLAG, 0x102]
    summaries = []
    for notice in batch.notices:
        if notice.kind == "bus_state":
            counters = (notice.detail["rx_errors"], notice.detail["tx_errors"])
            summaries.append((notice.kind, notice.detail["state"], *(counters if any(counters) else ())))
        else:
            summaries.append((notice.kind, *notice.detail["errors"]))
    assert summaries == list(expected)


@pytest.mark.parametrize("in_one_chunk", [True, False])
def test_frames_dropped_by_the_kernel_give_one_notice_per_second(in_one_chunk: bool) -> None:
    counts = [0, 0, *range(5, 1005), 1005]
    wire = [record(frame(1)[16:], dropped=count) for count in counts]
    decoder = Decoder()
    batch = feed(decoder, [b"".join(wire)] if in_one_chunk else wire)
    assert len(batch.frames) == len(counts)
    last = feed(decoder, [record(frame(1)[16:], dropped=1005)], T_US + 3_000_000)
    notices = batch.notices + last.notices
    assert {notice.kind for notice in notices} == {"frames_dropped"}
    assert sum(notice.detail["frames"] for notice in notices) == 1005
    assert len(notices) == (1 if in_one_chunk else 2)


def test_dropped_count_restarts_when_the_interface_is_reopened() -> None:
    decoder = Decoder()
    notices = []
    for second, count in enumerate((0, 6, 0, 2, 2, 0)):
        notices += feed(decoder, [record(frame(1)[16:], dropped=count)], T_US + 2_000_000 * second).notices
    assert [notice.detail["frames"] for notice in notices] == [6, 2]


def test_times_are_the_kernel_s() -> None:
    """Frames in one chunk are spaced as stamped; none is later than its arrival."""
    stamps = [10_000_000 + 250 * n for n in range(40)]
    batch = Decoder().feed(b"".join(frame(1, stamp) for stamp in stamps), T_US)
    times = [each.t_us for each in batch.frames]
    assert times[-1] == T_US
    assert [after - before for before, after in pairwise(times)] == [250] * 39


@pytest.mark.parametrize(
    ("damage", "numbers"),
    [
        (b"C", (3,)),
        (b"CAN", (1, 3)),
        (b"CAN\x11" + bytes(28), (1, 3)),  # an impossible size
        (record(bytes.fromhex("23010000 09 000000") + bytes(8)), (1, 3)),  # an impossible length
        (record(bytes.fromhex("00080000 08 000000") + bytes(8)), (1, 3)),  # an impossible identifier
        (record(bytes.fromhex("23010000 0d 04 0000") + bytes(64)), (1, 3)),  # an impossible FD length
        (record(bytes.fromhex("23010040 08 04 0000") + bytes(64)), (1, 3)),  # a remote FD frame
        (b"noise", (3,)),  # a frame right before noise is rejected
        (frame(2)[:20], (1, 3)),
    ],
)
def test_search_continues_after_a_bad_frame(damage: bytes, numbers: tuple[int, ...]) -> None:
    decoder = Decoder()
    batch = feed(decoder, [frame(1) + damage + frame(3)])
    assert [each.can_id - 0x100 for each in batch.frames] == list(numbers)
    assert (decoder.bad, len(batch.rejected)) == (1, 1)


@pytest.mark.parametrize(
    ("can_id", "data"),
    [
        (0x800, b""),
        (0x123, bytes(9)),
        (0x123 | FD_FLAG, bytes(9)),
        (0x123 | BRS_FLAG, b""),
        (0x123 | FD_FLAG | RTR_FLAG, b""),
        (-1, b""),
    ],
)
def test_frames_it_cannot_carry(can_id: int, data: bytes) -> None:
    with pytest.raises(WireError):
        encode(CanFrame(0, 0, can_id, data))
