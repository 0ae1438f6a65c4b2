"""OBD-II requests and answers: layout, sizes, and scaling of the values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine import isotp
from firmware_bridge.engine.obd2_frames import (
    ANSWER_IDS,
    MAX_PIDS,
    PIDS,
    SIZES,
    SUPPORT_PIDS,
    Answer,
    physical_id,
    read_answers,
    request,
    requested_pids,
    supported,
)
from firmware_bridge.records import EFF_FLAG
from tests.firmware_bridge.engine.obd2_answers import answer_frames


def test_a_request_is_one_frame() -> None:
    assert request(0x0C) == bytes.fromhex("02 01 0C 00 00 00 00 00")
    assert request(0x0C, 0x0D, 0x05, 0x11, 0x2F, 0x42) == bytes.fromhex("07 01 0C 0D 05 11 2F 42")


@given(st.lists(st.integers(0, 255), min_size=1, max_size=MAX_PIDS))
def test_a_request_reads_back(pids: list[int]) -> None:
    assert requested_pids(request(*pids)) == tuple(pids)


_values = st.sampled_from(sorted(SIZES)).flatmap(
    lambda pid: st.tuples(st.just(pid), st.binary(min_size=SIZES[pid], max_size=SIZES[pid]))
)


@given(
    st.lists(_values, min_size=1, max_size=MAX_PIDS), st.sampled_from([b"\x00", b"\x55", b"\xaa", b"\xcc"])
)
def test_answer_with_any_padding_reads_back(values: list[tuple[int, bytes]], padding: bytes) -> None:
    frames, payloads = isotp.Reassembler(), []
    for data in answer_frames(values, padding):
        assert len(data) == 8
        payloads.append(frames.feed(0, (0, 0x7E8), data))
    assert payloads[:-1] == [None] * (len(payloads) - 1)
    payload = payloads[-1]
    assert payload is not None
    assert read_answers(payload) == tuple(Answer(*value) for value in values)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("41 0C 1A F8 0D 32", ((0x0C, "1AF8"), (0x0D, "32"))),
        ("41 0C 1A F8 FE 01 0D 32", ((0x0C, "1AF8"),)),  # the size of FE is unknown
        ("41 FE 01", ()),
        ("41 06 80 0C 1A F8", ((0x06, "80"), (0x0C, "1AF8"))),
        ("41 06 80 81 07 7F 80 0C 1A F8", ((0x06, "8081"), (0x07, "7F80"), (0x0C, "1AF8"))),
        ("41 0C 1A F8 06 80", ((0x0C, "1AF8"), (0x06, "80"))),
        ("41 55 80 56 0D 0D 32", ((0x55, "80"), (0x56, "0D"), (0x0D, "32"))),
        ("41 0C 1A F8 06 80 FE 01", ((0x0C, "1AF8"),)),  # both sizes fit
        ("41" + " 06" * 200, ((0x06, "06"),) * 100),
        ("7F 01 12", None),
        ("49 02 01 31 44", None),
        ("62 F4 0C 1A F8", None),
        ("41 0C 1A", None),  # truncated
        ("41 0D 32 0C 1A", None),  # truncated at its end: the whole answer is rejected
        ("41 0C", None),
        ("41", None),
        ("", None),
    ],
)
def test_read_answers(payload: str, expected: tuple[tuple[int, str], ...] | None) -> None:
    answers = read_answers(bytes.fromhex(payload))
    assert answers == (
        None if expected is None else tuple((pid, bytes.fromhex(value)) for pid, value in expected)
    )


@given(st.binary(max_size=50) | st.binary(max_size=50).map(lambda rest: b"\x41" + rest))
def test_no_payload_raises(payload: bytes) -> None:
    read_answers(payload)


def test_every_pid_has_a_known_size() -> None:
    assert all(SIZES[pid.number] == pid.size for pid in PIDS.values())
    assert all(SIZES[pid] == 4 for pid in SUPPORT_PIDS)


def test_physical_id() -> None:
    assert physical_id(0x7E8) == 0x7E0
    assert physical_id(0x7EF) == 0x7E7
    assert physical_id(0x18DAF110 | EFF_FLAG) == 0x18DA10F1 | EFF_FLAG


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


def test_answer_ids_have_both_kinds_of_identifier() -> None:
    assert {0x7E8, 0x7EF, 0x18DAF100 | EFF_FLAG, 0x18DAF1FF | EFF_FLAG} <= ANSWER_IDS
    assert not {0x7E7, 0x7F0, 0x7DF, 0x18DAF100, 0x18DAF200 | EFF_FLAG} & ANSWER_IDS
