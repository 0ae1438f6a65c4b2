"""ISO-TP: frames to payloads and back; no input raises, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine.isotp import (
    MAX_LENGTH,
    MAX_SOURCES,
    Reassembler,
    first_length,
    frames_of,
    single_payload,
)


@given(st.binary(min_size=1, max_size=MAX_LENGTH), st.sampled_from([b"\x00", b"\x55", b"\xcc"]))
def test_a_message_reads_back_from_its_frames(payload: bytes, padding: bytes) -> None:
    frames = Reassembler()
    *begun, last = [frames.feed(0, (0, 1), data) for data in frames_of(payload, padding)]
    assert set(begun) <= {None}
    assert last == payload
    assert (frames.bad, frames.dropped) == (0, 0)


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        ("03 41 0D 50 00 00 00 00", "41 0D 50"),
        ("03 41 0D 50", "41 0D 50"),
        ("07 41 0C 1A F8 0D 32 11", "41 0C 1A F8 0D 32 11"),
        ("00 09 41 0C 1A F8 0D 32 11 FF 05 AA", "41 0C 1A F8 0D 32 11 FF 05"),  # CAN FD
        ("03 41 0D", None),
        ("00 00 00 00 00 00 00 00", None),
        ("08 41 0C 1A F8 0D 32 11", None),
        ("10 09 41 0C 1A F8 0D 32", None),
        ("", None),
    ],
)
def test_single_frames(data: str, payload: str | None) -> None:
    assert single_payload(bytes.fromhex(data)) == (None if payload is None else bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("data", "length"),
    [
        ("10 09 41 0C 1A F8 0D 32", 9),
        ("1F FF 41 0C 1A F8 0D 32", 4095),
        ("10 06 41 0C 1A F8 0D 32", None),  # would have been a single frame
        ("10 00 00 00 10 00 41 0C", None),
        ("10 09 41 0C 1A F8 0D", None),
        ("20 09 41 0C 1A F8 0D 32", None),
    ],
)
def test_first_frames(data: str, length: int | None) -> None:
    assert first_length(bytes.fromhex(data)) == length


def test_overlong_message_is_ignored() -> None:
    frames = Reassembler()
    assert {frames.feed(0, (0, 1), data) for data in frames_of(bytes(MAX_LENGTH + 1))} == {None}
    assert (frames.bad, frames.dropped) == (0, 0)


def test_new_message_drops_the_unfinished_one() -> None:
    frames, first = Reassembler(), frames_of(bytes(20))[0]
    frames.feed(0, (0, 1), first)
    assert frames.feed(0, (0, 1), bytes.fromhex("03 41 0D 50")) == bytes.fromhex("41 0D 50")
    assert frames.dropped == 1


def test_unfinished_messages_are_bounded() -> None:
    frames, first = Reassembler(), frames_of(bytes(20))[0]
    for source in range(3 * MAX_SOURCES):
        frames.feed(0, (0, source), first)
        frames.feed(0, (1, source), b"\x25")
    assert len(frames._unfinished) + len(frames._broken) <= 2 * MAX_SOURCES
    assert frames.dropped == 5 * MAX_SOURCES


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=64)), max_size=50))
def test_no_frame_raises(pieces: list[tuple[int, bytes]]) -> None:
    frames = Reassembler()
    for source, data in pieces:
        payload = frames.feed(0, (0, source), data)
        assert payload is None or payload
    assert frames.bad + frames.dropped <= 2 * len(pieces)
