"""Decoder and encoder of RealDash CAN, used by dashboards and self-built Arduino and Teensy firmware.

    44   44 33 22 11 | id u32 | data[8]
    66   66 33 22 | size u8 | id u32 | data | crc32 u32     size 11..1F (hex): (size - 15) * 4 = 8..64 bytes
    55   55 33 22 11 | id u32 | UTF-8 | 00                  a text for the dashboard

All little-endian, no device time. The CRC is zlib's, of everything before it, and suffices to accept a 66; a 44 is
accepted if another start follows it. The protocol has no flag for extended identifiers: one that does not fit into 11
bits is extended. A text becomes a notice.
"""

from __future__ import annotations

import zlib
from itertools import repeat
from struct import Struct as Packing

from construct import Byte, Bytes, Checksum, Const, CString, Int32ul, RawCopy, Rebuild, Struct, this

from firmware_bridge.errors import WireError
from firmware_bridge.protocols import no_opening
from firmware_bridge.protocols.columns import datas, numbers
from firmware_bridge.protocols.framing import NEED_MORE, NO_FRAME, FrameSearch, uniform_block
from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK, FD_FLAG, STANDARD_MASK, CanFrame

MARK_44, MARK_66, MARK_55 = b"\x44\x33\x22\x11", b"\x66\x33\x22", b"\x55\x33\x22\x11"
FRAME_44 = Struct(Const(MARK_44), "number" / Int32ul, "data" / Bytes(8))
BODY_66 = Struct(
    Const(MARK_66),
    "size" / Rebuild(Byte, lambda this: len(this.data) // 4 + 15),
    "number" / Int32ul,
    "data" / Bytes((this.size - 15) * 4),
)
FRAME_66 = Struct("body" / RawCopy(BODY_66), "crc32" / Checksum(Int32ul, zlib.crc32, this.body.data))
TEXT_55 = Struct(Const(MARK_55), "number" / Int32ul, "text" / CString("utf8"))

SIZES_66 = range(0x11, 0x20)
# Bytes that a dashboard's line can show; in a longer text the 00 was lost.
MAX_TEXT = 256
BAUDS = (115_200, 1_000_000, 921_600, 500_000, 460_800, 250_000, 230_400, 57_600)
CLOSING = b""
opening = no_opening

__all__ = ["BAUDS", "CLOSING", "Decoder", "encode", "opening", "report"]

_MARKS = (MARK_44[:3], MARK_66, MARK_55[:3])
_NUMBER = Packing("<I")


class Decoder(FrameSearch):
    """RealDash bytes to frames. `bus` is the log's number of the device's only bus."""

    STARTS = b"\x44\x66\x55"

    def _decode_run(self, buffer: bytes, at: int) -> tuple[int, int]:
        at += self._uniform(buffer, at)
        end = len(buffer)
        while at < end:
            mark = buffer[at : at + 4]
            if mark == MARK_44:
                taken = self._plain(buffer, at)
            elif mark[:3] == MARK_66:
                taken = self._checked(buffer, at)
            elif mark == MARK_55:
                taken = self._text(buffer, at)
            else:
                cut_short = len(mark) < 4 and any(m.startswith(mark) for m in (MARK_44, MARK_66, MARK_55))
                return at, NEED_MORE if cut_short else NO_FRAME
            if taken <= 0:
                return at, taken
            at += taken
        return at, NEED_MORE

    def _uniform(self, buffer: bytes, at: int) -> int:
        """Decode a buffer of 44 frames in one go; returns the number of bytes used."""
        block = uniform_block(buffer, at, 16, dict(enumerate(MARK_44)))
        if not block:
            return 0
        found = numbers(block, 16, 4, "<I")
        if max(found) > EXTENDED_MASK:
            return 0
        self._ids += [number if number <= STANDARD_MASK else number | EFF_FLAG for number in found]
        self._buses += repeat(self._bus, len(found))
        self._datas += datas(block, 16, 8, 8)
        return len(block)

    def _plain(self, buffer: bytes, at: int) -> int:
        """Decode a 44; returns the number of bytes used, NEED_MORE or NO_FRAME."""
        stop = at + 16
        if stop > len(buffer):
            return NEED_MORE
        behind = buffer[stop : stop + 3]
        if behind not in _MARKS and not any(mark.startswith(behind) for mark in _MARKS):
            return NO_FRAME
        return self._take(buffer, at, stop)

    def _checked(self, buffer: bytes, at: int) -> int:
        """Decode a 66; returns the number of bytes used, NEED_MORE or NO_FRAME."""
        if at + 3 == len(buffer):
            return NEED_MORE
        size = buffer[at + 3]
        if size not in SIZES_66:
            return NO_FRAME
        stop = at + 8 + (size - 15) * 4
        if stop + 4 > len(buffer):
            return NEED_MORE
        if zlib.crc32(buffer[at:stop]) != _NUMBER.unpack_from(buffer, stop)[0]:
            return NO_FRAME
        taken = self._take(buffer, at, stop)
        return taken + 4 if taken > 0 else taken

    def _take(self, buffer: bytes, at: int, stop: int) -> int:
        can_id = _can_id(_NUMBER.unpack_from(buffer, at + 4)[0])
        if can_id is None:
            return NO_FRAME
        data = buffer[at + 8 : stop]
        self._ids.append(can_id | FD_FLAG if len(data) > 8 else can_id)
        self._buses.append(self._bus)
        self._datas.append(bytearray(data))
        return stop - at

    def _text(self, buffer: bytes, at: int) -> int:
        """Decode a 55; returns the number of bytes used, NEED_MORE or NO_FRAME."""
        begin = at + 8
        stop = buffer.find(b"\0", begin, begin + MAX_TEXT)
        text = buffer[begin : stop if stop >= 0 else begin + MAX_TEXT].decode("utf-8", "replace")
        whole = stop >= 0
        if not (text if whole else text.rstrip("\ufffd")).isprintable() or (whole and "\ufffd" in text):
            return NO_FRAME
        if not whole:
            return NEED_MORE if len(buffer) < begin + MAX_TEXT else NO_FRAME
        number = _NUMBER.unpack_from(buffer, at + 4)[0]
        self._account.notice(self._t_us, "device_text", id=number, text=text)
        return stop + 1 - at


def _can_id(number: int) -> int | None:
    """The log's identifier for a RealDash number; None if the number is too large."""
    if number <= STANDARD_MASK:
        return number
    return number | EFF_FLAG if number <= EXTENDED_MASK else None


def encode(frame: CanFrame) -> bytes:
    """The bytes of a frame: 8 bytes as a 44, FD frames as a 66; the same in both directions.

    WireError for a frame that RealDash does not have: lengths other than 8, 12, 16 ... 64, remote and error frames, FD
    flags, an FD frame of 8 bytes, an extended identifier that fits into 11 bits.
    """
    fd = frame.can_id & FD_FLAG
    number = frame.can_id & EXTENDED_MASK
    if _can_id(number) != frame.can_id & ~FD_FLAG:
        raise WireError(f"RealDash has no frame {frame.can_id:X}")
    if len(frame.data) not in (range(12, 65, 4) if fd else (8,)):
        raise WireError(f"RealDash has no {'FD ' if fd else ''}frame of {len(frame.data)} bytes")
    fields = {"number": number, "data": frame.data}
    wire: bytes = FRAME_66.build({"body": {"value": fields}}) if fd else FRAME_44.build(fields)
    return wire


report = encode
