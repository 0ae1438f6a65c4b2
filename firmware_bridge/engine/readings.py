"""Decode the newest engine readings ten times per second, off the hot path of frames.

Every frame goes to the log undecoded; the crew needs only the newest values. So the hot path, `feed`, decodes
nothing: it stores the latest frame of each identifier, and `tick` decodes those that a decoder knows. If successive
frames of an identifier carry different channels (OBD-II answers, multiplexed messages), all its frames are kept until
the tick, or rare values would be missed.

A decoder that matches messages by a part of the identifier (J1939 groups) cannot list its identifiers. Identifiers on
the bus are looked up when they first appear, in order of arrival, and are known from the next tick on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Protocol, runtime_checkable

from firmware_bridge.records import CanFrame, Channel, FrameColumns, Reading

MAX_KEPT_FRAMES = 1024
"""Kept frames of multiplexed identifiers between two ticks: more than a full 1 Mbit/s bus carries in 0.1 s."""

MAX_LATEST_IDS = 4096
"""Identifiers stored between two ticks, decoded or not: more than any undamaged bus has."""


_Frame = tuple[int, int, int, bytes]
"""The fields of a `CanFrame`."""


class EngineDecoder(Protocol):
    """Decodes the frames of some identifiers. `decode` never raises: unreadable data adds to `bad`."""

    @property
    def bad(self) -> int:
        """Number of frames and messages that could not be decoded."""

    @property
    def ids(self) -> frozenset[int]:
        """The identifiers it decodes, with their flag bits."""

    @property
    def multiplexed(self) -> frozenset[int]:
        """The identifiers in `ids` whose successive frames carry different channels."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Every channel of the readings that `decode` can return."""

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> list[Reading]:
        """The readings in one frame. `bus` matters only to a decoder that reassembles messages from several frames."""


@runtime_checkable
class GroupDecoder(EngineDecoder, Protocol):
    """A decoder that also matches identifiers outside its `ids`, by a part of the identifier."""

    @property
    def has_groups(self) -> bool:
        """Whether it has such messages."""

    def of(self, can_id: int) -> Sequence[object]:
        """The messages of an identifier; none for an unknown one."""

    def is_multiplexed(self, can_id: int) -> bool:
        """Whether successive frames of an identifier carry different channels."""

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """Start or resume a log that already contains these channels."""


class EngineReadings:
    """The newest reading of every channel of all decoders, from any bus."""

    def __init__(self, decoders: Sequence[EngineDecoder]) -> None:
        self._decoders: dict[int, list[EngineDecoder]] = {}
        for decoder in decoders:
            for can_id in decoder.ids:
                self._decoders.setdefault(can_id, []).append(decoder)
        self._multiplexed: frozenset[int] = frozenset().union(*(decoder.multiplexed for decoder in decoders))
        self._listed = (self._decoders, self._multiplexed)
        self._by_group = [one for one in decoders if isinstance(one, GroupDecoder) and one.has_groups]
        self._looked_up: set[int] = set()
        self._decoded_ids = self._decoders.keys() - self._multiplexed
        self._latest: dict[int, _Frame] = {}
        self._kept: deque[_Frame] = deque(maxlen=MAX_KEPT_FRAMES)

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Store frames, in order of arrival."""
        columns = FrameColumns.of(frames)
        if self._decoded_ids or self._by_group:
            latest = self._latest
            for frame in columns.tuples():  # the fastest form measured, for chunks of any size
                latest[frame[2]] = frame
            if len(latest) > MAX_LATEST_IDS:
                self._look_up()
                self._latest = {can_id: latest[can_id] for can_id in self._decoded_ids & latest.keys()}
        if not self._multiplexed.isdisjoint(columns.ids):
            multiplexed = self._multiplexed
            self._kept.extend(frame for frame in columns.tuples() if frame[2] in multiplexed)

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """Start or resume a log that already contains these channels; channel names may depend on them."""
        if self._by_group:
            channels = list(channels)
            for decoder in self._by_group:
                decoder.begin_log(channels)
            self._forget()

    def _forget(self) -> None:
        """Forget all identifiers that were looked up; keep those that the decoders list."""
        self._looked_up.clear()
        self._decoders, self._multiplexed = self._listed
        self._decoded_ids = self._decoders.keys() - self._multiplexed

    def _look_up(self) -> None:
        """Look up identifiers that appeared for the first time, in order of arrival."""
        if not self._by_group or self._looked_up.issuperset(self._latest):
            return
        # No undamaged bus has as many identifiers; they are looked up again when they reappear.
        if len(self._looked_up) > 4 * MAX_LATEST_IDS:
            self._forget()
        decoders, multiplexed = dict(self._decoders), set(self._multiplexed)
        for can_id, frame in self._latest.items():
            if can_id not in self._looked_up:
                self._looked_up.add(can_id)
                also = [one for one in self._by_group if can_id not in one.ids and one.of(can_id)]
                if also:
                    decoders[can_id] = [*decoders.get(can_id, ()), *also]
                if any(one.is_multiplexed(can_id) for one in also) and can_id not in multiplexed:
                    multiplexed.add(can_id)
                    self._kept.append(frame)
        self._decoders, self._multiplexed = decoders, frozenset(multiplexed)
        self._decoded_ids = self._decoders.keys() - self._multiplexed

    def tick(self, t_us: int) -> list[Reading]:
        """The newest reading since the last tick of each channel that has one, in order of time.

        A reading has the time of its frame, but never a time after `t_us`.
        """
        self._look_up()
        latest = [self._latest[can_id] for can_id in self._decoded_ids & self._latest.keys()]
        frames = sorted((*self._kept, *latest), key=itemgetter(0))
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
