"""OBD-II decoder: answers in one frame and in several, complete, interleaved and with lost frames."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine.isotp import FRAME_TIMEOUT_US
from firmware_bridge.engine.obd2 import Obd2Decoder
from firmware_bridge.engine.obd2_frames import ANSWER_IDS, PIDS, SIZES
from firmware_bridge.records import EFF_FLAG, CanFrame
from tests.firmware_bridge.engine.obd2_answers import answer_frames

FIELD_CASES = Path(__file__).parents[2] / "field_cases" / "can"


def test_decoder_reads_answers_of_any_ecu() -> None:
    decoder = Obd2Decoder()
    for can_id in (0x7E8, 0x7EF, 0x18DAF110 | EFF_FLAG):
        [reading] = decoder.decode(7, can_id, bytes.fromhex("04 41 0C 1A F8 AA AA AA"))
        assert (reading.t_us, reading.channel.name, reading.value) == (7, "rpm", 1726.0)
        assert reading.channel in decoder.channels
    assert decoder.bad == 0


@pytest.mark.parametrize(
    ("data", "bad"),
    [
        ("03 7F 01 12 00 00 00 00", 1),
        ("10 14 49 02 01 31 44 34", 0),
        ("03 41 0C 1A AA AA AA AA", 1),  # rpm has two bytes
        ("04 41 0D 50 00 00 00 00", 1),  # speed has one
        ("", 1),
        ("06 41 00 BE 1F A8 13 00", 0),  # the support bits give no reading
        ("04 41 1F 10 00 00 00 00", 0),  # a PID outside PIDS
    ],
)
def test_decoder_gives_no_reading(data: str, bad: int) -> None:
    decoder = Obd2Decoder()
    assert decoder.decode(0, 0x7E8, bytes.fromhex(data)) == []
    assert decoder.bad == bad


def read(frames: list[CanFrame]) -> tuple[dict[str, float], int]:
    """The newest value of each channel, and the decoder's count `bad`."""
    decoder = Obd2Decoder()
    readings = [
        r for frame in frames for r in decoder.decode(frame.t_us, frame.can_id, frame.data, frame.bus)
    ]
    return {reading.channel.name: reading.value for reading in readings}, decoder.bad


def test_field_case() -> None:
    name, _, data = (FIELD_CASES / "obd_multi_pid.log").read_text().split()[-1].partition("#")
    assert read([CanFrame(0, 0, int(name, 16), bytes.fromhex(data))]) == (
        {"rpm": 1726.0, "speed_kmh": 50.0},
        0,
    )


def sent(
    answers: list[tuple[int, bytes]], can_id: int = 0x7E8, bus: int = 0, t_us: int = 0
) -> list[CanFrame]:
    return [CanFrame(t_us, bus, can_id, data) for data in answer_frames(answers, b"\xaa")]


ENGINE = [(0x0C, b"\x1a\xf8"), (0x0D, b"\x50"), (0x11, b"\xff"), (0x42, b"\x36\xb0")]
GEARBOX = [(0x05, b"\x7b"), (0x0F, b"\x3c"), (0x46, b"\x4b"), (0x5C, b"\x87")]
ENGINE_VALUES = {"rpm": 1726.0, "speed_kmh": 80.0, "throttle_pct": 100.0, "battery_v": 14.0}
GEARBOX_VALUES = {"coolant_c": 83.0, "intake_c": 20.0, "ambient_c": 35.0, "oil_c": 95.0}


@pytest.mark.parametrize("can_id", [0x7E8, 0x7EF, 0x18DAF110 | EFF_FLAG])
def test_an_answer_in_several_frames(can_id: int) -> None:
    assert len(sent(ENGINE)) == 2
    assert read(sent(ENGINE, can_id)) == (ENGINE_VALUES, 0)


def test_flow_control_frames_are_ignored() -> None:
    first, second = sent(ENGINE)
    flow_control = CanFrame(0, 0, 0x7E8, bytes.fromhex("30 00 00 00 00 00 00 00"))
    assert read([first, flow_control, second]) == (ENGINE_VALUES, 0)


@given(st.randoms(use_true_random=False))
def test_interleaved_answers_of_several_control_units(shuffle: random.Random) -> None:
    queues = [
        sent(ENGINE),
        sent(GEARBOX, 0x7E9),
        sent([(0x2F, b"\xcc"), (0x10, b"\x01\xf4")], 0x18DAF110 | EFF_FLAG),
        sent(ENGINE, bus=16),
    ]
    frames = []
    while any(queues):
        frames.append(shuffle.choice([queue for queue in queues if queue]).pop(0))
    assert read(frames) == ({**ENGINE_VALUES, **GEARBOX_VALUES, "fuel_pct": 80.0, "maf_gps": 5.0}, 0)


LONG = [(0x0C, b"\x1a\xf8"), (0x7F, bytes(13)), (0x0D, b"\x50"), (0x94, bytes(12)), (0x05, b"\x7b")]


@pytest.mark.parametrize("lost", range(6))
def test_a_lost_frame_loses_its_answer_and_is_counted_once(lost: int) -> None:
    frames = sent(LONG)
    assert len(frames) == 6
    values, bad = read([*frames[:lost], *frames[lost + 1 :]])
    assert values == {}
    assert bad == (0 if lost == 5 else 1)  # the last one may still arrive
    values, bad = read([*frames[:lost], *frames[lost + 1 :], *sent(GEARBOX, 0x7E9), *frames])
    assert values == {"rpm": 1726.0, "speed_kmh": 80.0, "coolant_c": 83.0} | GEARBOX_VALUES
    assert bad == 1


@pytest.mark.parametrize("order", [(0, 2, 1, 3, 4, 5), (0, 1, 1, 2, 3, 4, 5), (0, 1, 2, 4, 3, 5)])
def test_frames_out_of_order_lose_the_answer(order: tuple[int, ...]) -> None:
    frames = sent(LONG)
    assert read([frames[number] for number in order]) == ({}, 1)


def test_late_frame_is_ignored() -> None:
    first, second = sent(ENGINE)
    assert read([first, second._replace(t_us=FRAME_TIMEOUT_US)]) == (ENGINE_VALUES, 0)
    assert read([first, second._replace(t_us=FRAME_TIMEOUT_US + 1)]) == ({}, 1)


def test_truncated_frame_loses_its_answer() -> None:
    first, second = sent(ENGINE)
    assert read([first, second._replace(data=second.data[:4])]) == ({}, 1)
    assert read([first._replace(data=first.data[:7]), second]) == ({}, 2)


def test_sequence_wraps_from_f_to_0() -> None:
    values = [(0x81, bytes(41)), (0x82, bytes(41)), (0x89, bytes(41)), (0x0C, b"\x1a\xf8")]
    assert len(sent(values)) > 16
    assert read(sent(values)) == ({"rpm": 1726.0}, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x7E8, 0x7E9, 0x18DAF110 | EFF_FLAG]),
            st.binary(max_size=64)
            | st.tuples(st.integers(0, 255), st.binary(min_size=7, max_size=7)).map(
                lambda parts: bytes((parts[0] & 0x2F,)) + parts[1]
            ),
        ),
        max_size=60,
    )
)
def test_decoder_never_raises(frames: list[tuple[int, bytes]]) -> None:
    decoder = Obd2Decoder()
    for can_id, data in frames:
        for reading in decoder.decode(0, can_id, data):
            assert reading.channel in decoder.channels
    assert decoder.bad <= 2 * len(frames)


@given(
    st.lists(
        st.sampled_from(sorted(PIDS)).flatmap(
            lambda pid: st.tuples(st.just(pid), st.binary(min_size=SIZES[pid], max_size=SIZES[pid]))
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda answer: answer[0],
    ),
    st.sampled_from(sorted(ANSWER_IDS)),
)
def test_any_answers_are_read(answers: list[tuple[int, bytes]], can_id: int) -> None:
    values, bad = read(sent(answers, can_id))
    assert bad == 0
    assert values == {
        PIDS[pid].channel.name: PIDS[pid].scaled(int.from_bytes(value, "big")) for pid, value in answers
    }
