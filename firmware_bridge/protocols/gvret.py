"""Decoder and encoder of GVRET, the binary protocol of ESP32RET, M2RET, Macchina and SavvyCAN.

    heard     F1 00 | stamp us u32 | id u32, bit 31 extended | bus << 4 + length u8 | data | closing u8
    heard FD  F1 14 | stamp us u32 | id u32                  | length u8 | bus u8   | data | closing u8
    to send   F1 00 | id u32 | bus u8 | length u8 | data | 00
    answers   F1 and 01 time, 06 parameters, 07 device, 09 DE AD alive, 0C buses, 0D extended buses

All little-endian, no checksum and no escaping. The closing byte was meant as a checksum, but no firmware computes it:
ESP32RET sends 00, a WiCAN any value. A frame is accepted if its identifier, bus and length are possible and the next
byte is F1. There are no remote and no error frames. The stamp wraps every 71.58 minutes.
"""

from __future__ import annotations

from struct import Struct as Packing

from construct import (
    Array,
    BitStruct,
    Byte,
    Bytes,
    Const,
    ConstructError,
    Default,
    Int16ul,
    Int32ul,
    Nibble,
    Rebuild,
    Struct,
    Switch,
    len_,
    this,
)

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.columns import datas, numbers
from firmware_bridge.protocols.devicetime import DeviceClock
from firmware_bridge.protocols.framing import NEED_MORE, NO_FRAME, FrameSearch, uniform_block
from firmware_bridge.protocols.gvret_opening import BAUDS, CLOSING, opening
from firmware_bridge.records import EFF_FLAG, FD_FLAG, FD_LENGTHS, STANDARD_MASK, CanFrame

__all__ = ["BAUDS", "CLOSING", "COMMAND", "FD_FRAME", "FRAME", "Decoder", "encode", "opening", "report"]

FRAME = Struct(
    Const(b"\xf1\x00"),
    "stamp" / Int32ul,
    "can_id" / Int32ul,
    "size" / BitStruct("bus" / Nibble, "length" / Nibble),
    "data" / Bytes(this.size.length),
    "closing" / Default(Byte, 0),
)
FD_FRAME = Struct(
    Const(b"\xf1\x14"),
    "stamp" / Int32ul,
    "can_id" / Int32ul,
    "length" / Rebuild(Byte, len_(this.data)),
    "bus" / Byte,
    "data" / Bytes(this.length),
    "closing" / Default(Byte, 0),
)
COMMAND = Struct(
    Const(b"\xf1\x00"),
    "can_id" / Int32ul,
    "bus" / Byte,
    "length" / Rebuild(Byte, len_(this.data)),
    "data" / Bytes(this.length),
    Const(b"\x00"),
)
ANSWERS = {
    0x01: Struct("clock_us" / Int32ul),
    0x06: Array(2, Struct("mode" / Byte, "bitrate" / Int32ul)),
    0x07: Struct("build" / Int16ul, "eeprom" / Byte, "rest" / Bytes(3)),
    0x09: Const(b"\xde\xad"),
    0x0C: Struct("buses" / Byte),
    0x0D: Array(3, Struct("mode" / Byte, "bitrate" / Int32ul)),
}
ANSWER = Struct(Const(b"\xf1"), "command" / Byte, "body" / Switch(this.command, ANSWERS))
ANSWER_SIZES: dict[int, int] = {command: 2 + body.sizeof() for command, body in ANSWERS.items()}

_FD_LENGTHS = frozenset(FD_LENGTHS)
MAX_BUSES = 16
STAMP_MODULUS = 2**32
_HEAD = Packing("<HIIB")
_FD_HEAD = Packing("<IIBB")


class Decoder(FrameSearch):
    """GVRET bytes to frames. `bus` is the log's number of the adapter's bus 0."""

    STARTS = b"\xf1"

    def __init__(self, bus: int = 0) -> None:
        super().__init__(bus, DeviceClock(1, (STAMP_MODULUS,)))

    def _decode_run(self, buffer: bytes, at: int) -> tuple[int, int]:
        at += self._uniform(buffer, at)
        end = len(buffer)
        while at < end:
            if end - at >= 12 and buffer[at] == 0xF1 and buffer[at + 1] == 0:
                _, stamp, can_id, size = _HEAD.unpack_from(buffer, at)
                stop = at + 12 + (size & 15)
                if size & 15 > 8 or not _possible(can_id):
                    return at, NO_FRAME
                if stop > end:
                    return at, NEED_MORE
                if stop < end and buffer[stop] != 0xF1:
                    return at, NO_FRAME
                self._stamps.append(stamp)
                self._ids.append(can_id)
                self._buses.append(self._bus + (size >> 4))
                self._datas.append(bytearray(buffer[at + 11 : stop - 1]))
                at = stop
            else:
                taken = self._other(buffer, at)
                if taken <= 0:
                    return at, taken
                at += taken
        return at, NEED_MORE

    def _uniform(self, buffer: bytes, at: int) -> int:
        """Decode a buffer of frames of one length and bus in one go; returns the number of bytes used."""
        if len(buffer) < at + 12 or (length := buffer[at + 10] & 15) > 8:
            return 0
        size = 12 + length
        block = uniform_block(buffer, at, size, {0: 0xF1, 1: 0, 10: buffer[at + 10]})
        if not block:
            return 0
        ids = numbers(block, size, 6, "<I")
        if not all(map(_possible, set(ids))):
            return 0
        self._stamps += numbers(block, size, 2, "<I")
        self._ids += ids
        self._buses += [self._bus + (buffer[at + 10] >> 4)] * len(ids)
        self._datas += datas(block, size, 11, length)
        return len(block)

    def _other(self, buffer: bytes, at: int) -> int:
        """Decode an FD frame or an answer; returns the number of bytes used, NEED_MORE or NO_FRAME."""
        end = len(buffer)
        if buffer[at] != 0xF1:
            return NO_FRAME
        if at + 1 == end:
            return NEED_MORE
        command = buffer[at + 1]
        size = ANSWER_SIZES.get(command)
        if size:
            return self._answer(buffer, at, size)
        if command not in (0x00, 0x14):
            return NO_FRAME
        return self._fd(buffer, at) if command and end - at >= 12 else NEED_MORE

    def _answer(self, buffer: bytes, at: int, size: int) -> int:
        if len(buffer) - at < size:
            return NEED_MORE
        if buffer[at + size : at + size + 1] not in (b"", b"\xf1"):
            return NO_FRAME
        try:
            answer = ANSWER.parse(buffer[at : at + size])
        except ConstructError:
            return NO_FRAME
        if answer.command == 0x07:
            self._account.notice(self._t_us, "adapter_answer", build=answer.body.build)
        elif answer.command == 0x0C:
            self._account.notice(self._t_us, "adapter_answer", buses=answer.body.buses)
        elif answer.command == 0x06:
            self._account.notice(self._t_us, "adapter_answer", bitrates=[bus.bitrate for bus in answer.body])
        return size

    def _fd(self, buffer: bytes, at: int) -> int:
        stamp, can_id, length, bus = _FD_HEAD.unpack_from(buffer, at + 2)
        stop: int = at + 13 + length
        if length not in _FD_LENGTHS or bus >= MAX_BUSES or not _possible(can_id):
            return NO_FRAME
        if stop > len(buffer):
            return NEED_MORE
        if buffer[stop : stop + 1] not in (b"", b"\xf1"):
            return NO_FRAME
        self._stamps.append(stamp)
        self._ids.append(can_id | FD_FLAG)
        self._buses.append(self._bus + bus)
        self._datas.append(bytearray(buffer[at + 12 : stop - 1]))
        return stop - at


def _possible(can_id: int) -> bool:
    """Whether an identifier is standard, or extended with bit 31, which is also the log's flag."""
    return can_id <= STANDARD_MASK or can_id >> 29 == EFF_FLAG >> 29


def report(frame: CanFrame) -> bytes:
    """The bytes with which an adapter reports a frame, stamped with its `t_us`; `bus` is the adapter's own.

    WireError for a frame that GVRET does not have: remote and error frames, FD flags, buses beyond 15.
    """
    fields = {"stamp": frame.t_us % STAMP_MODULUS, "can_id": frame.can_id & ~FD_FLAG, "data": frame.data}
    _check(frame, MAX_BUSES)
    if frame.can_id & FD_FLAG:
        wire: bytes = FD_FRAME.build(fields | {"bus": frame.bus})
    else:
        wire = FRAME.build(fields | {"size": {"bus": frame.bus, "length": len(frame.data)}})
    return wire


def encode(frame: CanFrame) -> bytes:
    """The command that makes an adapter transmit a classic frame on its own `bus`. WireError for any other frame."""
    _check(frame, 4)  # firmwares use two bits of the bus
    if frame.can_id & FD_FLAG:
        raise WireError("GVRET has no command to transmit an FD frame")
    wire: bytes = COMMAND.build({"can_id": frame.can_id, "bus": frame.bus, "data": frame.data})
    return wire


def _check(frame: CanFrame, buses: int) -> None:
    fd = bool(frame.can_id & FD_FLAG)
    if not _possible(frame.can_id & ~FD_FLAG) or frame.can_id < 0:
        raise WireError(f"GVRET has no frame {frame.can_id:X}")
    if len(frame.data) not in _FD_LENGTHS or (len(frame.data) > 8 and not fd):
        raise WireError(f"GVRET has no frame of {len(frame.data)} bytes")
    if not 0 <= frame.bus < buses:
        raise WireError(f"GVRET has no bus {frame.bus}")
