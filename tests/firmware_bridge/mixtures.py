"""Build streams of NMEA sentences mixed with messages of other protocols, as receivers send them.

The foreign messages are complete, with correct checksums where a decoder here checks them, and random payloads, which
may contain any byte, including the start of a sentence.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import accumulate

from firmware_bridge.protocols import nmea

Message = Callable[[random.Random], bytes]


def ubx(chance: random.Random) -> bytes:
    body = b"\x01\x35\x5c\x00" + chance.randbytes(92)
    sums = list(accumulate(body))
    return b"\xb5\x62" + body + bytes((sums[-1] & 0xFF, sum(sums) & 0xFF))


def damaged_ubx(chance: random.Random) -> bytes:
    """A message with a wrong checksum, as on a wire that loses bytes."""
    return b"\xb5\x62\x02\x15" + struct.pack("<H", 700) + chance.randbytes(702)


def rtcm3(chance: random.Random) -> bytes:
    size = chance.randrange(20, 300)
    return b"\xd3" + struct.pack(">H", size) + chance.randbytes(size + 3)


def sbf(chance: random.Random) -> bytes:
    size = 4 * chance.randrange(4, 60)
    return b"$@" + chance.randbytes(2) + struct.pack("<HH", 4007, size) + chance.randbytes(size - 8)


def mtk(chance: random.Random) -> bytes:
    return b"\x04\x24" + struct.pack("<H", 60) + chance.randbytes(55) + b"\r\n"


def sirf(chance: random.Random) -> bytes:
    return b"\xa0\xa2\x00\x29\x02" + chance.randbytes(42) + b"\xb0\xb3"


def ascii_log(chance: random.Random) -> bytes:
    """A line in the format of NovAtel and Unicore, with a 32-bit CRC after the asterisk."""
    head = (
        b"#BESTPOSA,COM1,0,55.0,FINESTEERING,1419,340033.000,02000040,d821,2724;SOL_COMPUTED,SINGLE,51.1163,"
    )
    return head + b"%d*%08x\r\n" % (chance.randrange(10**9), chance.randrange(1 << 32))


def noise(chance: random.Random) -> bytes:
    return chance.randbytes(120)


MESSAGES: dict[str, Message] = {
    each.__name__: each for each in (ubx, damaged_ubx, rtcm3, sbf, mtk, sirf, ascii_log, noise)
}


def epoch(number: int) -> list[bytes]:
    """RMC and GGA of one epoch; the epoch's number is in their time."""
    time = f"{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}.00"
    return [
        nmea.encode(f"GNRMC,{time},A,2442.00000,N,04600.00000,E,48.596,0.0,120126,,,A"),
        nmea.encode(f"GNGGA,{time},2442.00000,N,04600.00000,E,1,12,0.80,600.0,M,-10.0,M,,"),
    ]


def mixture(message: Message, share: float, epochs: int, seed: int = 7) -> bytes:
    """`epochs` epochs of NMEA, with foreign messages between them that make up `share` of all bytes."""
    chance = random.Random(seed)
    stream, foreign_bytes = bytearray(), 0
    for number in range(epochs):
        stream += b"".join(epoch(number))
        while foreign_bytes < share * len(stream):
            piece = message(chance)
            stream += piece
            foreign_bytes += len(piece)
    return bytes(stream)


def tagged(line: bytes, number: int) -> bytes:
    """A sentence with an NMEA 4 tag block."""
    block = f"s:GPS1,c:{1_760_000_000 + number}".encode()
    return b"\\%b*%02X\\%b" % (block, nmea.checksum(block), line)
