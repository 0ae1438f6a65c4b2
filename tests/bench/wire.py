"""Simulated CAN adapter for the benchmarks: sends encoded frames to a pseudo-terminal.

    python -m tests.bench.wire PROTOCOL FRAMES RATE [mixed] [stamped]       (RATE 0: as fast as the reader takes them)

It is a separate process, so that it uses no CPU of the measured one. It prints the name of its port, waits for a line
on standard input, sends, and prints how long that took. It reads and ignores commands of the host.

`mixed` is what a car's bus looks like: identifiers of 11 and 29 bits, 0 to 8 bytes, some remote and, in SLCAN, FD
frames, the adapter's answers between them, in pieces of 1 to 8 ms as USB delivers them. Without it all frames are of
one kind, which a decoder may find easy. `stamped` (SLCAN) adds the adapter's time to each line: the milliseconds at
which it received the frame. The other protocols have it or not by themselves.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import tty

from firmware_bridge.protocols import protocol, slcan_line
from firmware_bridge.records import BRS_FLAG, EFF_FLAG, FD_FLAG, RTR_FLAG, CanFrame

IDS = (0x100, 0x101, 0x102, 0x1A0, 0x280, 0x2C4, 0x3B7, 0x450, 0x5F0, 0x7E8)
EXTENDED_IDS = (0x18FEF100, 0x18FEE000, 0x0CF00400, 0x18FEDF00, 0x18FEEE00)
_TICK_S = 0.005
"""Period of sending at a given rate, similar to an adapter's USB packets."""
_MIXED_TICKS_S = (0.001, 0.008)
_STAMP_DIGITS = 4
"""Lawicel's milliseconds, which most SLCAN firmwares send."""
_STAMP_MODULUS = 60_000
_STAMP_END = _STAMP_DIGITS + len(b"\r")
_ANSWERS = {"slcan": (b"z\r", b"Z\r", b"F00\r", b"\r"), "gvret": (b"\xf1\x09\xde\xad",)}
_ANSWER_EVERY = 50
_DISTINCT = 10_000


def encoded(name: str, count: int, *, is_stamped: bool = False) -> list[bytes]:
    """`count` distinct 8-byte frames, encoded in a protocol."""
    payload = 0x0123_4567_89AB_CDEF
    frames = (
        CanFrame(n * 100, 0, IDS[n % len(IDS)], ((payload * (n + 1)) & (2**64 - 1)).to_bytes(8, "big"))
        for n in range(count)
    )
    return [_encode(name, frame, is_stamped) for frame in frames]


def mixed(name: str, count: int, *, is_stamped: bool = False) -> list[bytes]:
    """`count` frames of mixed traffic, encoded in a protocol; some follow an answer of the adapter."""
    chance = random.Random(1)
    answers = _ANSWERS.get(name, (b"",))
    pieces = []
    for n in range(count):
        can_id = chance.choice(IDS) if chance.random() < 0.7 else chance.choice(EXTENDED_IDS) | EFF_FLAG
        size = 8 if chance.random() < 0.6 else chance.randrange(8)
        kind = chance.random()
        if name == "slcan" and kind < 0.05:
            can_id, size = can_id | FD_FLAG | BRS_FLAG, chance.choice((8, 12, 24, 64))
        elif name == "slcan" and kind < 0.06:
            can_id |= RTR_FLAG
        data = bytes(size) if can_id & RTR_FLAG else chance.randbytes(size)
        answer = chance.choice(answers) if n % _ANSWER_EVERY == 0 else b""
        pieces.append(answer + _encode(name, CanFrame(n * 100, 0, can_id, data), is_stamped))
    return pieces


def _stamped(line: bytes, at_s: float) -> bytes:
    """A stamped line of SLCAN with another stamp."""
    return line[:-_STAMP_END] + b"%04X\r" % (int(1000 * at_s) % _STAMP_MODULUS)


def _encode(name: str, frame: CanFrame, is_stamped: bool) -> bytes:
    if is_stamped and name == "slcan":
        return slcan_line.report(frame, _STAMP_DIGITS)
    report = protocol(name).report
    assert report is not None
    return report(frame)


def _send(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:65536]) :]


def _drain(fd: int) -> None:
    while True:
        try:
            if not os.read(fd, 4096):
                return
        except OSError:
            return


def main(name: str, count: int, rate: int, *options: str) -> None:
    """Send `count` frames at `rate` per second."""
    is_mixed, is_stamped = "mixed" in options, "stamped" in options and name == "slcan"
    distinct = (mixed if is_mixed else encoded)(name, _DISTINCT, is_stamped=is_stamped)
    chance = random.Random(2)
    master, slave = os.openpty()
    tty.setraw(slave)
    threading.Thread(target=_drain, args=(master,), daemon=True).start()
    print(os.ttyname(slave), flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    sent = 0
    while sent < count:
        if rate:
            time.sleep(chance.uniform(*_MIXED_TICKS_S) if is_mixed else _TICK_S)
            due = min(count, int((time.monotonic() - began) * rate))
        else:
            due = min(count, sent + len(distinct))
        pieces = [distinct[n % len(distinct)] for n in range(sent, due)]
        if is_stamped:
            now_s = time.monotonic() - began
            pieces = [_stamped(piece, n / rate if rate else now_s) for n, piece in enumerate(pieces, sent)]
        _send(master, b"".join(pieces))
        sent = due
    print(time.monotonic() - began, flush=True)
    sys.stdin.readline()
    os.close(slave)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
