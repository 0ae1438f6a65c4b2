"""OBD-II poller against a simulated car with real frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine.isotp import CLEAR_TO_SEND
from firmware_bridge.engine.obd2_frames import (
    EXTENDED_REQUEST_ID,
    MAX_PIDS,
    PIDS,
    STANDARD_REQUEST_ID,
    SUPPORT_PIDS,
    physical_id,
    requested_pids,
)
from firmware_bridge.engine.obd2_poller import (
    ANSWER_TIMEOUT_US,
    LONGEST_PAUSE_US,
    MAX_INCOMPLETE,
    MAX_MISSES,
    PENDING_TIMEOUT_US,
    Poller,
)
from firmware_bridge.records import EFF_FLAG, CanFrame
from tests.examples import examples
from tests.firmware_bridge.engine.obd2_answers import answer_frames

STEP_US = 10_000
SECOND_US = 1_000_000


@dataclass
class Ecu:
    """A simulated control unit: its PIDs, identifiers and delay."""

    pids: frozenset[int]
    request_id: int = STANDARD_REQUEST_ID
    answer_id: int = 0x7E8
    delay_us: int = 20_000
    mute: set[int] = field(default_factory=set)
    is_on: bool = True
    max_pids: int = MAX_PIDS
    pending: list[bytes] = field(default_factory=list)

    def answers(self, sent: CanFrame) -> list[CanFrame]:
        if sent.data == CLEAR_TO_SEND and sent.can_id == physical_id(self.answer_id):
            pending, self.pending = self.pending, []
            return self._sent(pending, sent.t_us + 1_000)
        if not self.is_on or sent.can_id != self.request_id:
            return []
        pids = requested_pids(sent.data)[: self.max_pids]
        assert pids
        values = [(pid, value) for pid in pids if pid not in self.mute and (value := self._value(pid))]
        if not values:
            return []
        first, *self.pending = answer_frames(values)
        return self._sent([first], sent.t_us + self.delay_us)

    def _sent(self, datas: list[bytes], t_us: int) -> list[CanFrame]:
        return [CanFrame(t_us + 500 * number, 0, self.answer_id, data) for number, data in enumerate(datas)]

    def _value(self, pid: int) -> bytes:
        if pid not in SUPPORT_PIDS:
            return bytes(PIDS[pid].size) if pid in self.pids else b""
        if pid and pid not in self._all():
            return b""
        return sum(1 << (32 + pid - number) for number in self._all() if pid < number <= pid + 32).to_bytes(4)

    def _all(self) -> frozenset[int]:
        """The PIDs, with the bits that refer to the next group."""
        return self.pids | {base for base in SUPPORT_PIDS[1:] if any(pid > base for pid in self.pids)}


def drive(poller: Poller, ecus: list[Ecu], begin_us: int, end_us: int) -> list[CanFrame]:
    """Run the poller from `begin_us` to `end_us`; returns its requests."""
    sent: list[CanFrame] = []
    on_the_way: list[CanFrame] = []
    for now in range(begin_us, end_us, STEP_US):
        poller.feed([frame for frame in on_the_way if frame.t_us <= now])
        on_the_way = [frame for frame in on_the_way if frame.t_us > now]
        requests = poller.due(now)
        assert sum(request.data != CLEAR_TO_SEND for request in requests) <= 1
        sent += [request for request in requests if request.data != CLEAR_TO_SEND]
        for request in requests:
            for ecu in ecus:
                on_the_way += ecu.answers(request)
    return sent


def pids_of(sent: list[CanFrame]) -> list[int]:
    return [pid for frame in sent for pid in requested_pids(frame.data)]


def answer(pid: int, value: bytes) -> bytes:
    return answer_frames([(pid, value)])[0]


def test_discovers_first_and_requests_only_supported_pids() -> None:
    poller, ecu = Poller(), Ecu(frozenset({0x05, 0x0C, 0x0D, 0x42}))
    sent = pids_of(drive(poller, [ecu], 0, 5 * SECOND_US))
    assert sent[:3] == [0x00, 0x20, 0x40]
    assert set(sent[3:]) == {0x05, 0x0C, 0x0D, 0x42}
    assert poller.supported == {0x05, 0x0C, 0x0D, 0x20, 0x40, 0x42}


@examples(30)
@given(st.lists(st.frozensets(st.integers(1, 0x80)), min_size=1, max_size=3))
def test_never_requests_unsupported_pids(cars: list[frozenset[int]]) -> None:
    pids = [frozenset(pid for pid in car if pid in PIDS) for car in cars]
    ecus = [Ecu(supported, answer_id=0x7E8 + index) for index, supported in enumerate(pids)]
    sent = drive(Poller(), ecus, 0, 4 * SECOND_US)
    assert set(pids_of(sent)) <= frozenset().union(*pids) | set(SUPPORT_PIDS)


def test_rates_follow_the_table() -> None:
    seconds = 60
    sent = Counter(pids_of(drive(Poller(), [Ecu(frozenset(PIDS))], 0, seconds * SECOND_US)))
    for pid in PIDS.values():
        most = seconds / pid.period_s + 1
        assert sent[pid.number] <= most
        assert sent[pid.number] >= 0.7 * most - 1, f"{pid.channel.name}: {sent[pid.number]} of {most}"


def test_slow_car_still_gets_every_pid_requested() -> None:
    sent = Counter(pids_of(drive(Poller(), [Ecu(frozenset(PIDS), delay_us=120_000)], 0, 60 * SECOND_US)))
    assert set(PIDS) <= set(sent)
    assert sent[0x0C] == max(sent.values())
    assert sent[0x42] >= 10


def test_one_request_at_a_time_until_answer_or_timeout() -> None:
    poller = Poller()
    [request] = poller.due(0)
    assert poller.due(ANSWER_TIMEOUT_US - 1) == []
    assert request.can_id == STANDARD_REQUEST_ID
    [again] = poller.due(ANSWER_TIMEOUT_US)
    assert again.can_id == EXTENDED_REQUEST_ID
    assert (poller.requested, poller.answered) == (2, 0)


def test_next_request_follows_an_answer_at_once() -> None:
    poller, ecu = Poller(), Ecu(frozenset({0x0C, 0x0D}))
    drive(poller, [ecu], 0, SECOND_US)
    now, sent = SECOND_US, list[CanFrame]()
    while len(sent) < 2:
        requests = poller.due(now)
        for request in requests:
            poller.feed(ecu.answers(request))
        sent += requests
        now += 1_000
    assert sent[1].t_us - sent[0].t_us <= 200_000


def test_finds_a_car_with_29_bit_identifiers() -> None:
    ecu = Ecu(frozenset({0x0C}), request_id=EXTENDED_REQUEST_ID, answer_id=0x18DAF110 | EFF_FLAG)
    poller = Poller()
    sent = drive(poller, [ecu], 0, 3 * SECOND_US)
    assert [frame.can_id for frame in sent[:2]] == [STANDARD_REQUEST_ID, EXTENDED_REQUEST_ID]
    assert {frame.can_id for frame in sent[1:]} == {EXTENDED_REQUEST_ID}
    assert pids_of(sent)[2:].count(0x0C) > 15


def test_union_of_pids_of_several_ecus() -> None:
    engine = Ecu(frozenset({0x0C, 0x05}))
    gearbox = Ecu(frozenset({0x0D, 0x46}), answer_id=0x7E9, delay_us=45_000)
    sent = pids_of(drive(Poller(), [engine, gearbox], 0, 3 * SECOND_US))
    assert {0x0C, 0x05, 0x0D, 0x46} <= set(sent)


def test_backs_off_without_answers() -> None:
    sent = drive(Poller(), [], 0, 600 * SECOND_US)
    starts = [frame.t_us for frame in sent if frame.can_id == STANDARD_REQUEST_ID]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= 2 * SECOND_US
    assert gaps[-1] == pytest.approx(LONGEST_PAUSE_US, rel=0.05)
    assert set(pids_of(sent)) == {0x00}


def test_car_without_any_requested_pid_counts_as_absent() -> None:
    sent = drive(Poller(), [Ecu(frozenset({0x01, 0x1C}))], 0, 600 * SECOND_US)
    assert set(pids_of(sent)) == {0x00}
    assert len(sent) < 60


def test_rediscovers_after_silence() -> None:
    poller, ecu = Poller(), Ecu(frozenset({0x0C, 0x0D}))
    drive(poller, [ecu], 0, 5 * SECOND_US)
    ecu.is_on = False
    silent = drive(poller, [ecu], 5 * SECOND_US, 20 * SECOND_US)
    assert set(pids_of(silent[MAX_MISSES + 1 :])) == {0x00}
    assert poller.supported == frozenset()
    ecu.is_on, ecu.pids = True, frozenset({0x0C, 0x05})
    after = pids_of(drive(poller, [ecu], 20 * SECOND_US, 60 * SECOND_US))
    assert {0x0C, 0x05} <= set(after)
    assert 0x0D not in after


def test_stops_requesting_a_pid_that_never_answers() -> None:
    ecu = Ecu(frozenset({0x0C, 0x0D, 0x05}), mute={0x0D})
    sent = Counter(pids_of(drive(Poller(), [ecu], 0, 60 * SECOND_US)))
    assert MAX_MISSES <= sent[0x0D] <= MAX_MISSES + MAX_INCOMPLETE
    assert sent[0x0C] > 300
    assert sent[0x00] == 1


@pytest.mark.parametrize(
    ("data", "bad"),
    [
        ("03 7F 01 12 00 00 00 00", 1),
        ("10 14 49 00 01 31 44 34", 0),
        ("03 41", 1),
        ("04 41 0C 00 00 00 00 00", 0),
    ],
)
def test_other_frames_do_not_end_the_wait(data: str, bad: int) -> None:
    poller = Poller()
    poller.due(0)
    poller.feed([CanFrame(5_000, 0, 0x7E8, bytes.fromhex(data))])
    assert poller.due(10_000) == []
    assert poller.answered == 0
    assert poller.bad == bad


def test_requests_several_pids_and_sends_flow_control() -> None:
    ecu = Ecu(frozenset(PIDS))
    sent = drive(Poller(), [ecu], 0, 10 * SECOND_US)
    assert max(len(requested_pids(frame.data)) for frame in sent) == MAX_PIDS
    counts = Counter(pids_of(sent))
    assert counts[0x0C] > 70  # ten times per second, one request at a time
    assert len(pids_of(sent)) > 1.3 * len(sent)


def test_car_that_answers_only_the_first_pid_gets_single_requests() -> None:
    sent = drive(Poller(), [Ecu(frozenset(PIDS), max_pids=1)], 0, 20 * SECOND_US)
    groups = [frame for frame in sent if len(requested_pids(frame.data)) > 1]
    assert len(groups) == MAX_INCOMPLETE
    assert set(pids_of(sent)) >= set(PIDS)
    assert Counter(pids_of(sent))[0x0C] > 60


@pytest.mark.parametrize("can_id", [0x7E8, 0x7EB])
def test_flow_control_goes_to_the_sender_of_the_answer(can_id: int) -> None:
    poller, ecu = Poller(), Ecu(frozenset(PIDS), answer_id=can_id)
    drive(poller, [ecu], 0, SECOND_US)
    now, begun = SECOND_US, list[CanFrame]()
    while not begun:
        now += 10_000
        for request in poller.due(now):
            begun = [frame for frame in ecu.answers(request) if frame.data[0] >> 4 == 1]
            poller.feed([] if begun else ecu.answers(request))
    stranger = CanFrame(now, 0, 0x18DAF110 | EFF_FLAG, begun[0].data)
    another = CanFrame(now, 0, 0x7E9, bytes.fromhex("10 14 49 02 01 31 44 34"))
    poller.feed([stranger, another, *begun])
    assert [frame[1:] for frame in poller.due(now + 10_000)] == [(0, can_id - 8, CLEAR_TO_SEND)]
    assert poller.due(now + 20_000) == []


def test_no_flow_control_if_the_adapter_sends_it_or_without_a_request() -> None:
    first = answer_frames([(0x00, bytes(4)), (0x20, bytes(4))])[0]
    poller = Poller(has_prompt=True)
    poller.due(0)
    poller.feed([CanFrame(5_000, 0, 0x7E8, first)])
    assert poller.due(10_000) == []
    idle = Poller()
    idle.feed([CanFrame(5_000, 0, 0x7E8, first)])
    assert [requested_pids(frame.data) for frame in idle.due(10_000)] == [(0x00,)]


def test_adapter_with_a_prompt_sets_the_pace() -> None:
    poller = Poller(has_prompt=True)
    assert len(poller.due(0)) == 1
    assert poller.due(10 * ANSWER_TIMEOUT_US) == []
    poller.feed([CanFrame(5_000, 0, 0x7E8, answer(0x00, bytes.fromhex("0018 0000")))])
    assert poller.due(11 * ANSWER_TIMEOUT_US) == []
    poller.prompted()
    [frame] = poller.due(12 * ANSWER_TIMEOUT_US)
    assert set(requested_pids(frame.data)) == {0x0C, 0x0D}


def test_response_pending_is_waited_for() -> None:
    poller = Poller()
    poller.due(0)
    poller.feed([CanFrame(5_000, 0, 0x7E8, bytes.fromhex("03 7F 01 78 00 00 00 00"))])
    assert poller.due(ANSWER_TIMEOUT_US) == []
    assert poller.due(PENDING_TIMEOUT_US) == []
    assert len(poller.due(5_000 + PENDING_TIMEOUT_US)) == 1


def test_requests_go_to_the_configured_bus() -> None:
    assert Poller(bus=3).due(0)[0].bus == 3


@examples(50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x7E8, 0x7EF, 0x18DAF110 | EFF_FLAG, 0x123]),
            st.binary(max_size=12)
            | st.builds(answer, st.integers(0, 255), st.binary(min_size=1, max_size=5)),
        )
    )
)
def test_any_frames_leave_one_request_at_a_time(frames: list[tuple[int, bytes]]) -> None:
    poller, now = Poller(), 0
    for can_id, data in frames:
        assert sum(frame.data != CLEAR_TO_SEND for frame in poller.due(now)) <= 1
        poller.feed([CanFrame(now, 0, can_id, data)])
        now += 60_000
    later = [request for second in range(200) for request in poller.due(now + second * SECOND_US)]
    assert later
