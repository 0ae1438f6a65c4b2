"""What the frame decoders share: an account of everything that was no frame, and the search for frames.

Knows no protocol. Damage on the wire comes in stretches: whatever lies between two good frames is one stretch
and becomes one rejected record, however many bytes and chunks it spans. Devices repeat themselves, so notices
are limited in rate and say how many were left out.

The binary protocols have no escaping, so a start byte proves nothing. The search believes a frame only if it
holds together and the next one starts right behind it (or nothing has arrived behind it yet), and after one
that does not it moves on by a single byte: a good frame may have begun inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, ClassVar

from firmware_bridge.protocols.devicetime import DeviceClock
from firmware_bridge.records import (
    EFF_FLAG,
    ERR_FLAG,
    EXTENDED_MASK,
    STANDARD_MASK,
    Batch,
    CanFrame,
    Notice,
    Rejected,
    new_record,
)

# A record shows enough to recognise the damage (three 8-byte frames of the widest protocol), and no more.
MAX_REJECTED_BYTES = 80
# Garbage without end (a wrong baud rate) still shows as something arriving: three records a second at 115200.
MAX_STRETCH_BYTES = 4096
# A flapping bus can report a thousand errors a second; five a second of each kind show all there is to see.
MAX_NOTICES_A_SECOND = 5
SECOND_US = 1_000_000

# What a search may find instead of a frame's size.
NEED_MORE = 0
NO_FRAME = -1
# Below this many frames looking for an even run costs more than it saves.
EVEN_FRAMES = 4


def can_frames(
    times_us: Iterable[int], buses: Iterable[int], ids: Iterable[int], datas: Iterable[bytes]
) -> list[CanFrame]:
    """Columns to frames without a Python call for each: the tuple's own constructor is all that runs."""
    return list(map(new_record, repeat(CanFrame), zip(times_us, buses, ids, datas, strict=False)))


class Account:
    """Rejected stretches and notices on their way to the next batch, both bounded."""

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
        """These bytes were no frame. They join the stretch that is open; its first reason is the one told."""
        if not self._stretch_bytes:
            self.bad += 1
            self._stretch_t_us, self._stretch_reason = t_us, reason
        self._stretch += data[: MAX_REJECTED_BYTES - len(self._stretch)]
        self._stretch_bytes += len(data)
        if self._stretch_bytes >= MAX_STRETCH_BYTES:
            self.settle()

    def settle(self) -> None:
        """A good frame came, so the damaged stretch before it is over."""
        if self._stretch_bytes:
            record = Rejected(self._stretch_t_us, self._stretch_reason, bytes(self._stretch))
            self._rejected.append(record)
            self._stretch.clear()
            self._stretch_bytes = 0

    def notice(self, t_us: int, kind: str, **detail: Any) -> None:
        """Tell what a device said, unless it has said that sort of thing often enough this second."""
        second, told = self._second.get(kind, (t_us // SECOND_US, 0))
        if second != t_us // SECOND_US:
            if told > MAX_NOTICES_A_SECOND:
                detail["left_out"] = told - MAX_NOTICES_A_SECOND
            second, told = t_us // SECOND_US, 0
        self._second[kind] = (second, told + 1)
        if told < MAX_NOTICES_A_SECOND:
            self._notices.append(Notice(t_us, kind, detail))

    def batch(self, frames: list[CanFrame]) -> Batch:
        """Everything since the last batch."""
        batch = Batch(frames, [], self._rejected, self._notices)
        self._rejected, self._notices = [], []
        return batch


class FrameSearch(ABC):
    """A decoder of a binary protocol without escaping: finds the frames, its subclass knows what they are.

    A subclass fills the columns `_stamps`, `_buses`, `_ids` and `_datas`, one entry a frame, and leaves out
    `_stamps` when its devices have no clock.
    """

    STARTS: ClassVar[bytes]
    """The bytes a frame can begin with."""

    def __init__(self, bus: int = 0, clock: DeviceClock | None = None) -> None:
        self.good = 0
        self._bus = bus
        self._clock = clock
        self._account = Account()
        self._rest = b""
        self._t_us = 0
        self._clear()

    @property
    def bad(self) -> int:
        return self._account.bad

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode what arrived at `t_us`. What is kept is less than one frame of the longest kind."""
        buffer = self._rest + data
        self._t_us = t_us
        at, end = 0, len(buffer)
        while at < end:
            stop, verdict = self._some(buffer, at)
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
    def _some(self, buffer: bytes, at: int) -> tuple[int, int]:
        """Decode from `at` on for as long as it is good: where that ends, and NEED_MORE or NO_FRAME."""

    def _clear(self) -> None:
        self._stamps: list[int] = []
        self._buses: list[int] = []
        self._ids: list[int] = []
        self._datas: list[bytes] = []

    def _frames(self) -> list[CanFrame]:
        if not self._ids:
            return []
        self.good += len(self._ids)
        times_us = [self._t_us] * len(self._ids)
        if self._clock is not None:
            times_us = stamped(self._clock, self._stamps, self._t_us, self._account)
        frames = can_frames(times_us, self._buses, self._ids, self._datas)
        self._clear()
        return frames


def stamped(clock: DeviceClock, stamps: list[int], t_us: int, account: Account) -> list[int]:
    """The times of a chunk's frames by the device's clock; a jump of that clock is worth a notice."""
    times_us = clock.session_us(stamps, t_us)
    if (jump_us := clock.take_jump()) is not None:
        account.notice(t_us, "device_clock", jump_ms=jump_us // 1000)
    return times_us


def is_identifier(can_id: int) -> bool:
    """Whether SocketCAN's 32 bits can be of a frame: an error frame, an extended identifier, or a standard one."""
    return bool(can_id & (EFF_FLAG | ERR_FLAG)) or can_id & EXTENDED_MASK <= STANDARD_MASK


def even_block(buffer: bytes, at: int, size: int, same: Mapping[int, int]) -> bytes:
    """The rest of the buffer from `at`, in whole frames of `size` bytes, if all have the `same` values at
    their places (the start at 0 is one); else nothing."""
    count = (len(buffer) - at) // size
    stop = at + count * size
    if count < EVEN_FRAMES or buffer[stop : stop + 1] not in (b"", bytes((same[0],))):
        return b""
    block = buffer[at:stop]
    even = all(block[place::size].count(value) == count for place, value in same.items())
    return block if even else b""
