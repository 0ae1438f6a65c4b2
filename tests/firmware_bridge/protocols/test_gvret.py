"""GVRET: frames whole and in pieces, answers, a capture from the field, resynchronisation."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.gvret import COMMAND, FD_FRAME, FRAME, Decoder, encode, report
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.examples import examples
from tests.firmware_bridge.wire import chunks, feed, frames

FIELD_CASES = Path(__file__).parents[2] / "field_cases" / "can"
FIELD = bytes.fromhex(
    "f1 0c 02 f1 06 01 20 a1 07 00 01 20 a1 07 00 f1 07 6a 02 20 00 00 00 f1 01 a6 c2 26 00"
)
CASES = [
    ("f1 00 78563412 23010000 02 aabb 00", 0x123, 0, b"\xaa\xbb"),
    ("f1 00 00000000 ff070000 00 00", 0x7FF, 0, b""),
    ("f1 00 ffffffff f110da98 18 f1f1f1f1f1f1f1f1 00", 0x18DA_10F1 | EFF_FLAG, 1, b"\xf1" * 8),
    ("f1 14 00000000 23010000 0c 02 " + "00" * 12 + "00", 0x123 | FD_FLAG, 2, bytes(12)),
    ("f1 14 00000000 f110da98 03 0f f10001 00", 0x18DA_10F1 | EFF_FLAG | FD_FLAG, 15, b"\xf1\x00\x01"),
]


@pytest.mark.parametrize(("wire", "can_id", "bus", "data"), CASES)
def test_each_kind_of_frame(wire: str, can_id: int, bus: int, data: bytes) -> None:
    whole = bytes.fromhex(wire)
    trailing = bytes.fromhex("f1 00 01000000 01")
    for pieces in ([whole], chunks(whole, [1]), [whole + trailing]):
        decoder = Decoder(bus=32)
        batch = feed(decoder, pieces)
        assert [frame[1:] for frame in batch.frames] == [(32 + bus, can_id, data)]
        assert (decoder.good, decoder.bad) == (1, 0)
    batch = feed(decoder, [bytes.fromhex("000000 00 00")])
    assert [frame[1:] for frame in batch.frames] == [(32, 1, b"")]


@examples(100)
@given(frames("gvret"), st.integers(0, 2**40), st.integers(0, 15))
def test_the_decoder_gives_what_the_construct_gives(frame: CanFrame, t_us: int, bus: int) -> None:
    wire = report(frame._replace(t_us=t_us, bus=bus))
    for count in (1, 7):  # seven equal frames take the C path
        batch = feed(Decoder(), [wire * count])
        if frame.can_id & FD_FLAG:
            fields = FD_FRAME.parse(wire)
            expected = (fields.bus, fields.can_id | FD_FLAG, fields.data)
        else:
            fields = FRAME.parse(wire)
            expected = (fields.size.bus, fields.can_id, fields.data)
        assert fields.stamp == t_us % 2**32
        assert [frame[1:] for frame in batch.frames] == [expected] * count
        assert expected == (bus, frame.can_id, frame.data)


@examples(100)
@given(st.lists(frames("gvret"), max_size=5), st.integers(0, 400), st.integers(0, 255), st.binary(max_size=8))
def test_every_decoded_frame_is_valid_for_the_construct(
    sent: list[CanFrame], place: int, value: int, noise: bytes
) -> None:
    """The bytes of each decoded frame are in the stream, even a damaged one."""
    wire = bytearray(noise + b"".join(map(report, sent)))
    if wire:
        wire[place % len(wire)] = value
    for frame in feed(Decoder(), [bytes(wire)]).frames:
        assert report(frame)[6:-1] in bytes(wire)[6:]


def test_the_capture_from_the_field_is_clean() -> None:
    for pieces in ([FIELD], chunks(FIELD, [1]), chunks(FIELD, [5, 2])):
        decoder = Decoder()
        batch = feed(decoder, pieces)
        assert (list(batch.frames), batch.rejected, decoder.good, decoder.bad) == ([], [], 0, 0)
        assert [dict(notice.detail) for notice in batch.notices] == [
            {"buses": 2},
            {"bitrates": [500_000, 500_000]},
            {"build": 0x26A},
        ]


def test_every_answer_among_frames() -> None:
    frame = report(CanFrame(0, 0, 0x123, b"\x01"))
    answers = (FIELD, bytes.fromhex("f1 09 de ad"), bytes.fromhex("f1 0d") + bytes(15))
    decoder = Decoder()
    batch = feed(decoder, [frame + frame.join(answers) + frame])
    assert (len(batch.frames), batch.rejected, decoder.bad) == (4, [], 0)


def wire(*numbers: int) -> bytes:
    return b"".join(report(CanFrame(0, 0, 0x100 + number, bytes([number] * 8))) for number in numbers)


@pytest.mark.parametrize(
    ("damage", "numbers"),
    [
        (b"\xf1", (1, 3)),  # a lone start
        (b"\xf1\x00\x00", (1, 3)),
        (bytes.fromhex("f1 00 00000000 23010000 09"), (1, 3)),  # an impossible length
        (bytes.fromhex("f1 00 00000000 23010040 00 00"), (1, 3)),  # an impossible identifier
        (bytes.fromhex("f1 14 00000000 23010000 0900") + bytes(10), (1, 3)),  # an impossible FD length
        (bytes.fromhex("f1 14 00000000 23010000 0010") + bytes(1), (1, 3)),  # a seventeenth bus
        (bytes.fromhex("f1 55 00"), (1, 3)),  # an unknown command
        (bytes.fromhex("f1 09 de ae"), (1, 3)),
        (wire(2)[:-6], (1, 3)),  # truncated
        (wire(2)[:9] + wire(2), (1, 2, 3)),  # a truncated frame before the whole one
        (b"Done initializing\r\n", (3,)),  # a frame right before noise is rejected
    ],
)
def test_search_continues_one_byte_after_a_bad_frame(damage: bytes, numbers: tuple[int, ...]) -> None:
    decoder = Decoder()
    batch = feed(decoder, [wire(1) + damage + wire(3)])
    assert [frame.can_id - 0x100 for frame in batch.frames] == list(numbers)
    assert (decoder.bad, len(batch.rejected)) == (1, 1)
    assert damage[:9] in batch.rejected[0].data


@pytest.mark.parametrize("can_id", ["00080000", "ffffff1f", "00000020", "00000040", "000000a0"])
def test_a_run_of_impossible_identifiers(can_id: str) -> None:
    run = bytes.fromhex(f"f1 00 00000000 {can_id} 00 00") * 6
    decoder = Decoder()
    assert feed(decoder, [run]).frames == []
    assert decoder.bad == 1


@pytest.mark.parametrize(
    ("can_id", "bus", "data"),
    [
        (0x800, 0, b""),
        (0x123, 0, bytes(9)),
        (0x123, 16, b""),
        (0x123, -1, b""),
        (0x123 | FD_FLAG, 0, bytes(10)),
        (0x123 | FD_FLAG | BRS_FLAG, 0, b""),
        (0x123 | RTR_FLAG, 0, b""),
        (0x123 | ERR_FLAG, 0, b""),
    ],
)
def test_frames_it_cannot_carry(can_id: int, bus: int, data: bytes) -> None:
    for build in (report, encode):
        with pytest.raises(WireError):
            build(CanFrame(0, bus, can_id, data))


def test_a_frame_to_send() -> None:
    sent = encode(CanFrame(0, 1, 0x18DB_33F1 | EFF_FLAG, b"\x02\x01\x0c"))
    assert sent == bytes.fromhex("f1 00 f133db98 01 03 02010c 00")
    assert COMMAND.parse(sent).data == b"\x02\x01\x0c"
    with pytest.raises(WireError, match="transmit an FD frame"):
        encode(CanFrame(0, 0, 0x123 | FD_FLAG, b""))
    with pytest.raises(WireError, match="no bus 4"):
        encode(CanFrame(0, 4, 0x123, b""))


def test_closing_byte_is_ignored() -> None:
    """A WiCAN sends any value from its buffer, ESP32RET 00. The same applies to FD frames."""
    for closing in (0x00, 0xAB, 0xF1, 0xFF):
        classic = [wire(number)[:-1] + bytes([closing]) for number in range(6)]
        fd = report(CanFrame(0, 1, 0x123 | FD_FLAG, bytes(16)))[:-1] + bytes([closing])
        for pieces in (classic, [b"".join(classic)], chunks(b"".join(classic), [5, 1, 30])):
            decoder = Decoder()
            assert len(feed(decoder, pieces).frames) == 6
            assert decoder.bad == 0
        assert len(feed(Decoder(), [fd + classic[0] + fd]).frames) == 3


def test_the_capture_of_a_wican() -> None:
    capture = (FIELD_CASES / "wican_gvret_checksum.bin").read_bytes()
    for pieces in ([capture], chunks(capture, [1]), chunks(capture, [7, 64])):
        decoder = Decoder()
        decoded = feed(decoder, pieces).frames
        assert [frame.can_id for frame in decoded] == list(range(0x100, 0x114))
        assert decoder.bad == 0
