"""The layout of OBD-II questions and answers, and the table of what the values mean."""

from __future__ import annotations

import pytest
from construct import ConstructError
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_bridge.engine.obd2_frames import (
    ANSWER,
    ANSWER_IDS,
    PIDS,
    REQUEST,
    SUPPORT_PIDS,
    Answer,
    answer,
    read_answer,
    request,
    supported,
)
from firmware_bridge.records import EFF_FLAG


def test_a_request_is_two_bytes_and_padding() -> None:
    assert request(0x0C) == bytes.fromhex("02 01 0C 00 00 00 00 00")


@given(st.integers(0, 255))
def test_a_request_reads_back(pid: int) -> None:
    assert REQUEST.parse(request(pid)).pid == pid


@given(st.integers(0, 255), st.binary(min_size=1, max_size=5), st.sampled_from([b"\x00", b"\x55", b"\xaa"]))
def test_an_answer_reads_back_whatever_pads_it(pid: int, value: bytes, padding: bytes) -> None:
    data = answer(pid, value)
    assert len(data) == 8
    assert read_answer(data) == Answer(pid, value)
    bare = data[: data[0] + 1]
    assert read_answer(bare + padding * (8 - len(bare))) == Answer(pid, value)
    assert read_answer(bare) == Answer(pid, value)


_nearly_answers = st.tuples(
    st.integers(0, 9), st.sampled_from([0x41, 0x7F, 0x62]), st.binary(max_size=8)
).map(lambda parts: bytes(parts[:2]) + parts[2])


@given(st.binary(max_size=10) | _nearly_answers)
@example(b"")
@example(bytes.fromhex("03 41 0D"))
@example(bytes.fromhex("02 41 0D 00 00 00 00 00"))
@example(bytes.fromhex("08 41 00 11 22 33 44 55 66"))
def test_reading_by_hand_equals_the_construct(data: bytes) -> None:
    try:
        parsed = ANSWER.parse(data)
        expected = Answer(parsed.pid, parsed.value)
    except ConstructError:
        expected = None
    assert read_answer(data) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("03 7F 01 12 00 00 00 00", "negative: service 01 refused"),
        ("10 14 49 02 01 31 44 34", "first frame of several"),
        ("21 47 50 30 30 52 35 35", "consecutive frame"),
        ("30 00 00 00 00 00 00 00", "flow control"),
        ("04 62 F4 0C 1A F8 00 00", "another service"),
        ("04 41 0C 1A", "cut short"),
        ("02 41 0C 00 00 00 00 00", "no value"),
    ],
)
def test_what_is_no_answer(data: str, why: str) -> None:
    assert read_answer(bytes.fromhex(data)) is None, why


@pytest.mark.parametrize(
    ("pid", "value", "name", "expected"),
    [
        (0x04, "00", "load_pct", 0.0),
        (0x04, "FF", "load_pct", 100.0),
        (0x05, "00", "coolant_c", -40.0),
        (0x05, "FF", "coolant_c", 215.0),
        (0x0B, "65", "map_kpa", 101.0),
        (0x0C, "1A F8", "rpm", 1726.0),
        (0x0C, "FF FF", "rpm", 16383.75),
        (0x0D, "AA", "speed_kmh", 170.0),
        (0x0F, "3C", "intake_c", 20.0),
        (0x10, "01 F4", "maf_gps", 5.0),
        (0x11, "33", "throttle_pct", 20.0),
        (0x2F, "CC", "fuel_pct", 80.0),
        (0x42, "36 B0", "battery_v", 14.0),
        (0x46, "4B", "ambient_c", 35.0),
        (0x5C, "87", "oil_c", 95.0),
    ],
)
def test_values(pid: int, value: str, name: str, expected: float) -> None:
    raw = bytes.fromhex(value)
    assert PIDS[pid].channel.name == name
    assert PIDS[pid].size == len(raw)
    assert PIDS[pid].scaled(int.from_bytes(raw, "big")) == pytest.approx(expected)


def test_the_names_are_unique() -> None:
    assert len({pid.channel.name for pid in PIDS.values()}) == len(PIDS)


@given(st.sampled_from(SUPPORT_PIDS), st.frozensets(st.integers(1, 32)))
def test_support_bits(base: int, offsets: frozenset[int]) -> None:
    bits = sum(1 << (32 - offset) for offset in offsets)
    assert supported(base, bits.to_bytes(4, "big")) == {base + offset for offset in offsets}


def test_support_of_a_real_car() -> None:
    assert supported(0, bytes.fromhex("BE1FA813")) == {
        *(
            0x01,
            0x03,
            0x04,
            0x05,
            0x06,
            0x07,
            0x0C,
            0x0D,
            0x0E,
            0x0F,
            0x10,
            0x11,
            0x13,
            0x15,
            0x1C,
            0x1F,
            0x20,
        )
    }


def test_both_kinds_of_identifier_are_listened_to() -> None:
    assert {0x7E8, 0x7EF, 0x18DAF100 | EFF_FLAG, 0x18DAF1FF | EFF_FLAG} <= ANSWER_IDS
    assert not {0x7E7, 0x7F0, 0x7DF, 0x18DAF100, 0x18DAF200 | EFF_FLAG} & ANSWER_IDS
