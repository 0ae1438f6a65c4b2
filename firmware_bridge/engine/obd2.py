"""OBD-II at work: reading the answers, and asking the questions.

Sans-I/O: the poller is told the time and the frames that came, and says what to transmit now. It first asks
which PIDs the car supports and never asks for another; it has one question on the bus at a time; and where
nobody answers (ignition off, no such port) it asks ever more seldom. Whether it may transmit at all is the
configuration's rule (`poll` without `listen_only`), checked there with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from firmware_bridge.engine.obd2_frames import (
    ANSWER_IDS,
    EXTENDED_REQUEST_ID,
    PIDS,
    STANDARD_ANSWER_IDS,
    STANDARD_REQUEST_ID,
    SUPPORT_PIDS,
    read_answer,
    request,
    supported,
)
from firmware_bridge.records import CanFrame, Reading

ANSWER_TIMEOUT_US = 150_000
"""An engine has 50 ms to answer (ISO 15765-4, P2 max); the rest is the way through two USB queues."""

FIRST_PAUSE_US = 1_000_000
LONGEST_PAUSE_US = 30_000_000
"""The pause after a discovery that nobody answered, doubled each time up to the longest: a crew that turns
the ignition on waits half a minute at worst, and a car at rest is not kept awake."""

MAX_MISSES = 5
"""So many questions in a row without an answer, and the car is taken to be gone: back to discovery. A PID
that misses as often while others answer is asked no more until then."""


class Obd2Decoder:
    """Answers to readings, whoever asked. `bad` counts frames from the answer identifiers that are none."""

    ids = ANSWER_IDS
    turns = ANSWER_IDS
    channels = tuple(pid.channel for pid in PIDS.values())

    def __init__(self) -> None:
        self.bad = 0

    def decode(self, t_us: int, can_id: int, data: bytes) -> list[Reading]:
        """The reading in one frame; none in an answer about a PID that is not in the table."""
        answer = read_answer(data)
        if answer is None:
            self.bad += 1
            return []
        pid = PIDS.get(answer.pid)
        if pid is None:
            return []
        if len(answer.value) != pid.size:
            self.bad += 1
            return []
        return [Reading(t_us, pid.channel, pid.scaled(int.from_bytes(answer.value, "big")))]


class Poller:
    """Asks one car's engine for the wanted PIDs, each at its own rate, as fast as it answers and no faster.

    `due` gives at most one frame at a time, for the adapter's bus `bus`. Counts: `asked`, `answered`, and
    `bad`, the frames of the answer identifiers that are no positive answer.
    """

    def __init__(self, pids: Iterable[int] = PIDS, bus: int = 0) -> None:
        self.asked = self.answered = self.bad = 0
        self._wanted = tuple(pid for pid in pids if pid in PIDS)
        self._bus = bus
        self._request_id = STANDARD_REQUEST_ID
        self._pause_us = FIRST_PAUSE_US
        self._misses = 0
        self._pid: int | None = None  # the question on the bus, asked at:
        self._asked_us = 0
        self._is_answered = False
        self._restart(0)

    @property
    def supported(self) -> frozenset[int]:
        """The PIDs that the car has said it supports; empty while it is being discovered."""
        return frozenset() if self._is_discovering else self._claimed

    def _restart(self, t_us: int) -> None:
        self._claimed: frozenset[int] = frozenset()
        self._is_discovering = True
        self._due_us = {SUPPORT_PIDS[0]: t_us}
        self._misses_of: dict[int, int] = {}

    def due(self, t_us: int) -> list[CanFrame]:
        """What to transmit at `t_us`: one request, or nothing yet. Call it often: 100 times a second."""
        if self._pid is not None and not self._may_go_on(t_us):
            return []
        if self._pid is not None:
            self._conclude(self._pid, t_us)
            self._pid = None
        pid = min(self._due_us, key=lambda number: self._due_us[number], default=None)
        if pid is None or self._due_us[pid] > t_us:
            return []
        self.asked += 1
        self._pid, self._asked_us, self._is_answered = pid, t_us, False
        return [CanFrame(t_us, self._bus, self._request_id, request(pid))]

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Look for answers among frames of the bus, in order of arrival."""
        for frame in [frame for frame in frames if frame[2] in ANSWER_IDS]:
            answer = read_answer(frame.data)
            if answer is None:
                self.bad += 1
            elif answer.pid == self._pid and self._is_ours(frame.can_id):
                self.answered += not self._is_answered
                self._is_answered = True
                if self._is_discovering:
                    self._claimed |= supported(answer.pid, answer.value)

    def _is_ours(self, answer_id: int) -> bool:
        return (answer_id in STANDARD_ANSWER_IDS) == (self._request_id == STANDARD_REQUEST_ID)

    def _may_go_on(self, t_us: int) -> bool:
        # Discovery waits for the slowest: each of a car's computers has its own PIDs to tell.
        return t_us - self._asked_us >= ANSWER_TIMEOUT_US or (self._is_answered and not self._is_discovering)

    def _conclude(self, pid: int, t_us: int) -> None:
        """The question about `pid` is over, answered or not: when is it, or what else, asked next?"""
        if self._is_discovering:
            self._discover_on(pid, t_us)
            return
        self._due_us[pid] = t_us + round(PIDS[pid].period_s * 1e6)
        if self._is_answered:
            self._misses = self._misses_of[pid] = 0
            return
        self._misses += 1
        self._misses_of[pid] = self._misses_of.get(pid, 0) + 1
        if self._misses >= MAX_MISSES:
            self._misses = 0
            self._restart(t_us)
        elif self._misses_of[pid] >= MAX_MISSES:
            del self._due_us[pid]

    def _discover_on(self, pid: int, t_us: int) -> None:
        following = pid + 0x20
        if following in self._claimed and following in SUPPORT_PIDS:
            self._due_us = {following: t_us}
        elif self._claimed.intersection(self._wanted):
            self._pause_us = FIRST_PAUSE_US
            self._is_discovering = False
            self._due_us = {number: t_us for number in self._wanted if number in self._claimed}
        elif self._request_id == STANDARD_REQUEST_ID:
            self._request_id = EXTENDED_REQUEST_ID
            self._due_us = {SUPPORT_PIDS[0]: t_us}
        else:
            self._request_id = STANDARD_REQUEST_ID
            self._due_us = {SUPPORT_PIDS[0]: t_us + self._pause_us}
            self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)
