"""Shared parts of the frame decoders: search for frames, rejected bytes, rate-limited notices.

Knows no protocol. Damage on the wire comes in stretches: all bytes between two good frames are one stretch and become
one rejected record, however many bytes and chunks it spans. Devices repeat themselves, so notices are limited in rate
and give the number left out.

The binary protocols have no escaping, so a start byte proves nothing. The search accepts a frame only if it is valid
and the next one starts right after it (or nothing has arrived after it yet). After an invalid frame it moves on by a
single byte: a good frame may begin inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from firmware_bridge.protocols.devicetime import DeviceClock
from firmware_bridge.record_columns import Batch, FrameColumns
from firmware_bridge.records import (
    EFF_FLAG,
    ERR_FLAG,
    EXTENDED_MASK,
    STANDARD_MASK,
    CanFrame,
    Notice,
    Rejected,
)

# Bytes kept of a rejected stretch: enough to recognise the damage (three 8-byte frames of the widest protocol).
MAX_REJECTED_BYTES = 80
# Endless garbage (a wrong baud rate) gives a record per so many bytes: three records per second at 115200 baud.
MAX_STRETCH_BYTES = 4096
# A faulty bus can report a thousand errors per second; five per second of each kind show the fault.
MAX_NOTICES_PER_S = 5
SECOND_US = 1_000_000

# Results of a search other than a frame's size.
NEED_MORE = 0
NO_FRAME = -1
# With fewer frames the check for a uniform block takes longer than it saves.
MIN_UNIFORM_FRAMES = 4


class Account:
    """Collects rejected stretches and notices for the next batch, both bounded."""

    def __init__(self) -> None:
        self.bad = 0
        self._rejected: list[Rejected] = []
        self._notices: list[Notice] = []
        self._stretch = bytearray()
        self._stretch_bytes = 0
        self._stretch_t_us = 0
        self._stretch_reason = ""
        self._second: dict[str, tuple[int, int]] = {}

    def reject(self, data: bytes, reason: str, t_us: int) -> None:
        """Add bytes that are not a frame to the open stretch. A stretch keeps its first reason."""
        while data:
            if not self._stretch_bytes:
                self.bad += 1
                self._stretch_t_us, self._stretch_reason = t_us, reason
            room = MAX_STRETCH_BYTES - self._stretch_bytes
            self._stretch += data[: MAX_REJECTED_BYTES - len(self._stretch)]
            self._stretch_bytes += min(len(data), room)
            if len(data) >= room:
                self.settle()
            data = data[room:]

    def settle(self) -> None:
        """Close the damaged stretch, because a good frame follows it."""
        if self._stretch_bytes:
            record = Rejected(self._stretch_t_us, self._stretch_reason, bytes(self._stretch))
            self._rejected.append(record)
            self._stretch.clear()
            self._stretch_bytes = 0

    def notice(self, t_us: int, kind: str, **detail: Any) -> None:
        """Add a notice, unless this second already has MAX_NOTICES_PER_S of its kind."""
        second, count = self._second.get(kind, (t_us // SECOND_US, 0))
        if second != t_us // SECOND_US:
            if count > MAX_NOTICES_PER_S:
                detail["left_out"] = count - MAX_NOTICES_PER_S
            second, count = t_us // SECOND_US, 0
        self._second[kind] = (second, count + 1)
        if count < MAX_NOTICES_PER_S:
            self._notices.append(Notice(t_us, kind, detail))

    def batch(self, frames: Iterable[CanFrame]) -> Batch:
        """The frames, with the rejected stretches and notices since the last batch."""
        batch = Batch(FrameColumns.of(frames), [], self._rejected, self._notices)
        self._rejected, self._notices = [], []
        return batch


class FrameDecoder:
    """What the decoders of adapters have in common: their counts, and the device's clock if it stamps its frames."""

    def __init__(self, bus: int = 0, clock: DeviceClock | None = None) -> None:
        self.good = 0
        self._bus = bus
        self._clock = clock
        self._account = Account()
        self._rest = b""
        self._t_us = 0

    @property
    def bad(self) -> int:
        return self._account.bad

    @property
    def is_stamped(self) -> bool:
        return self._clock is not None and self._clock.is_running

    def _begin(self, t_us: int) -> None:
        """Take the time of the chunk that is to be decoded."""
        if self._clock is not None:
            self._clock.port_emptied(self._t_us)  # by the chunk before
        self._t_us = t_us


class FrameSearch(FrameDecoder, ABC):
    """Base of decoders for binary protocols without escaping: searches for frames; a subclass parses them.

    A subclass fills the columns `_stamps`, `_buses`, `_ids` and `_datas`, one entry per frame, without `_stamps` if
    its devices have no clock.
    """

    STARTS: ClassVar[bytes]
    """The bytes with which a frame can begin."""

    def __init__(self, bus: int = 0, clock: DeviceClock | None = None) -> None:
        super().__init__(bus, clock)
        self._clear()

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode the bytes that arrived at `t_us`. Less than one frame of the longest kind is kept."""
        self._begin(t_us)
        buffer = self._rest + data
        at, end = 0, len(buffer)
        while at < end:
            stop, verdict = self._decode_run(buffer, at)
            if stop > at:
                self._account.settle()
            at = stop
            if verdict == NEED_MORE:
                break
            start = min((w for s in self.STARTS if (w := buffer.find(s, at + 1)) >= 0), default=end)
            self._account.reject(buffer[at:start], "frame" if buffer[at] in self.STARTS else "noise", t_us)
            at = start
        self._rest = buffer[at:]
        return self._account.batch(self._frames())

    @abstractmethod
    def _decode_run(self, buffer: bytes, at: int) -> tuple[int, int]:
        """Decode the good frames from `at` on. Returns their end, and NEED_MORE or NO_FRAME."""

    def _clear(self) -> None:
        self._stamps: list[int] = []
        self._buses: list[int] = []
        self._ids: list[int] = []
        self._datas: list[bytearray] = []

    def _frames(self) -> FrameColumns:
        if not self._ids:
            return FrameColumns()
        self.good += len(self._ids)
        times_us = [self._t_us] * len(self._ids)
        if self._clock is not None:
            times_us = stamped(self._clock, self._stamps, self._t_us, self._account)
        frames = FrameColumns(times_us, self._buses, self._ids, self._datas)
        self._clear()
        return frames


def stamped(clock: DeviceClock, stamps: list[int], t_us: int, account: Account) -> list[int]:
    """The times of a chunk's frames by the device's clock; a jump of that clock adds a notice."""
    times_us = clock.session_us(stamps, t_us)
    if (jump_us := clock.take_jump()) is not None:
        account.notice(t_us, "device_clock", jump_ms=jump_us // 1000)
    return times_us


def is_identifier(can_id: int) -> bool:
    """Whether 32 bits are a valid SocketCAN identifier: error frame, extended or standard."""
    return bool(can_id & (EFF_FLAG | ERR_FLAG)) or can_id & EXTENDED_MASK <= STANDARD_MASK


def uniform_block(buffer: bytes, at: int, size: int, same: Mapping[int, int]) -> bytes:
    """The buffer from `at` on as whole frames of `size` bytes, if every frame has the `same` byte values at the given
    offsets; else b"". The last one is left out if bytes follow it: whether they begin a frame is the caller's check."""
    count, rest = divmod(len(buffer) - at, size)
    if count < MIN_UNIFORM_FRAMES:
        return b""
    block = buffer[at : at + count * size]
    if not all(block[place::size].count(value) == count for place, value in same.items()):
        return b""
    return block[:-size] if rest else block
