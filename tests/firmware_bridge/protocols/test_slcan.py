"""SLCAN: every kind of line whole and in pieces, dialects, fast paths against the construct."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.framing import MAX_REJECTED_BYTES, MAX_STRETCH_BYTES
from firmware_bridge.protocols.slcan import (
    MAX_HEADS,
    MAX_LINE,
    Decoder,
    encode,
    parse,
    report,
)
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, ERR_FLAG, ESI_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.examples import examples
from tests.firmware_bridge.wire import T_US, chunks, feed, frames, ids_and_data

LINES = [
    (b"t1230\r", 0x123, b""),
    (b"t7FF81122334455667788\r", 0x7FF, bytes.fromhex("1122334455667788")),
    (b"t1ab2cdef\r", 0x1AB, b"\xcd\xef"),  # ESP32RET's lower case
    (b"T1ABCDEF02AA55\r", 0x1ABC_DEF0 | EFF_FLAG, b"\xaa\x55"),
    (b"T000001230\r", 0x123 | EFF_FLAG, b""),
    (b"r1238\r", 0x123 | RTR_FLAG, bytes(8)),
    (b"r1230\r", 0x123 | RTR_FLAG, b""),
    (b"R1FFFFFFF3\r", 0x1FFF_FFFF | EFF_FLAG | RTR_FLAG, bytes(3)),
    (b"d1233AABBCC\r", 0x123 | FD_FLAG, b"\xaa\xbb\xcc"),
    (b"d1239" + b"5A" * 12 + b"\r", 0x123 | FD_FLAG, b"\x5a" * 12),
    (b"b7E8F" + b"01" * 64 + b"\r", 0x7E8 | FD_FLAG | BRS_FLAG, b"\x01" * 64),
    (b"D18DAF110A" + b"02" * 16 + b"\r", 0x18DA_F110 | EFF_FLAG | FD_FLAG, b"\x02" * 16),
    (b"B18DAF110D" + b"03" * 32 + b"\r", 0x18DA_F110 | EFF_FLAG | FD_FLAG | BRS_FLAG, b"\x03" * 32),
    (b"d12311E0\r", 0x123 | FD_FLAG, b"\x1e"),  # marks the sender as error active
    (b"d12311E1\r", 0x123 | FD_FLAG | ESI_FLAG, b"\x1e"),
    (b"b12311ES\r", 0x123 | FD_FLAG | BRS_FLAG | ESI_FLAG, b"\x1e"),  # CANable 2.5
]


@pytest.mark.parametrize(("line", "can_id", "data"), LINES)
def test_each_kind_of_line(line: bytes, can_id: int, data: bytes) -> None:
    trailing = b"t55518"
    for pieces in ([line], chunks(line, [1]), [line + trailing, b"8\r"]):
        decoder = Decoder(bus=3)
        batch = feed(decoder, pieces)
        assert batch.frames[0][1:] == (3, can_id, data)
        assert (decoder.good, decoder.bad) == (1 + (pieces[0] == line + trailing), 0)
    assert parse(line) == (can_id, data, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"t12381122334455667\r",  # a digit is missing
        b"t123811223344556677889\r",  # a digit too many
        b"t1231GG\r",
        b"t12 0\r",
        b"t+120\r",
        b"t0x10\r",
        b"t8000\r",  # no standard identifier is above 7FF
        b"T200000000\r",
        b"t1239112233445566778899\r",  # classic frames have 8 bytes at most
        b"r123F\r",
        b"x1230\r",
        b"t123\r",
        b"d12311111\r",  # two digits after the data have no meaning
    ],
)
def test_lines_that_are_not_frames(line: bytes) -> None:
    decoder = Decoder()
    batch = feed(decoder, [b"t1000\r", line, b"t1000\r"])
    assert ids_and_data(batch.frames) == [(0x100, b"")] * 2
    assert [record.data for record in batch.rejected] == [line]
    assert decoder.bad == 1
    with pytest.raises(WireError):
        parse(line)


@examples(150)
@given(frames("slcan"), st.sampled_from((0, 4, 8)), st.integers(0, 2**40), st.booleans())
def test_built_then_parsed_is_the_same(frame: CanFrame, digits: int, t_us: int, lower: bool) -> None:
    line = report(frame._replace(t_us=t_us), digits)
    if lower:
        line = line[:1] + line[1:].lower()
    can_id, data, stamp = parse(line, digits)
    assert (can_id, data) == (frame.can_id, frame.data)
    assert stamp == {0: 0, 4: t_us // 1000 % 60_000, 8: t_us % 3_600_000_000}[digits]


def primed(digits: int) -> Decoder:
    """A decoder that has learned the number of stamp digits."""
    decoder = Decoder()
    decoder.feed(report(CanFrame(0, 0, 1, b""), digits), 0)
    return decoder


@examples(150)
@given(st.lists(st.tuples(frames("slcan"), st.integers(1, 6))), st.sampled_from((0, 4, 8)), st.booleans())
def test_all_paths_agree_with_the_construct(
    runs: list[tuple[CanFrame, int]], digits: int, lower: bool
) -> None:
    """C code decodes runs of equal lines, the table of heads all others."""
    lines = [report(frame, digits) for frame, times in runs for _ in range(times)]
    lines = [line[:1] + line[1:].lower() if lower else line for line in lines]
    batch = primed(digits).feed(b"".join(lines), 1_000)
    assert ids_and_data(batch.frames) == [parse(line, digits)[:2] for line in lines]


changed_line = st.tuples(
    frames("slcan"), st.integers(0, 199), st.sampled_from("0189AFafGgtTrRdDbBzZ sS\x00").map(str.encode)
)


@examples(200)
@given(changed_line, st.sampled_from((0, 4, 8)))
def test_changed_line_agrees_with_the_construct(change: tuple[CanFrame, int, bytes], digits: int) -> None:
    frame, place, letter = change
    line = report(frame, digits)
    place %= len(line) - 1
    line = line[:place] + letter + line[place + 1 :]
    batch = primed(digits).feed(line, 1_000)
    try:
        expected = [parse(line, digits)[:2]]
    except WireError:
        # The decoder may find a complete frame inside, and accepts CANable 2's remote frames with data.
        inside = {parsed(line[n:], digits) for n in range(1, len(line))}
        inside |= {parsed(line[:n] + b"\r", digits) for n in range(len(line))}
        assert all(frame in inside or frame[0] & RTR_FLAG for frame in ids_and_data(batch.frames))
    else:
        assert ids_and_data(batch.frames) == expected


def parsed(line: bytes, digits: int) -> tuple[int, bytes] | None:
    try:
        return parse(line, digits)[:2]
    except WireError:
        return None


@examples(200)
@given(
    st.binary(min_size=1, max_size=8),
    st.sampled_from((0x123, 0x18DA_F110 | EFF_FLAG)),
    st.sampled_from((0, 4, 8)),
    st.integers(0, 1_000),
    st.sampled_from("0189AFGtTrRdDbBzZ\r\n\a\x00 \t\v\f_+\x85\xa0").map(lambda text: text.encode("latin-1")),
    st.booleans(),
)
def test_a_whole_chunk_is_the_same_as_its_lines(
    data: bytes, can_id: int, digits: int, place: int, letter: bytes, is_mixed: bool
) -> None:
    """The fast paths must detect one changed byte anywhere in otherwise good lines, of one kind or of several."""
    lines = [report(CanFrame(0, 0, can_id, data), digits)] * 6
    if is_mixed:
        lines[1:4] = [report(CanFrame(0, 0, number, b"\x7f"), digits) for number in (0x7FF, 0x700, 0x1FF)]
    wire = b"".join(lines)
    place %= len(wire)
    wire = wire[:place] + letter + wire[place + 1 :]
    at_once, by_byte = primed(digits), primed(digits)
    feed(at_once, lines)
    feed(by_byte, lines)
    assert ids_and_data(feed(at_once, [wire]).frames) == ids_and_data(feed(by_byte, chunks(wire, [1])).frames)
    assert (at_once.good, at_once.bad) == (by_byte.good, by_byte.bad)


@pytest.mark.parametrize(("good", "bad"), [(b"t7FF0\r", b"t8000\r"), (b"T1FFFFFFF0\r", b"T200000000\r")])
def test_impossible_identifiers_in_a_uniform_chunk(good: bytes, bad: bytes) -> None:
    batch = feed(Decoder(), [good, good * 5 + bad + good * 5])
    assert (len(batch.frames), [record.data for record in batch.rejected]) == (11, [bad])


def test_answers_and_states_become_notices() -> None:
    text = (
        b"sb256000\r" b"e2aO\r" b"F84\r" b"V1013\n" b"ESP32RET\n" b"v0107\r" b"NA123\r" b"E3400F800\r"
        b"+Board: Multiboard\tMCU: STM32G431\r" b"#2\r" b"\a"
    )  # fmt: skip
    for pieces in ([text], chunks(text, [1])):
        decoder = Decoder()
        batch = feed(decoder, pieces)
        assert [(notice.kind, dict(notice.detail)) for notice in batch.notices] == [
            ("bus_state", {"state": "off", "rx_errors": 256, "tx_errors": 0}),
            ("bus_error", {"errors": ["ack", "tx_overrun"]}),
            ("adapter_status", {"flags": ["error_warning", "bus_error"]}),
            ("adapter_answer", {"answer": "V1013"}),
            ("adapter_answer", {"answer": "ESP32RET"}),
            ("adapter_answer", {"answer": "v0107"}),
            ("adapter_answer", {"answer": "NA123"}),
            ("bus_error", {"report": "3400F800"}),
            ("adapter_answer", {"answer": "+Board: Multiboard\tMCU: STM32G431"}),
            ("adapter_refused", {"answer": "#2"}),
            ("adapter_refused", {"answer": ""}),
        ]
        assert decoder.bad == 0


@pytest.mark.parametrize("quiet", [b"\r", b"z\r", b"Z\r", b"#\r", b"M01\r", b"L7\r", b"\n", b"\r\n"])
def test_acknowledgements_give_no_notice(quiet: bytes) -> None:
    decoder = Decoder()
    batch = feed(decoder, [b"t1230\r" + quiet + b"t1240\r"])
    assert ids_and_data(batch.frames) == [(0x123, b""), (0x124, b"")]
    assert (batch.rejected, batch.notices) == ([], [])


@pytest.mark.parametrize("wrong", [b"e3aO\r", b"sx000000\r", b"sa00000\r", b"FG0\r", b"e1x\r"])
def test_invalid_answers_are_damage(wrong: bytes) -> None:
    batch = feed(Decoder(), [wrong, b"t1230\r"])
    assert (len(batch.frames), len(batch.rejected), batch.notices) == (1, 1, [])


def test_an_echo_of_a_frame_sent_is_a_frame() -> None:
    """Nakakiyo's firmware puts z before it, others acknowledge without a CR; in both cases it was on the bus."""
    batch = feed(Decoder(), [b"zt1231AA\r", b"ZT000001230\r"])
    assert ids_and_data(batch.frames) == [(0x123, b"\xaa"), (0x123 | EFF_FLAG, b"")]


def test_stock_canable2_sends_data_with_a_remote_frame() -> None:
    batch = feed(Decoder(), [b"t1231AA\r", b"r12321122\r", b"r12381122334455667788\r", b"r1232\r"])
    assert [frame.data for frame in batch.frames] == [b"\xaa", bytes(2), bytes(8), bytes(2)]
    assert not batch.rejected


def test_both_line_ends_of_crlf_count_once() -> None:
    batch = feed(Decoder(), chunks(b"t1231AA\r\n" * 20, [7]))
    assert (len(batch.frames), batch.rejected) == (20, [])


def test_new_stamp_length_is_accepted_from_the_second_line() -> None:
    """A bit error in the length digit looks like a stamp on one line; `Z1` adds one to every line."""
    decoder = Decoder()
    plain = b"t12381122334455667788\r"
    batch = feed(decoder, [plain, b"t12361122334455667788\r", plain])
    assert (len(batch.frames), len(batch.rejected)) == (2, 1)
    stamped = b"t123811223344556677880010\r"
    batch = feed(decoder, [stamped, stamped, stamped])
    assert (len(batch.frames), len(batch.rejected)) == (2, 1)
    batch = feed(decoder, [b"t1238112233445566778800000010\r" * 9 + plain * 9], T_US + 100_000)
    assert (len(batch.frames), len(batch.rejected)) == (16, 2)
    times = [frame.t_us for frame in batch.frames]
    assert times == sorted(times)
    # The first line of a block confirms stamps that the other lines do not have.
    batch = feed(decoder, [stamped, stamped + plain * 6])
    assert (len(batch.frames), len(batch.rejected)) == (6, 2)
    assert len(batch.frames.times_us) == len(batch.frames.datas)


def test_the_table_of_heads_is_bounded() -> None:
    decoder = Decoder()
    for number in range(MAX_HEADS + 10):
        decoder.feed(b"T%08X0\r" % number, number)
    assert decoder.good == MAX_HEADS + 10
    assert len(decoder._heads) <= MAX_HEADS


@pytest.mark.parametrize("size", [1, 300, 10_000])
def test_endless_line_is_rejected_except_its_last_frame(size: int) -> None:
    decoder = Decoder()
    decoder.feed(b"t1230\r", 0)
    noise = b"\x80" * (MAX_STRETCH_BYTES + 2 * MAX_LINE)
    batch = feed(decoder, chunks(noise + b"t4561AA\r", [size]))
    assert len(decoder._rest) <= MAX_LINE
    assert ids_and_data(batch.frames) == [(0x456, b"\xaa")]
    stretch = ("overlong", noise[:MAX_REJECTED_BYTES])
    assert [(record.reason, record.data) for record in batch.rejected] == [stretch, stretch]


@pytest.mark.parametrize(
    ("can_id", "data"),
    [
        (0x800, b""),
        (0x123, bytes(9)),
        (0x123 | FD_FLAG, bytes(9)),
        (0x123 | RTR_FLAG | FD_FLAG, b""),
        (0x123 | RTR_FLAG, bytes(12)),
        (0x123 | ERR_FLAG, b""),
        (0x123 | BRS_FLAG, b""),
        (0x123 | FD_FLAG | ESI_FLAG, b""),
    ],
)
def test_frames_that_cannot_be_sent(can_id: int, data: bytes) -> None:
    with pytest.raises(WireError):
        encode(CanFrame(0, 0, can_id, data))
