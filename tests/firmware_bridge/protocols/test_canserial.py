"""python-can's serial protocol: every frame whole and in pieces, against python-can itself, and damage."""

from __future__ import annotations

import can
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.canserial import FRAME, Decoder, encode, opening
from firmware_bridge.records import EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.examples import examples
from tests.firmware_bridge.dialogues import run_opening
from tests.firmware_bridge.wire import chunks, feed, frames, ids_and_data

CASES = [
    ("aa 00000000 00 23010000 bb", 0x123, b""),
    ("aa 01020304 08 f110da98 aabbaabbaabbaabb bb", 0x18DA_10F1 | EFF_FLAG, b"\xaa\xbb" * 4),
    ("aa 00000000 03 23010040 bb", 0x123 | RTR_FLAG, bytes(3)),  # without data, as python-can writes it
    ("aa 00000000 03 23010040 000000 bb", 0x123 | RTR_FLAG, bytes(3)),  # with, as it reads it
    ("aa 00000000 08 04000020 0004000000000000 bb", 0x4 | ERR_FLAG, b"\x00\x04" + bytes(6)),
]


@pytest.mark.parametrize(("wire", "can_id", "data"), CASES)
def test_each_kind_of_frame(wire: str, can_id: int, data: bytes) -> None:
    whole = bytes.fromhex(wire)
    trailing = encode(CanFrame(0, 0, 0x321, b"\x01"))
    for pieces in ([whole], chunks(whole, [1]), [whole + trailing[:6], trailing[6:]]):
        decoder = Decoder(bus=4)
        batch = feed(decoder, pieces)
        assert batch.frames[0][1:] == (4, can_id, data)
        assert decoder.bad == 0
    assert ids_and_data(batch.frames[1:]) == [(0x321, b"\x01")]


@examples(100)
@given(frames("canserial"), st.integers(0, 2**50))
def test_the_decoder_gives_what_the_construct_gives(frame: CanFrame, t_us: int) -> None:
    wire = encode(frame._replace(t_us=t_us))
    fields = FRAME.parse(wire)
    assert (fields.can_id, fields.data, fields.stamp) == (frame.can_id, frame.data, t_us // 1000 % 2**32)
    for count in (1, 7):  # seven equal frames take the C path
        assert ids_and_data(feed(Decoder(), [wire * count]).frames) == ids_and_data([frame] * count)


PEERS = [
    can.Message(arbitration_id=0x123, data=b"\xaa\xbb\x01", is_extended_id=False, timestamp=12.5),
    can.Message(arbitration_id=0x18DA10F1, data=bytes(range(8)), timestamp=12.501),
    can.Message(arbitration_id=0x7FF, is_extended_id=False, timestamp=12.502),
    can.Message(arbitration_id=0x7E0, is_remote_frame=True, dlc=4, is_extended_id=False, timestamp=12.503),
]


def test_frames_from_python_can_are_read() -> None:
    with can.Bus(interface="serial", channel="loop://") as bus:
        for message in PEERS:
            bus.send(message)
        wire = bus._ser.read(200)  # type: ignore[attr-defined]
    batch = feed(Decoder(), [wire])
    assert ids_and_data(batch.frames) == [
        (0x123, b"\xaa\xbb\x01"),
        (0x18DA_10F1 | EFF_FLAG, bytes(range(8))),
        (0x7FF, b""),
        (0x7E0 | RTR_FLAG, bytes(4)),
    ]
    assert [frame.t_us - batch.frames[0].t_us for frame in batch.frames] == [0, 1_000, 2_000, 3_000]


@examples(25)
@given(
    st.lists(frames("canserial").filter(lambda frame: not frame.can_id & ERR_FLAG), min_size=1, max_size=5)
)
def test_python_can_reads_our_frames(sent: list[CanFrame]) -> None:
    with can.Bus(interface="serial", channel="loop://") as bus:
        bus._ser.write(b"".join(map(encode, sent)))  # type: ignore[attr-defined]
        for frame in sent:
            message = bus.recv(1)
            assert message is not None
            assert message.arbitration_id == frame.can_id & 0x1FFF_FFFF
            assert message.is_extended_id == bool(frame.can_id & EFF_FLAG)
            assert message.is_remote_frame == bool(frame.can_id & RTR_FLAG)
            assert message.dlc == len(frame.data)
            assert bytes(message.data) == (b"" if message.is_remote_frame else frame.data)


def wire(*numbers: int) -> bytes:
    return b"".join(encode(CanFrame(0, 0, 0x100 + number, bytes([number] * 8))) for number in numbers)


@pytest.mark.parametrize(
    ("damage", "numbers"),
    [
        (b"\xaa", (1, 3)),
        (bytes.fromhex("aa 00000000 09 23010000") + bytes(9) + b"\xbb", (1, 3)),  # an impossible length
        (bytes.fromhex("aa 00000000 00 00080000 bb"), (1, 3)),  # an impossible identifier
        (bytes.fromhex("aa 00000000 00 23010000 bc"), (1, 3)),  # no end
        (wire(2)[:-6], (1, 3)),
        (wire(2)[:5] + wire(2), (1, 2, 3)),
        (b"noise", (3,)),  # a frame right before noise is rejected
    ],
)
def test_search_continues_one_byte_after_a_bad_frame(damage: bytes, numbers: tuple[int, ...]) -> None:
    decoder = Decoder()
    batch = feed(decoder, [wire(1) + damage + wire(3)])
    assert [frame.can_id - 0x100 for frame in batch.frames] == list(numbers)
    assert (decoder.bad, len(batch.rejected)) == (1, 1)


def test_zero_stamps_give_times_of_arrival() -> None:
    decoder = Decoder()
    for number in range(100):
        arrival_us = 1_000_000 + number * 10_000
        (frame,) = decoder.feed(encode(CanFrame(0, 0, 0x123, b"")), arrival_us).frames
        assert arrival_us - frame.t_us <= (20_000 if number < 4 else 0)


@pytest.mark.parametrize(
    ("can_id", "data"), [(0x800, b""), (0x123, bytes(9)), (0x123 | FD_FLAG, b""), (0x800 | RTR_FLAG, b"")]
)
def test_frames_it_cannot_carry(can_id: int, data: bytes) -> None:
    with pytest.raises(WireError):
        encode(CanFrame(0, 0, can_id, data))


def test_there_is_nothing_to_open() -> None:
    assert run_opening(opening()).sent == []
