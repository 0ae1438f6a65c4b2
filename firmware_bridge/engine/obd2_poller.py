"""Asking an engine over OBD-II: which PIDs, how many at once, and when.

Sans-I/O: the poller is told the time and the frames that came, and says what to transmit now. It first asks
which PIDs the car supports and never asks for another; it has one question on the bus at a time; and where
nobody answers (ignition off, no such port) it asks ever more seldom. One question may ask for several PIDs,
until the car has shown that it does not answer such questions whole. An answer in several frames is asked on
with flow control. Whether it may transmit at all is the configuration's rule (`poll` without `listen_only`),
checked there with its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from firmware_bridge.engine.isotp import CLEAR_TO_SEND, Reassembler, first_length
from firmware_bridge.engine.obd2_frames import (
    ANSWER_IDS,
    EXTENDED_REQUEST_ID,
    MAX_PIDS,
    NEGATIVE,
    PIDS,
    POSITIVE,
    STANDARD_ANSWER_IDS,
    STANDARD_REQUEST_ID,
    SUPPORT_PIDS,
    is_pending,
    physical_id,
    read_answers,
    request,
    supported,
)
from firmware_bridge.records import CanFrame

ANSWER_TIMEOUT_US = 150_000
"""An engine has 50 ms to answer (ISO 15765-4, P2 max); the rest is the way through two USB queues."""
MORE_FRAMES_TIMEOUT_US = 500_000
"""From a first frame to the last: ISO-TP allows a second between two frames, real engines need milliseconds."""
PENDING_TIMEOUT_US = 5_000_000
"""After "response pending" (ISO 15765-4, P2* max)."""
PROMPT_TIMEOUT_US = 15_000_000
"""An adapter that has not given its prompt for so long is stuck; finding a car's protocol takes a slow one ten
seconds."""

FIRST_PAUSE_US = 1_000_000
LONGEST_PAUSE_US = 30_000_000
"""The pause after a discovery that nobody answered, doubled each time up to the longest: a crew that turns
the ignition on waits half a minute at worst, and a car at rest is not kept awake."""

MAX_MISSES = 5
"""So many questions in a row without an answer, and the car is taken to be gone: back to discovery. A PID
that misses as often while others answer is asked no more until then."""
MAX_INCOMPLETE = 2
"""So many questions for several PIDs in a row that were not answered whole, and each PID is asked by itself."""


class Poller:
    """Asks one car's engine for the wanted PIDs, each at its own rate, as fast as it answers and no faster.

    `due` gives at most one question at a time, for the adapter's bus `bus`. With `has_prompt` the adapter says
    by itself when a question is over (`prompted`), and also sends the flow control.

    Counts: `asked` and `answered` questions, and `bad`, what came from the answer identifiers and is no
    positive answer.
    """

    def __init__(self, pids: Iterable[int] = PIDS, bus: int = 0, *, has_prompt: bool = False) -> None:
        self.asked = self.answered = 0
        self._wanted = tuple(pid for pid in pids if pid in PIDS)
        self._bus = bus
        self._has_prompt = has_prompt
        self._payloads = Reassembler()
        self._unreadable = 0
        self._request_id = STANDARD_REQUEST_ID
        self._pause_us = FIRST_PAUSE_US
        self._misses = 0
        self._pids: tuple[int, ...] = ()  # the question on the bus; it is over at the latest at:
        self._over_us = 0
        self._prompted = False
        self._left: set[int] = set()
        self._flow_control: list[CanFrame] = []
        self._restart(0)

    @property
    def bad(self) -> int:
        return self._unreadable + self._payloads.bad + self._payloads.dropped

    @property
    def supported(self) -> frozenset[int]:
        """The PIDs that the car has said it supports; empty while it is being discovered."""
        return frozenset() if self._is_discovering else self._claimed

    def _restart(self, t_us: int) -> None:
        self._claimed: frozenset[int] = frozenset()
        self._is_discovering = True
        self._due_us = {SUPPORT_PIDS[0]: t_us}
        self._misses_of: dict[int, int] = {}
        self._most, self._incomplete = MAX_PIDS, 0

    def due(self, t_us: int) -> list[CanFrame]:
        """What to transmit at `t_us`: flow control, and one question, or nothing yet. Call it often: 100 times a
        second."""
        frames = [frame._replace(t_us=t_us) for frame in self._flow_control]
        self._flow_control.clear()
        if self._pids and not self._may_go_on(t_us):
            return frames
        if self._pids:
            self._conclude(self._pids, t_us)
            self._pids, self._left = (), set()
        pids = sorted((due_us, pid) for pid, due_us in self._due_us.items() if due_us <= t_us)
        if not pids:
            return frames
        self.asked += 1
        self._pids = tuple(pid for _, pid in pids[: self._most])
        self._over_us = t_us + (PROMPT_TIMEOUT_US if self._has_prompt else ANSWER_TIMEOUT_US)
        self._prompted, self._left = False, set(self._pids)
        return [*frames, CanFrame(t_us, self._bus, self._request_id, request(*self._pids))]

    def prompted(self) -> None:
        """The adapter is ready: everything that was to come on the question has come."""
        self._prompted = True

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Look for answers among frames of the bus, in order of arrival."""
        for frame in [frame for frame in frames if frame[2] in ANSWER_IDS]:
            payload = self._payloads.feed(frame.t_us, (frame.bus, frame.can_id), frame.data)
            if payload is not None:
                self._take(frame.t_us, payload, is_ours=self._is_ours(frame.can_id))
            elif self._begins_answer(frame):
                self._extend(frame.t_us + MORE_FRAMES_TIMEOUT_US)
                if not self._has_prompt:
                    listener = physical_id(frame.can_id)
                    self._flow_control.append(CanFrame(frame.t_us, self._bus, listener, CLEAR_TO_SEND))

    def _begins_answer(self, frame: CanFrame) -> bool:
        """Whether a frame is the first of an answer to the question on the bus, and waits for flow control."""
        data = frame.data
        is_answer = first_length(data) is not None and data[2] == POSITIVE and data[3] in self._pids
        return is_answer and self._is_ours(frame.can_id)

    def _take(self, t_us: int, payload: bytes, *, is_ours: bool) -> None:
        answers = read_answers(payload)
        if answers is None:
            self._unreadable += payload[0] in (POSITIVE, NEGATIVE)
            if is_pending(payload) and is_ours and self._left:
                self._extend(t_us + PENDING_TIMEOUT_US)
            return
        ours = [answer for answer in answers if answer.pid in self._pids] if is_ours else []
        self.answered += bool(ours) and self._left == set(self._pids)
        self._left.difference_update(answer.pid for answer in ours)
        if self._is_discovering:
            self._claimed = self._claimed.union(*(supported(*answer) for answer in ours))

    def _extend(self, until_us: int) -> None:
        if self._pids:
            self._over_us = max(self._over_us, until_us)

    def _is_ours(self, answer_id: int) -> bool:
        return (answer_id in STANDARD_ANSWER_IDS) == (self._request_id == STANDARD_REQUEST_ID)

    def _may_go_on(self, t_us: int) -> bool:
        if self._prompted or t_us >= self._over_us:
            return True
        # Discovery waits for the slowest: each of a car's computers has its own PIDs to tell.
        return not self._left and not self._is_discovering and not self._has_prompt

    def _conclude(self, pids: tuple[int, ...], t_us: int) -> None:
        """The question about `pids` is over, answered or not: when are they, or what else, asked next?"""
        if self._is_discovering:
            self._discover_on(pids[0], t_us)
            return
        for pid in pids:
            self._due_us[pid] = t_us + round(PIDS[pid].period_s * 1e6)
        if len(pids) > 1:
            self._incomplete = self._incomplete + 1 if self._left else 0
            if self._incomplete >= MAX_INCOMPLETE:
                self._most = 1
        for pid in set(pids) - self._left:
            self._misses = self._misses_of[pid] = 0
        if len(self._left) == len(pids):
            self._misses += 1
        if len(pids) > 1:
            self._due_us.update(dict.fromkeys(self._left, t_us))
        else:
            self._missed(self._left)
        if self._misses >= MAX_MISSES:
            self._misses = 0
            self._restart(t_us)

    def _missed(self, pids: Iterable[int]) -> None:
        for pid in pids:
            self._misses_of[pid] = self._misses_of.get(pid, 0) + 1
            if self._misses_of[pid] >= MAX_MISSES:
                del self._due_us[pid]
                self._most, self._incomplete = MAX_PIDS, 0  # it may have been the only one that was left out

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


class FrameAsker:
    """Puts a poller's frames to an adapter that takes them at any time, as `encode` spells them."""

    def __init__(self, poller: Poller, encode: Callable[[CanFrame], bytes]) -> None:
        self._poller, self._encode = poller, encode

    def feed(self, _data: bytes, frames: Sequence[CanFrame]) -> None:
        """The frames that have come from the adapter."""
        self._poller.feed(frames)

    def due(self, t_us: int) -> list[bytes]:
        """What to send at `t_us`."""
        return [self._encode(frame) for frame in self._poller.due(t_us)]
