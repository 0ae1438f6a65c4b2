"""OBD-II poller: decides which PIDs to request, how many per request, and when.

Sans-I/O: times and received frames come in, frames to transmit go out. The poller first discovers which PIDs the car
supports and requests no others. It has one request on the bus at a time. Without answers (ignition off, wrong port)
it requests less and less often. A request may contain several PIDs, until the car turns out not to answer such
requests completely. It sends flow control for an answer in several frames. Whether it may transmit at all
(`poll` without `listen_only`) is checked in the configuration.
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
"""An engine has 50 ms to answer (ISO 15765-4, P2 max); the rest allows for two USB queues."""
MORE_FRAMES_TIMEOUT_US = 500_000
"""From the first frame to the last: ISO-TP allows a second between two frames, real engines need milliseconds."""
PENDING_TIMEOUT_US = 5_000_000
"""After "response pending" (ISO 15765-4, P2* max)."""
PROMPT_TIMEOUT_US = 15_000_000
"""Longest wait for an adapter's prompt before it counts as stuck; a slow adapter takes ten seconds to find a car's
protocol."""

FIRST_PAUSE_US = 1_000_000
LONGEST_PAUSE_US = 30_000_000
"""The pause after an unanswered discovery doubles each time up to this: after the ignition is switched on, polling
starts within half a minute, and a parked car is not kept awake."""

MAX_MISSES = 5
"""Unanswered requests in a row after which discovery starts again. A PID that misses as often while others answer is
not requested until then."""
MAX_INCOMPLETE = 2
"""Incomplete answers in a row to requests for several PIDs after which each PID is requested alone."""


class Poller:
    """Requests the given PIDs from one car's engine, each at its own rate, as fast as the engine answers.

    `due` returns at most one request at a time, for the adapter's bus `bus`. With `has_prompt` the adapter reports
    the end of a request (`prompted`) and sends the flow control itself.

    Counts: `requested` and `answered` requests; `bad`: frames and payloads from the answer identifiers that are not
    positive answers.
    """

    def __init__(self, pids: Iterable[int] = PIDS, bus: int = 0, *, has_prompt: bool = False) -> None:
        self.requested = self.answered = 0
        self._selected = tuple(pid for pid in pids if pid in PIDS)
        self._bus = bus
        self._has_prompt = has_prompt
        self._payloads = Reassembler()
        self._unreadable = 0
        self._request_id = STANDARD_REQUEST_ID
        self._pause_us = FIRST_PAUSE_US
        self._misses = 0
        self._pids: tuple[int, ...] = ()  # the request on the bus; its deadline is:
        self._deadline_us = 0
        self._prompted = False
        self._unanswered: set[int] = set()
        self._flow_control: list[CanFrame] = []
        self._restart(0)

    @property
    def bad(self) -> int:
        return self._unreadable + self._payloads.bad + self._payloads.dropped

    @property
    def supported(self) -> frozenset[int]:
        """The PIDs that the car supports; empty during discovery."""
        return frozenset() if self._is_discovering else self._supported

    def _restart(self, t_us: int) -> None:
        self._supported: frozenset[int] = frozenset()
        self._is_discovering = True
        self._due_us = {SUPPORT_PIDS[0]: t_us}
        self._misses_of: dict[int, int] = {}
        self._max_pids, self._incomplete = MAX_PIDS, 0

    def due(self, t_us: int) -> list[CanFrame]:
        """The frames to transmit at `t_us`: flow control and at most one request. Call it 100 times per second."""
        frames = [frame._replace(t_us=t_us) for frame in self._flow_control]
        self._flow_control.clear()
        if self._pids and not self._is_over(t_us):
            return frames
        if self._pids:
            self._finish(self._pids, t_us)
            self._pids, self._unanswered = (), set()
        pids = sorted((due_us, pid) for pid, due_us in self._due_us.items() if due_us <= t_us)
        if not pids:
            return frames
        self.requested += 1
        self._pids = tuple(pid for _, pid in pids[: self._max_pids])
        self._deadline_us = t_us + (PROMPT_TIMEOUT_US if self._has_prompt else ANSWER_TIMEOUT_US)
        self._prompted, self._unanswered = False, set(self._pids)
        return [*frames, CanFrame(t_us, self._bus, self._request_id, request(*self._pids))]

    def prompted(self) -> None:
        """The adapter has sent its prompt: all answers to the request have arrived."""
        self._prompted = True

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Process received frames, in order of arrival; those that are not answers are ignored."""
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
        """Whether a frame is the first of a long answer to the current request, and waits for flow control."""
        data = frame.data
        is_answer = first_length(data) is not None and data[2] == POSITIVE and data[3] in self._pids
        return is_answer and self._is_ours(frame.can_id)

    def _take(self, t_us: int, payload: bytes, *, is_ours: bool) -> None:
        answers = read_answers(payload)
        if answers is None:
            self._unreadable += payload[0] in (POSITIVE, NEGATIVE)
            if is_pending(payload) and is_ours and self._unanswered:
                self._extend(t_us + PENDING_TIMEOUT_US)
            return
        ours = [answer for answer in answers if answer.pid in self._pids] if is_ours else []
        self.answered += bool(ours) and self._unanswered == set(self._pids)
        self._unanswered.difference_update(answer.pid for answer in ours)
        if self._is_discovering:
            self._supported = self._supported.union(*(supported(*answer) for answer in ours))

    def _extend(self, until_us: int) -> None:
        if self._pids:
            self._deadline_us = max(self._deadline_us, until_us)

    def _is_ours(self, answer_id: int) -> bool:
        return (answer_id in STANDARD_ANSWER_IDS) == (self._request_id == STANDARD_REQUEST_ID)

    def _is_over(self, t_us: int) -> bool:
        if self._prompted or t_us >= self._deadline_us:
            return True
        # Discovery waits for the slowest: each control unit of a car reports its own PIDs.
        return not self._unanswered and not self._is_discovering and not self._has_prompt

    def _finish(self, pids: tuple[int, ...], t_us: int) -> None:
        """Schedule the next requests when the one for `pids` is over, answered or not."""
        if self._is_discovering:
            self._continue_discovery(pids[0], t_us)
            return
        for pid in pids:
            self._due_us[pid] = t_us + round(PIDS[pid].period_s * 1e6)
        if len(pids) > 1:
            self._incomplete = self._incomplete + 1 if self._unanswered else 0
            if self._incomplete >= MAX_INCOMPLETE:
                self._max_pids = 1
        for pid in set(pids) - self._unanswered:
            self._misses = self._misses_of[pid] = 0
        if len(self._unanswered) == len(pids):
            self._misses += 1
        if len(pids) > 1:
            self._due_us.update(dict.fromkeys(self._unanswered, t_us))
        else:
            self._count_misses(self._unanswered)
        if self._misses >= MAX_MISSES:
            self._misses = 0
            self._restart(t_us)

    def _count_misses(self, pids: Iterable[int]) -> None:
        for pid in pids:
            self._misses_of[pid] = self._misses_of.get(pid, 0) + 1
            if self._misses_of[pid] >= MAX_MISSES:
                del self._due_us[pid]
                # It may have been the only PID without an answer, so several per request may work again.
                self._max_pids, self._incomplete = MAX_PIDS, 0

    def _continue_discovery(self, pid: int, t_us: int) -> None:
        following = pid + 0x20
        if following in self._supported and following in SUPPORT_PIDS:
            self._due_us = {following: t_us}
        elif self._supported.intersection(self._selected):
            self._pause_us = FIRST_PAUSE_US
            self._is_discovering = False
            self._due_us = {number: t_us for number in self._selected if number in self._supported}
        elif self._request_id == STANDARD_REQUEST_ID:
            self._request_id = EXTENDED_REQUEST_ID
            self._due_us = {SUPPORT_PIDS[0]: t_us}
        else:
            self._request_id = STANDARD_REQUEST_ID
            self._due_us = {SUPPORT_PIDS[0]: t_us + self._pause_us}
            self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)


class FrameAsker:
    """Sends a poller's requests to an adapter that accepts frames at any time; `encode` gives their bytes."""

    def __init__(self, poller: Poller, encode: Callable[[CanFrame], bytes]) -> None:
        self._poller, self._encode = poller, encode

    def feed(self, _data: bytes, frames: Sequence[CanFrame]) -> None:
        """Process frames received from the adapter."""
        self._poller.feed(frames)

    def due(self, t_us: int) -> list[bytes]:
        """The bytes to send at `t_us`."""
        return [self._encode(frame) for frame in self._poller.due(t_us)]
