"""RealDash: 44, 66 and 55, whole and in pieces; CRC, plausibility, frames it cannot carry."""

from __future__ import annotations

import zlib

import pytest
from construct import ConstructError
from hypothesis import given

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.realdash import FRAME_44, FRAME_66, MAX_TEXT, TEXT_55, Decoder, encode, opening
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.examples import examples
from tests.firmware_bridge.dialogues import run_opening
from tests.firmware_bridge.wire import chunks, feed, frames, ids_and_data


def checked(body: str) -> bytes:
    """A 66 with the correct CRC."""
    wire = bytes.fromhex("663322" + body)
    return wire + zlib.crc32(wire).to_bytes(4, "little")


CASES = [
    (bytes.fromhex("44332211 23010000 0102030405060708"), 0x123, bytes(range(1, 9))),
    (
        bytes.fromhex("44332211 800c0000 4433221166332211"),
        0xC80 | EFF_FLAG,
        bytes.fromhex("4433221166332211"),
    ),
    (checked("11 23010000" + "aa" * 8), 0x123, b"\xaa" * 8),
    (checked("12 23010000" + "aa" * 12), 0x123 | FD_FLAG, b"\xaa" * 12),
    (checked("1f f110da18" + "44332211" * 16), 0x18DA_10F1 | EFF_FLAG | FD_FLAG, b"\x44\x33\x22\x11" * 16),
]


@pytest.mark.parametrize(("wire", "can_id", "data"), CASES)
def test_each_kind_of_frame(wire: bytes, can_id: int, data: bytes) -> None:
    trailing = FRAME_44.build({"number": 5, "data": bytes(8)})
    for pieces in ([wire], chunks(wire, [1]), [wire + trailing[:9], trailing[9:]]):
        decoder = Decoder(bus=2)
        batch = feed(decoder, pieces)
        assert batch.frames[0][1:] == (2, can_id, data)
        assert (decoder.good, decoder.bad) == (1 + (pieces[0] != wire[:1] and len(pieces) == 2), 0)


@examples(100)
@given(frames("realdash"))
def test_the_decoder_gives_what_the_construct_gives(frame: CanFrame) -> None:
    wire = encode(frame)
    fields = FRAME_66.parse(wire).body.value if frame.can_id & FD_FLAG else FRAME_44.parse(wire)
    assert (fields.number, fields.data) == (frame.can_id & 0x1FFF_FFFF, frame.data)
    for count in (1, 7):  # seven equal 44s take the C path
        assert ids_and_data(feed(Decoder(), [wire * count]).frames) == ids_and_data([frame] * count)


@pytest.mark.parametrize("place", range(24))
def test_a_66_with_any_byte_changed_is_rejected(place: int) -> None:
    wire = bytearray(checked("12 23010000" + "aa" * 12))
    wire[place] ^= 0x04
    good = encode(CanFrame(0, 0, 0x7FF, bytes(8)))
    batch = feed(Decoder(), [bytes(wire) + good * 6])
    assert ids_and_data(batch.frames) == [(0x7FF, bytes(8))] * 6
    assert len(batch.rejected) == 1
    with pytest.raises(ConstructError):
        FRAME_66.parse(bytes(wire))


@pytest.mark.parametrize("size", [0x00, 0x0F, 0x10, 0x20, 0xFF])
def test_sizes_a_66_does_not_have(size: int) -> None:
    length = max((size - 15) * 4, 0)
    batch = feed(Decoder(), [checked(f"{size:02x} 23010000" + "aa" * length), CASES[0][0]])
    assert ids_and_data(batch.frames) == [(0x123, bytes(range(1, 9)))]
    assert len(batch.rejected) == 1


def test_identifier_of_more_than_29_bits_is_rejected() -> None:
    impossible = FRAME_44.build({"number": 0x2000_0000, "data": bytes(8)})
    assert feed(Decoder(), [impossible]).frames == []
    batch = feed(Decoder(), [CASES[0][0] * 5 + impossible + CASES[0][0] * 5])
    assert (len(batch.frames), len(batch.rejected)) == (10, 1)
    batch = feed(Decoder(), [checked("11 00000020" + "00" * 8) + CASES[0][0]])
    assert (len(batch.frames), len(batch.rejected)) == (1, 1)


def test_lost_byte_loses_one_frame() -> None:
    """A 44 without one byte would swallow the first byte of the next: no start follows it."""
    wire = [encode(CanFrame(0, 0, number, bytes([number] * 8))) for number in range(1, 5)]
    batch = feed(Decoder(), [wire[0] + wire[1][:-1] + wire[2] + wire[3]])
    assert [frame.can_id for frame in batch.frames] == [1, 3, 4]
    assert len(batch.rejected) == 1


@pytest.mark.parametrize("text", ["", "Oil 82 °C", "x" * (MAX_TEXT - 1)])
def test_a_text_is_a_notice(text: str) -> None:
    wire = TEXT_55.build({"number": 0xC80, "text": text})
    for pieces in ([CASES[0][0] + wire + CASES[0][0]], chunks(CASES[0][0] + wire + CASES[0][0], [1])):
        decoder = Decoder()
        batch = feed(decoder, pieces)
        assert (len(batch.frames), decoder.bad) == (2, 0)
        assert [(n.kind, dict(n.detail)) for n in batch.notices] == [
            ("device_text", {"id": 0xC80, "text": text})
        ]


@pytest.mark.parametrize(
    "text", [b"\xff\xfe\0", b"bell\a\0", b"half \xc3\0", b"x" * MAX_TEXT + b"\0", b"no end" * 50]
)
def test_invalid_text_is_damage(text: bytes) -> None:
    damage = bytes.fromhex("55332211 01000000") + text
    decoder = Decoder()
    batch = feed(decoder, [damage + CASES[0][0] * 20])
    assert (len(batch.frames), len(batch.rejected), batch.notices) == (20, 1, [])


@pytest.mark.parametrize(
    ("can_id", "data"),
    [
        (0x123, bytes(7)),
        (0x123, bytes(12)),
        (0x123 | EFF_FLAG, bytes(8)),  # would decode as a standard one
        (0x800, bytes(8)),
        (0x123 | FD_FLAG, bytes(8)),
        (0x123 | FD_FLAG, bytes(13)),
        (0x123 | FD_FLAG, bytes(68)),
        (0x123 | FD_FLAG | BRS_FLAG, bytes(12)),
        (0x123 | RTR_FLAG, bytes(8)),
        (0x123 | ERR_FLAG, bytes(8)),
    ],
)
def test_frames_it_cannot_carry(can_id: int, data: bytes) -> None:
    with pytest.raises(WireError):
        encode(CanFrame(0, 0, can_id, data))


def test_there_is_nothing_to_open() -> None:
    assert run_opening(opening()).sent == []
