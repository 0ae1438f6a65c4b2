"""Decode the newest engine readings ten times per second, off the hot path of frames.

Every frame goes to the log undecoded; the crew needs only the newest values. So the hot path, `feed`, decodes
nothing: it only keeps the columns, and `tick` finds the newest frame of each identifier that a decoder knows. It looks
at the newest columns first, where most identifiers are already found. If successive frames of an identifier carry
different channels (OBD-II answers, multiplexed messages), all its frames are kept until the tick, or rare values would
be missed.

A decoder that matches messages by a part of the identifier (J1939 groups) cannot list its identifiers. Identifiers on
the bus are looked up when they first appear, in order of arrival, and are known from the next tick on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Protocol, runtime_checkable

from firmware_bridge.record_columns import FrameColumns, ReadingColumns
from firmware_bridge.records import FD_FLAGS, CanFrame, Channel, Reading

MAX_KEPT_FRAMES = 1024
"""Kept frames of multiplexed identifiers between two ticks: more than a full 1 Mbit/s bus carries in 0.1 s."""

MAX_UNREAD_FRAMES = 4096
"""Frames whose columns are kept until their newest ones are looked up: more than arrive between two ticks."""
PIECE_FRAMES = 64
"""Frames that are looked at first: on a full bus the newest frames of the frequent identifiers are among them."""
MAX_LOOKED_UP_IDS = 16_384
"""Identifiers looked up: more than any undamaged bus has."""

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

    def decode(self, t_us: int, can_id: int, data: bytes, bus: int = 0) -> Sequence[Reading]:
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
        self._may_repeat = bool(self._by_group) or _share_channels(decoders)
        self._looked_up: set[int] = set()
        self._decoded_ids = self._decoders.keys() - self._multiplexed
        self._unread: list[FrameColumns] = []
        self._unread_frames = 0
        self._latest: dict[int, _Frame] = {}
        self._kept: deque[_Frame] = deque(maxlen=MAX_KEPT_FRAMES)

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Store frames, in order of arrival. `FrameColumns` must not change later."""
        columns = FrameColumns.of(frames)
        if self._decoded_ids or self._by_group:
            self._unread.append(columns)
            self._unread_frames += len(columns)
            if self._unread_frames > MAX_UNREAD_FRAMES:
                self._read()
        if self._multiplexed and not self._multiplexed.isdisjoint(columns.ids):
            multiplexed = self._multiplexed
            self._kept += [
                _frame(columns, at) for at, can_id in enumerate(columns.ids) if can_id in multiplexed
            ]

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

    def _read(self) -> None:
        """Move the newest frame of each identifier from the unread columns to `_latest`."""
        new = self._look_up()
        wanted = self._decoded_ids | new if new else self._decoded_ids
        for ids, columns, begin in self._newest_first():
            if not wanted.isdisjoint(ids):
                newest = dict(zip(ids, range(begin, begin + len(ids)), strict=True))
                here = wanted.intersection(newest)
                for can_id in here:
                    self._latest[can_id] = _frame(columns, newest[can_id])
                wanted = wanted - here
        self._unread.clear()
        self._unread_frames = 0
        for can_id in self._multiplexed.intersection(self._latest):  # looked up just now
            self._kept.append(self._latest.pop(can_id))

    def _newest_first(self) -> Iterator[tuple[list[int], FrameColumns, int]]:
        """Pieces of the unread columns, each larger than the one before, with the offset of their first frame."""
        for columns in reversed(self._unread):
            end, size = len(columns.ids), PIECE_FRAMES
            while end > 0:
                begin = max(0, end - size)
                yield columns.ids[begin:end], columns, begin
                end, size = begin, 2 * size

    def _look_up(self) -> set[int]:
        """Look up identifiers that appeared for the first time, in order of arrival. Returns the multiplexed ones."""
        new_ids: list[int] = []
        for columns in self._unread if self._by_group else ():
            fresh = set(columns.ids).difference(self._looked_up)
            self._looked_up |= fresh
            new_ids += sorted(fresh, key=columns.ids.index)
        if not new_ids:
            return set()
        decoders, multiplexed = dict(self._decoders), set(self._multiplexed)
        for can_id in new_ids:
            also = [one for one in self._by_group if can_id not in one.ids and one.of(can_id)]
            if also:
                decoders[can_id] = [*decoders.get(can_id, ()), *also]
            if any(one.is_multiplexed(can_id) for one in also):
                multiplexed.add(can_id)
        new = multiplexed - self._multiplexed
        self._decoders, self._multiplexed = decoders, frozenset(multiplexed)
        self._decoded_ids = self._decoders.keys() - self._multiplexed
        return new

    def tick(self, t_us: int) -> Sequence[Reading]:
        """The newest reading since the last tick of each channel that has one, in order of time.

        A reading has the time of its frame, but never a time after `t_us`.
        """
        self._read()
        frames = sorted((*self._kept, *self._latest.values()), key=itemgetter(0))
        # A message may come with and without the flags of CAN FD, which makes two identifiers.
        may_repeat = self._may_repeat or bool(self._kept) or any(can_id & FD_FLAGS for can_id in self._latest)
        self._kept.clear()
        self._latest.clear()
        readings = ReadingColumns()
        for frame_us, bus, can_id, data in frames:
            for decoder in self._decoders.get(can_id, ()):  # none if it was forgotten since
                readings.extend(decoder.decode(min(frame_us, t_us), can_id, data, bus))
        if len(self._looked_up) > MAX_LOOKED_UP_IDS:
            self._forget()  # damage: those that the bus has are looked up again when they reappear
        return _newest(readings) if may_repeat else readings


def _frame(columns: FrameColumns, at: int) -> _Frame:
    return columns.times_us[at], columns.buses[at], columns.ids[at], bytes(columns.datas[at])


def _newest(readings: ReadingColumns) -> ReadingColumns:
    """The last reading of each channel."""
    newest: dict[Channel, Reading] = {}
    for reading in reversed(readings):
        newest.setdefault(reading.channel, reading)
    return ReadingColumns.of(reversed(newest.values()))


def _share_channels(decoders: Sequence[EngineDecoder]) -> bool:
    """Whether the frames of one identifier or of two may have a reading of the same channel."""
    channels = [channel for one in decoders for channel in one.channels]
    ids = [can_id for one in decoders for can_id in one.ids]
    return len(set(channels)) < len(channels) or len(set(ids)) < len(ids)
