"""SocketCAN records: frames of a kernel CAN interface as a stream of bytes, decoder and encoder.

    classic   43 41 4E 10 | dropped u32 | stamp us u64 | id u32 | length u8 | 3 bytes           | data[8]
    FD        43 41 4E 48 | dropped u32 | stamp us u64 | id u32 | length u8 | flags u8, 2 bytes | data[64]

A socket returns one frame per call, with its time and the count of lost frames as ancillary data. A record combines
the three, so that a port stays a stream of bytes that can be stored and replayed. After its first 16 bytes a record is
the kernel's `struct can_frame` or `struct canfd_frame` (linux/can.h), whose size is the fourth byte. Little-endian, as
every machine the recorder runs on. `stamp` is of CLOCK_MONOTONIC, in microseconds; `dropped` counts all frames that
the kernel has dropped since the socket was opened because they were not read in time.

Records are not damaged in transit, but a capture may be truncated: a record is accepted if the next one starts right
after it. Frames to transmit have the same form. The interface has its bit rate already, so there is nothing to open.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct as Packing

from construct import (
    Byte,
    Bytes,
    Const,
    Int8ul,
    Int32ul,
    Int64ul,
    Padded,
    Padding,
    Rebuild,
    Struct,
    len_,
    this,
)

from firmware_bridge.errors import WireError
from firmware_bridge.protocols import no_opening
from firmware_bridge.protocols.devicetime import DeviceClock
from firmware_bridge.protocols.framing import (
    NEED_MORE,
    NO_FRAME,
    SECOND_US,
    FrameSearch,
    is_identifier,
    uniform_block,
)
from firmware_bridge.protocols.socketcan_errors import notices
from firmware_bridge.records import (
    BRS_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_BYTE_SHIFT,
    FD_FLAG,
    FD_LENGTHS,
    RTR_FLAG,
    CanFrame,
    fd_flags,
)

MARK = b"CAN"
HEAD_BYTES = 16
CLASSIC_BYTES, FD_BYTES = 16, 72
"""Sizes of `struct can_frame` and `struct canfd_frame`."""
CLASSIC = Struct(
    Const(MARK),
    Const(CLASSIC_BYTES, Byte),
    "dropped" / Int32ul,
    "stamp" / Int64ul,
    "can_id" / Int32ul,
    "length" / Rebuild(Int8ul, len_(this.data)),
    Padding(3),
    "data" / Padded(8, Bytes(this.length)),
)
FD = Struct(
    Const(MARK),
    Const(FD_BYTES, Byte),
    "dropped" / Int32ul,
    "stamp" / Int64ul,
    "can_id" / Int32ul,
    "length" / Rebuild(Int8ul, len_(this.data)),
    "flags" / Byte,
    Padding(2),
    "data" / Padded(64, Bytes(this.length)),
)
# An interface has no baud rate.
BAUDS: tuple[int, ...] = ()
CLOSING = b""
opening = no_opening

pack_head = Packing("<3sBIQ").pack
"""The 16 bytes before a frame: MARK, the frame's size, `dropped`, `stamp`."""
_CLASSIC_HEAD = bytes((*MARK, CLASSIC_BYTES))
_CLASSIC = Packing("<4xIQIB3x8s")
_FD = Packing("<4xIQIBB2x64s")
_STAMP_MODULUS = 2**64
_FD_LENGTHS = frozenset(FD_LENGTHS)

__all__ = ["BAUDS", "CLASSIC", "CLOSING", "FD", "Decoder", "encode", "opening", "report"]


class Decoder(FrameSearch):
    """Decode records into frames. `bus` is the log's number of the interface.

    An error frame gives a frame with ERR_FLAG and notices. Frames dropped by the kernel are added up in a notice
    `frames_dropped`, at most once per second, so that the count is complete.
    """

    STARTS = MARK[:1]

    def __init__(self, bus: int = 0) -> None:
        super().__init__(bus, DeviceClock(1, (_STAMP_MODULUS,)))
        self._dropped = 0
        self._lost = 0
        self._next_notice_us = 0

    def _decode_run(self, buffer: bytes, at: int) -> tuple[int, int]:
        at += self._uniform(buffer, at)
        while at < len(buffer):
            taken = self._one(buffer, at)
            if taken <= 0:
                return at, taken
            at += taken
        return at, NEED_MORE

    def _one(self, buffer: bytes, at: int) -> int:
        """Decode one record; returns the number of bytes used, NEED_MORE or NO_FRAME."""
        start = buffer[at : at + 4]
        if len(start) < 4 and _CLASSIC_HEAD.startswith(start):
            return NEED_MORE
        if start[:3] != MARK or start[3] not in (CLASSIC_BYTES, FD_BYTES):
            return NO_FRAME
        stop = at + HEAD_BYTES + start[3]
        if stop > len(buffer):
            return NEED_MORE
        if start[3] == CLASSIC_BYTES:
            dropped, stamp, can_id, length, data = _CLASSIC.unpack_from(buffer, at)
            is_frame = length <= 8 and is_identifier(can_id)
        else:
            dropped, stamp, can_id, length, flags, data = _FD.unpack_from(buffer, at)
            is_frame = length in _FD_LENGTHS and is_identifier(can_id) and not can_id & (RTR_FLAG | ERR_FLAG)
            can_id |= fd_flags(flags)  # CANFD_FDF repeats what the size says
        if not is_frame or not MARK.startswith(buffer[stop : stop + len(MARK)]):
            return NO_FRAME
        self._take([dropped], [stamp], [can_id], [bytes(length) if can_id & RTR_FLAG else data[:length]])
        return stop - at

    def _uniform(self, buffer: bytes, at: int) -> int:
        """Decode a buffer of classic data frames in one go; returns the number of bytes used."""
        block = uniform_block(buffer, at, HEAD_BYTES + CLASSIC_BYTES, dict(enumerate(_CLASSIC_HEAD)))
        if not block:
            return 0
        dropped, stamps, ids, lengths, datas = zip(*_CLASSIC.iter_unpack(block), strict=True)
        if any(can_id & (RTR_FLAG | ERR_FLAG) or not is_identifier(can_id) for can_id in set(ids)):
            return 0
        kinds = set(lengths)
        if max(kinds) > 8:
            return 0
        if kinds != {8}:
            datas = tuple(data[:length] for data, length in zip(datas, lengths, strict=True))
        self._take(dropped, stamps, ids, datas)
        return len(block)

    def _take(
        self, dropped: Sequence[int], stamps: Sequence[int], ids: Sequence[int], datas: Sequence[bytes]
    ) -> None:
        if set(dropped) != {self._dropped}:
            self._count_dropped(dropped)
        if self._lost and self._t_us >= self._next_notice_us:
            self._account.notice(self._t_us, "frames_dropped", frames=self._lost)
            self._lost, self._next_notice_us = 0, self._t_us + SECOND_US
        if ids[-1] & ERR_FLAG:  # error frames come here one at a time
            for kind, detail in notices(ids[-1] & EXTENDED_MASK, datas[-1]):
                self._account.notice(self._t_us, kind, **detail)
        self._stamps += stamps
        self._ids += ids
        self._buses += [self._bus] * len(ids)
        self._datas += map(bytearray, datas)

    def _count_dropped(self, dropped: Sequence[int]) -> None:
        """Add the increase of the kernel's count, which restarts at 0 whenever the interface is opened."""
        for count in dropped:
            self._lost += count - self._dropped if count >= self._dropped else count
            self._dropped = count


def encode(frame: CanFrame) -> bytes:
    """The record of a frame, stamped with its `t_us`; the same in both directions. WireError for an invalid frame."""
    number, size = frame.can_id & 0xFFFF_FFFF, len(frame.data)
    is_fd = bool(frame.can_id & FD_FLAG)
    is_plain = not number & (RTR_FLAG | ERR_FLAG)
    fits = size in _FD_LENGTHS and is_plain if is_fd else size <= 8 and not frame.can_id >> 32
    if not (frame.can_id >= 0 and fits and is_identifier(number)):
        raise WireError(f"SocketCAN has no frame {frame.can_id:X} of {size} bytes")
    fields = {"dropped": 0, "stamp": frame.t_us % _STAMP_MODULUS, "can_id": number, "data": frame.data}
    if is_fd:
        fields["flags"] = (frame.can_id & (BRS_FLAG | ESI_FLAG)) >> FD_BYTE_SHIFT
    wire: bytes = (FD if is_fd else CLASSIC).build(fields)
    return wire


report = encode
