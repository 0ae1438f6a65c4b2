"""Decoder and encoder of python-can's "serial" protocol, used by self-built microcontroller adapters.

    AA | stamp ms u32 | length u8 <= 8 | id u32 | data | BB        little-endian, 11 bytes and the data

The identifier has SocketCAN's flags: 80000000 extended, 40000000 remote, 20000000 error. There is no checksum: a frame
is accepted if its length is possible, AA and BB are in place and the next frame starts right after it. Some firmwares
send a remote frame with as many data bytes as its length field, others with none. Self-built firmware often stamps
every frame 0; then the time of arrival is used.
"""

from __future__ import annotations

from struct import Struct as Packing

from construct import Byte, Bytes, Const, Int32ul, Rebuild, Struct, len_, this

from firmware_bridge.errors import WireError
from firmware_bridge.protocols import no_opening
from firmware_bridge.protocols.columns import datas, numbers
from firmware_bridge.protocols.devicetime import DeviceClock
from firmware_bridge.protocols.framing import NEED_MORE, NO_FRAME, FrameSearch, is_identifier, uniform_block
from firmware_bridge.records import RTR_FLAG, CanFrame

FRAME = Struct(
    Const(b"\xaa"),
    "stamp" / Int32ul,
    "length" / Rebuild(Byte, len_(this.data)),
    "can_id" / Int32ul,
    "data" / Bytes(this.length),
    Const(b"\xbb"),
)
OVERHEAD = 11
STAMP_MODULUS = 2**32
# python-can's default, then the usual rates of microcontrollers.
BAUDS = (115_200, 1_000_000, 921_600, 460_800, 230_400, 500_000, 57_600, 2_000_000)
CLOSING = b""
opening = no_opening

__all__ = ["BAUDS", "CLOSING", "FRAME", "Decoder", "encode", "opening", "report"]

_HEAD = Packing("<IBI")


class Decoder(FrameSearch):
    """python-can serial bytes to frames. `bus` is the log's number of the device's only bus."""

    STARTS = b"\xaa"

    def __init__(self, bus: int = 0) -> None:
        super().__init__(bus, DeviceClock(1_000, (STAMP_MODULUS,)))

    def _decode_run(self, buffer: bytes, at: int) -> tuple[int, int]:
        at += self._uniform(buffer, at)
        end = len(buffer)
        while at < end:
            if buffer[at] != 0xAA:
                return at, NO_FRAME
            if end - at < OVERHEAD:
                return at, NEED_MORE
            stamp, length, can_id = _HEAD.unpack_from(buffer, at + 1)
            if length > 8 or not is_identifier(can_id):
                return at, NO_FRAME
            size = OVERHEAD + length
            if can_id & RTR_FLAG and _ends(buffer, at + OVERHEAD):
                size = OVERHEAD
            elif end - at < size:
                return at, NEED_MORE
            elif not _ends(buffer, at + size):
                return at, NO_FRAME
            self._stamps.append(stamp)
            self._ids.append(can_id)
            self._buses.append(self._bus)
            self._datas.append(
                bytearray(bytes(length) if can_id & RTR_FLAG else buffer[at + 10 : at + size - 1])
            )
            at += size
        return at, NEED_MORE

    def _uniform(self, buffer: bytes, at: int) -> int:
        """Decode a buffer of data frames of one length in one go; returns the number of bytes used."""
        if len(buffer) < at + OVERHEAD or (length := buffer[at + 5]) > 8:
            return 0
        size = OVERHEAD + length
        block = uniform_block(buffer, at, size, {0: 0xAA, 5: length, size - 1: 0xBB})
        if not block:
            return 0
        ids = numbers(block, size, 6, "<I")
        if any(can_id & RTR_FLAG or not is_identifier(can_id) for can_id in set(ids)):
            return 0
        self._stamps += numbers(block, size, 1, "<I")
        self._ids += ids
        self._buses += [self._bus] * len(ids)
        self._datas += datas(block, size, 10, length)
        return len(block)


def _ends(buffer: bytes, stop: int) -> bool:
    """Whether a frame may end before `stop`: its last byte is BB, and after it is AA or nothing yet."""
    return buffer[stop - 1] == 0xBB and buffer[stop : stop + 1] in (b"", b"\xaa")


def encode(frame: CanFrame) -> bytes:
    """The bytes of a frame, stamped with its `t_us`; the same in both directions. WireError for CAN FD."""
    if frame.can_id >> 32 or len(frame.data) > 8 or not is_identifier(frame.can_id):
        raise WireError(f"python-can serial has no frame {frame.can_id:X} of {len(frame.data)} bytes")
    stamp = frame.t_us // 1_000 % STAMP_MODULUS
    wire: bytes = FRAME.build({"stamp": stamp, "can_id": frame.can_id, "data": frame.data})
    return wire


report = encode
