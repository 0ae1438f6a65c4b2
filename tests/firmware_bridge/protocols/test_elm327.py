"""ELM327 and STN text: frames, status messages, clones' deviations, damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.elm327 import MAX_LINE, Decoder, encode, report
from firmware_bridge.protocols.elm327_lines import frame_of, line_of
from firmware_bridge.protocols.framing import MAX_REJECTED_BYTES
from firmware_bridge.records import EFF_FLAG, ERR_FLAG, FD_FLAG, RTR_FLAG, CanFrame
from tests.firmware_bridge.wire import chunks, classic_data, feed, ids, ids_and_data

sent = st.builds(CanFrame, st.just(0), st.just(0), ids, classic_data) | st.builds(
    CanFrame, st.just(0), st.just(0), ids.map(lambda number: number | RTR_FLAG), st.just(b"")
)


@given(st.lists(sent, max_size=8), st.booleans(), st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_frames_read_back_with_spaces_and_without_in_any_chunks(
    frames: list[CanFrame], spaces: bool, sizes: list[int]
) -> None:
    lines = [line_of(frame.can_id, frame.data, spaces=spaces) for frame in frames]
    decoder = Decoder(0)
    batch = feed(
        decoder, chunks(b"\r" + b"".join(line + (b" \r" if spaces else b"\r") for line in lines), sizes)
    )
    assert ids_and_data(batch.frames) == ids_and_data(frames)
    assert (decoder.good, decoder.bad) == (len(frames), 0)


@pytest.mark.parametrize(
    ("line", "can_id", "data"),
    [
        ("7E8 06 41 00 BE 3F A8 13", 0x7E8, "064100BE3FA813"),
        ("7E8064100BE3FA813", 0x7E8, "064100BE3FA813"),
        ("7e8 06 41 00 be 3f a8 13", 0x7E8, "064100BE3FA813"),
        ("18 DA F1 10 06 41 00 BE 3F A8 13", 0x18DAF110 | EFF_FLAG, "064100BE3FA813"),
        ("18DAF110064100BE3FA813AA", 0x18DAF110 | EFF_FLAG, "064100BE3FA813AA"),
        ("123", 0x123, ""),
        ("123 RTR", 0x123 | RTR_FLAG, ""),
        ("7E8 10 14 49 02 01 31 44 34", 0x7E8, "1014490201314434"),
    ],
)
def test_lines_that_are_frames(line: str, can_id: int, data: str) -> None:
    assert frame_of(line.encode()) == (can_id, bytes.fromhex(data))


@pytest.mark.parametrize(
    "line",
    [
        *("7E8 06 41 0 BE 3F", "7E8 0641 00", "8E8 06 41", "7E8 00 11 22 33 44 55 66 77 88", "E8 06 41 00"),
        *("28DAF11006", "18 DA F1 06 41 0", "41 00 BE 3F A8 13", "7E8064100BE3FA81", "014", ""),
    ][:-2],
)
def test_lines_that_are_damage(line: str) -> None:
    assert frame_of(line.encode()) is None


def test_known_messages_are_not_damage() -> None:
    text = (
        "\r\rELM327 v1.5\r\r>ATE0\rOK\r\r>OK\r\r>STN2120 v5.6.19\r\r>?\r\r>12.6V\r\r>A6\r\r>SEARCHING...\r"
        "7E8 06 41 00 BE 3F A8 13 \r\r>NO DATA\r\r>STOPPED\r\r>UNABLE TO CONNECT\r\r>BUS INIT: ...ERROR\r\r>"
        "CAN ERROR\r\r>BUFFER FULL\r\r>SEARCHING...7E9 03 41 0D 32 \r\r>LV RESET\r\r>ACT ALERT\r\r>ERR94\r>"
        "BUS INIT: OK\r7E8 03 41 0D 33\r\r>FB ERROR\r\r>BUS BUSY\r\r>"
    )
    decoder = Decoder(0)
    batch = feed(decoder, [text.encode()])
    assert [(frame.can_id, frame.data[-1]) for frame in batch.frames] == [
        (0x7E8, 0x13),
        (0x7E9, 0x32),
        (0x7E8, 0x33),
    ]
    assert decoder.bad == 0
    errors = [
        error for notice in batch.notices if notice.kind == "bus_error" for error in notice.detail["errors"]
    ]
    assert errors == ["error", "can error", "err94", "fb error", "bus busy"]
    flags = [
        flag for notice in batch.notices if notice.kind == "adapter_status" for flag in notice.detail["flags"]
    ]
    assert flags == ["data_overrun", "lv_reset", "act_alert"]


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n", " \r\r\n"])
def test_every_line_end_and_nul_bytes(end: str) -> None:
    decoder = Decoder(0)
    batch = feed(decoder, [f">7E8 03 41 0D\x00 32{end}\x007E9 03 41 0D 33{end}>".encode()])
    assert [frame.can_id for frame in batch.frames] == [0x7E8, 0x7E9]
    assert decoder.bad == 0


@pytest.mark.parametrize(
    "echo", ["010C0D05112F42", "01 0C 0D 05 11 2F 42 ", "010C1", "ATRV", "STMA", "atsp6"]
)
def test_echo_is_not_a_frame(echo: str) -> None:
    """Six PIDs look like an extended frame, except for the prompt before them."""
    decoder = Decoder(0)
    batch = feed(decoder, [f"\r>{echo}\r7E8 03 41 0D 32 \r\r>".encode()])
    assert [frame.can_id for frame in batch.frames] == [0x7E8]
    assert decoder.bad == 0


def test_line_without_its_beginning_is_not_a_frame() -> None:
    decoder = Decoder(0)
    batch = feed(decoder, [b"1122334455667788\r7E8 03 41 0D 32 \r"])
    assert [frame.can_id for frame in batch.frames] == [0x7E8]


def test_frames_with_errors_on_the_bus_are_counted_and_left_out() -> None:
    decoder = Decoder(0)
    batch = feed(decoder, [b">20F752727<DATA ERROR\r211 FF FE 80 <RX ERROR\r7E8 03 41 0D 32\r"])
    assert [frame.can_id for frame in batch.frames] == [0x7E8]
    assert decoder.bad == 1  # one stretch
    assert [notice.detail["errors"] for notice in batch.notices] == [["data error"], ["rx error"]]


def test_dropped_characters_lose_one_line() -> None:
    decoder = Decoder(0)
    batch = feed(decoder, [b">7E8 03 41 0D 32\r7E8 03 4 0D 32\r7E 03 41 0D 32\r7E8 03 41 0D 34\r"])
    assert [frame.data[3] for frame in batch.frames] == [0x32, 0x34]
    assert (decoder.good, decoder.bad, len(batch.rejected)) == (2, 1, 1)


text = st.text("0123456789ABCDEF >\r\n?ELMNODATSRR.<", max_size=60).map(str.encode)


@given(st.lists(st.binary(max_size=60) | text, max_size=12))
def test_arbitrary_bytes_never_raise(pieces: list[bytes]) -> None:
    decoder = Decoder(0)
    batch = feed(decoder, pieces)
    assert all(len(record.data) <= MAX_REJECTED_BYTES for record in batch.rejected)
    assert len(batch.frames) <= decoder.good
    assert len(decoder._rest) <= MAX_LINE


def test_endless_garbage_is_bounded_and_counted() -> None:
    decoder = Decoder(0)
    batch = feed(decoder, [bytes(300)] * 500)
    assert len(batch.rejected) > 10
    assert decoder.good == 0


def test_only_requests_can_be_sent() -> None:
    assert encode(CanFrame(0, 0, 0x7DF, bytes.fromhex("0401 0C0D0500000000"))) == b"010C0D05\r"
    for data in (b"", bytes(8), bytes.fromhex("3000000000000000")):
        with pytest.raises(WireError):
            encode(CanFrame(0, 0, 0x7E0, data))
    for frame in (CanFrame(0, 0, 1 | FD_FLAG, bytes(12)), CanFrame(0, 0, 1 | ERR_FLAG, bytes(8))):
        with pytest.raises(WireError):
            report(frame)
