"""The OBD-II decoder, and the poller against a simulated car that has the real frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.engine.obd2 import (
    ANSWER_TIMEOUT_US,
    LONGEST_PAUSE_US,
    MAX_MISSES,
    Obd2Decoder,
    Poller,
)
from firmware_bridge.engine.obd2_frames import (
    EXTENDED_REQUEST_ID,
    PIDS,
    STANDARD_REQUEST_ID,
    SUPPORT_PIDS,
    answer,
    read_answer,
)
from firmware_bridge.records import EFF_FLAG, CanFrame

STEP_US = 10_000
SECOND_US = 1_000_000


@dataclass
class Ecu:
    """An engine computer: what it supports, where it listens, and how long it takes."""

    pids: frozenset[int]
    request_id: int = STANDARD_REQUEST_ID
    answer_id: int = 0x7E8
    delay_us: int = 20_000
    mute: set[int] = field(default_factory=set)
    is_on: bool = True

    def answers(self, asked: CanFrame) -> list[CanFrame]:
        length, service, pid = asked.data[:3]
        assert (length, service) == (2, 1)
        if not self.is_on or asked.can_id != self.request_id or pid in self.mute:
            return []
        if pid in SUPPORT_PIDS:
            if pid and pid not in self._all():
                return []
            bits = sum(1 << (32 + pid - number) for number in self._all() if pid < number <= pid + 32)
            value = bits.to_bytes(4, "big")
        elif pid in self.pids:
            value = bytes(PIDS[pid].size)
        else:
            return []
        return [CanFrame(asked.t_us + self.delay_us, 0, self.answer_id, answer(pid, value))]

    def _all(self) -> frozenset[int]:
        """With the bits that lead on to the next group."""
        return self.pids | {base for base in SUPPORT_PIDS[1:] if any(pid > base for pid in self.pids)}


def drive(poller: Poller, ecus: list[Ecu], begin_us: int, end_us: int) -> list[CanFrame]:
    """Run the clock; returns what the poller asked."""
    asked: list[CanFrame] = []
    on_the_way: list[CanFrame] = []
    for now in range(begin_us, end_us, STEP_US):
        poller.feed([frame for frame in on_the_way if frame.t_us <= now])
        on_the_way = [frame for frame in on_the_way if frame.t_us > now]
        requests = poller.due(now)
        assert len(requests) <= 1
        asked += requests
        for request in requests:
            for ecu in ecus:
                on_the_way += ecu.answers(request)
    return asked


def pids_of(asked: list[CanFrame]) -> list[int]:
    return [frame.data[2] for frame in asked]


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
        ("10 14 49 02 01 31 44 34", 1),
        ("03 41 0C 1A AA AA AA AA", 1),  # rpm has two bytes
        ("04 41 0D 50 00 00 00 00", 1),  # speed has one
        ("", 1),
        ("06 41 00 BE 1F A8 13 00", 0),  # the support bits are no reading
        ("03 41 1F 10 00 00 00 00", 0),  # a PID that nobody here wants
    ],
)
def test_decoder_gives_no_reading(data: str, bad: int) -> None:
    decoder = Obd2Decoder()
    assert decoder.decode(0, 0x7E8, bytes.fromhex(data)) == []
    assert decoder.bad == bad


@given(st.binary(max_size=64))
def test_decoder_never_raises(data: bytes) -> None:
    decoder = Obd2Decoder()
    readings = decoder.decode(0, 0x7E8, data)
    assert len(readings) + decoder.bad <= 1


def test_discovers_first_and_asks_only_what_is_supported() -> None:
    poller, ecu = Poller(), Ecu(frozenset({0x05, 0x0C, 0x0D, 0x42}))
    asked = pids_of(drive(poller, [ecu], 0, 5 * SECOND_US))
    assert asked[:3] == [0x00, 0x20, 0x40]
    assert set(asked[3:]) == {0x05, 0x0C, 0x0D, 0x42}
    assert poller.supported == {0x05, 0x0C, 0x0D, 0x20, 0x40, 0x42}


@settings(max_examples=30)
@given(st.lists(st.frozensets(st.integers(1, 0x80)), min_size=1, max_size=3))
def test_never_asks_the_unsupported(cars: list[frozenset[int]]) -> None:
    pids = [frozenset(pid for pid in car if pid in PIDS) for car in cars]
    ecus = [Ecu(supported, answer_id=0x7E8 + index) for index, supported in enumerate(pids)]
    asked = drive(Poller(), ecus, 0, 4 * SECOND_US)
    assert set(pids_of(asked)) <= frozenset().union(*pids) | set(SUPPORT_PIDS)


def test_rates_follow_the_table() -> None:
    seconds = 60
    asked = Counter(pids_of(drive(Poller(), [Ecu(frozenset(PIDS))], 0, seconds * SECOND_US)))
    for pid in PIDS.values():
        most = seconds / pid.period_s + 1
        assert asked[pid.number] <= most
        assert asked[pid.number] >= 0.7 * most - 1, f"{pid.channel.name}: {asked[pid.number]} of {most}"


def test_a_slow_car_starves_no_pid() -> None:
    asked = Counter(pids_of(drive(Poller(), [Ecu(frozenset(PIDS), delay_us=120_000)], 0, 60 * SECOND_US)))
    assert set(PIDS) <= set(asked)
    assert asked[0x0C] == max(asked.values())
    assert asked[0x42] >= 10


def test_one_question_at_a_time_until_answer_or_timeout() -> None:
    poller = Poller()
    [request] = poller.due(0)
    assert poller.due(ANSWER_TIMEOUT_US - 1) == []
    assert request.can_id == STANDARD_REQUEST_ID
    [again] = poller.due(ANSWER_TIMEOUT_US)
    assert again.can_id == EXTENDED_REQUEST_ID
    assert (poller.asked, poller.answered) == (2, 0)


def test_the_next_question_follows_an_answer_at_once() -> None:
    poller, ecu = Poller(), Ecu(frozenset({0x0C, 0x0D}))
    drive(poller, [ecu], 0, SECOND_US)
    now, asked = SECOND_US, list[CanFrame]()
    while len(asked) < 2:
        requests = poller.due(now)
        for request in requests:
            poller.feed(ecu.answers(request))
        asked += requests
        now += 1_000
    assert asked[1].t_us - asked[0].t_us <= 200_000


def test_finds_a_car_with_29_bit_identifiers() -> None:
    ecu = Ecu(frozenset({0x0C}), request_id=EXTENDED_REQUEST_ID, answer_id=0x18DAF110 | EFF_FLAG)
    poller = Poller()
    asked = drive(poller, [ecu], 0, 3 * SECOND_US)
    assert [frame.can_id for frame in asked[:2]] == [STANDARD_REQUEST_ID, EXTENDED_REQUEST_ID]
    assert {frame.can_id for frame in asked[1:]} == {EXTENDED_REQUEST_ID}
    assert pids_of(asked)[2:].count(0x0C) > 15


def test_takes_the_union_of_what_several_ecus_support() -> None:
    engine = Ecu(frozenset({0x0C, 0x05}))
    gearbox = Ecu(frozenset({0x0D, 0x46}), answer_id=0x7E9, delay_us=45_000)
    asked = pids_of(drive(Poller(), [engine, gearbox], 0, 3 * SECOND_US))
    assert {0x0C, 0x05, 0x0D, 0x46} <= set(asked)


def test_backs_off_when_nobody_answers() -> None:
    asked = drive(Poller(), [], 0, 600 * SECOND_US)
    starts = [frame.t_us for frame in asked if frame.can_id == STANDARD_REQUEST_ID]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= 2 * SECOND_US
    assert gaps[-1] == pytest.approx(LONGEST_PAUSE_US, rel=0.05)
    assert set(pids_of(asked)) == {0x00}


def test_a_car_without_one_wanted_pid_is_like_no_car() -> None:
    asked = drive(Poller(), [Ecu(frozenset({0x01, 0x1C}))], 0, 600 * SECOND_US)
    assert set(pids_of(asked)) == {0x00}
    assert len(asked) < 60


def test_rediscovers_after_silence() -> None:
    poller, ecu = Poller(), Ecu(frozenset({0x0C, 0x0D}))
    drive(poller, [ecu], 0, 5 * SECOND_US)
    ecu.is_on = False
    silent = pids_of(drive(poller, [ecu], 5 * SECOND_US, 20 * SECOND_US))
    assert set(silent[MAX_MISSES + 1 :]) == {0x00}
    assert poller.supported == frozenset()
    ecu.is_on, ecu.pids = True, frozenset({0x0C, 0x05})
    after = pids_of(drive(poller, [ecu], 20 * SECOND_US, 60 * SECOND_US))
    assert {0x0C, 0x05} <= set(after)
    assert 0x0D not in after


def test_gives_up_a_pid_that_never_answers_while_others_do() -> None:
    ecu = Ecu(frozenset({0x0C, 0x0D, 0x05}), mute={0x0D})
    asked = Counter(pids_of(drive(Poller(), [ecu], 0, 60 * SECOND_US)))
    assert asked[0x0D] == MAX_MISSES
    assert asked[0x0C] > 300
    assert asked[0x00] == 1


@pytest.mark.parametrize(
    "data", ["03 7F 01 12 00 00 00 00", "10 14 49 00 01 31 44 34", "03 41", "03 41 0C 00 00 00 00 00"]
)
def test_what_is_no_answer_to_the_question_ends_no_waiting(data: str) -> None:
    poller = Poller()
    poller.due(0)
    poller.feed([CanFrame(5_000, 0, 0x7E8, bytes.fromhex(data))])
    assert poller.due(10_000) == []
    assert poller.answered == 0
    assert poller.bad == (read_answer(bytes.fromhex(data)) is None)


def test_goes_to_the_adapter_s_bus() -> None:
    assert Poller(bus=3).due(0)[0].bus == 3


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x7E8, 0x7EF, 0x18DAF110 | EFF_FLAG, 0x123]),
            st.binary(max_size=12)
            | st.builds(answer, st.integers(0, 255), st.binary(min_size=1, max_size=5)),
        )
    )
)
def test_whatever_comes_it_goes_on_asking_one_at_a_time(frames: list[tuple[int, bytes]]) -> None:
    poller, now = Poller(), 0
    for can_id, data in frames:
        assert len(poller.due(now)) <= 1
        poller.feed([CanFrame(now, 0, can_id, data)])
        now += 60_000
    later = [request for second in range(200) for request in poller.due(now + second * SECOND_US)]
    assert later
