"""Frames to engine readings, ten times a second, without slowing the bus down.

Every frame goes to the log as it is; the crew needs only the newest values. So the hot path, `feed`, decodes
nothing: it remembers the latest frame of each identifier, and `tick` decodes those somebody wants. An
identifier whose frames say different things in turn (OBD-II answers, multiplexed messages) keeps all of them
until the tick, or the rarer values would never be seen.

A decoder that knows messages by a part of the identifier (J1939 groups) cannot list its identifiers: those on the bus
are looked up when they are met, in order of arrival, and are known from the next tick on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Protocol, runtime_checkable

from firmware_bridge.records import CanFrame, Channel, Reading

MAX_KEPT_FRAMES = 1024
"""Of identifiers that speak in turns, between two ticks: more than a full 1 Mbit/s bus brings in 0.1 s."""

MAX_LATEST_IDS = 4096
"""Identifiers remembered between two ticks, wanted or not: more than any bus has that is not damaged."""


class EngineDecoder(Protocol):
    """What knows the meaning of some identifiers. `decode` never raises: unreadable data adds to `bad`."""

    @property
    def bad(self) -> int:
        """How many frames and messages could not be read."""

    @property
    def ids(self) -> frozenset[int]:
        """The identifiers it decodes, with their flag bits."""

    @property
    def turns(self) -> frozenset[int]:
        """Those of `ids` whose frames carry different channels in turn."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Every channel that it can give."""

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> list[Reading]:
        """What one frame says. `bus` matters only to who puts messages of several frames together."""


@runtime_checkable
class GroupDecoder(EngineDecoder, Protocol):
    """A decoder that knows identifiers beyond its `ids`, by a part of them."""

    @property
    def has_groups(self) -> bool:
        """Whether it does so at all."""

    def of(self, can_id: int) -> Sequence[object]:
        """The messages that frames of an identifier are; none where it does not know it."""

    def takes_turns(self, can_id: int) -> bool:
        """Whether the frames of an identifier carry different channels in turn."""

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """A log begins, or is continued, that has had these channels so far."""


class EngineReadings:
    """The newest reading of every channel of all the decoders, whatever bus it comes on."""

    def __init__(self, decoders: Sequence[EngineDecoder]) -> None:
        self._decoders: dict[int, list[EngineDecoder]] = {}
        for decoder in decoders:
            for can_id in decoder.ids:
                self._decoders.setdefault(can_id, []).append(decoder)
        self._turns: frozenset[int] = frozenset().union(*(decoder.turns for decoder in decoders))
        self._listed = (self._decoders, self._turns)
        self._by_group = [one for one in decoders if isinstance(one, GroupDecoder) and one.has_groups]
        self._met: set[int] = set()
        self._wanted = self._decoders.keys() - self._turns
        self._latest: dict[int, CanFrame] = {}
        self._kept: deque[CanFrame] = deque(maxlen=MAX_KEPT_FRAMES)

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Take note of frames, in order of arrival. The plainest loop measured as the fastest."""
        if self._wanted or self._by_group:
            latest = self._latest
            for frame in frames:
                latest[frame[2]] = frame
            if len(latest) > MAX_LATEST_IDS:
                self._meet()
                self._latest = {can_id: latest[can_id] for can_id in self._wanted & latest.keys()}
        if self._turns:
            turns = self._turns
            self._kept.extend([frame for frame in frames if frame[2] in turns])

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """A log begins, or is continued, that has had these channels so far: names that depend on it start there."""
        if self._by_group:
            channels = list(channels)
            for decoder in self._by_group:
                decoder.begin_log(channels)
            self._forget()

    def _forget(self) -> None:
        """Only the identifiers that the decoders list are known again."""
        self._met.clear()
        self._decoders, self._turns = self._listed
        self._wanted = self._decoders.keys() - self._turns

    def _meet(self) -> None:
        """Look up the identifiers that have come for the first time, in order of arrival."""
        if not self._by_group or self._met.issuperset(self._latest):
            return
        if (
            len(self._met) > 4 * MAX_LATEST_IDS
        ):  # no sound bus has as many: they are looked up again when they come
            self._forget()
        decoders, turns = dict(self._decoders), set(self._turns)
        for can_id, frame in self._latest.items():
            if can_id not in self._met:
                self._met.add(can_id)
                also = [one for one in self._by_group if can_id not in one.ids and one.of(can_id)]
                if also:
                    decoders[can_id] = [*decoders.get(can_id, ()), *also]
                if any(one.takes_turns(can_id) for one in also) and can_id not in turns:
                    turns.add(can_id)
                    self._kept.append(frame)
        self._decoders, self._turns = decoders, frozenset(turns)
        self._wanted = self._decoders.keys() - self._turns

    def tick(self, t_us: int) -> list[Reading]:
        """The newest reading of each channel that has had one since the last tick, in order of time.

        A reading carries the time of its frame, and none a time after `t_us`.
        """
        self._meet()
        latest = [self._latest[can_id] for can_id in self._wanted & self._latest.keys()]
        frames = sorted((*self._kept, *latest), key=attrgetter("t_us"))
        self._kept.clear()
        self._latest.clear()
        readings: list[Reading] = []
        for frame_us, bus, can_id, data in frames:
            for decoder in self._decoders[can_id]:
                readings += decoder.decode(min(frame_us, t_us), can_id, data, bus)
        newest: dict[Channel, Reading] = {}
        for reading in reversed(readings):
            newest.setdefault(reading.channel, reading)
        return list(newest.values())[::-1]
