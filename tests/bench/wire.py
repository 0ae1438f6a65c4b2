"""Simulated CAN adapter for the benchmarks: sends encoded frames to a pseudo-terminal.

    python -m tests.bench.wire PROTOCOL FRAMES RATE        (RATE 0: as fast as the reader takes them)

It is a separate process, so that it uses no CPU of the measured one. It prints the name of its port, waits for a line
on standard input, sends, and prints how long that took. It reads and ignores commands of the host.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import tty

from firmware_bridge.protocols import protocol
from firmware_bridge.records import CanFrame

IDS = (0x100, 0x101, 0x102, 0x1A0, 0x280, 0x2C4, 0x3B7, 0x450, 0x5F0, 0x7E8)
_TICK_S = 0.005
"""Period of sending at a given rate, similar to an adapter's USB packets."""


def encoded(name: str, count: int) -> list[bytes]:
    """`count` distinct 8-byte frames, encoded in a protocol."""
    report = protocol(name).report
    assert report is not None
    payload = 0x0123_4567_89AB_CDEF
    return [
        report(
            CanFrame(n * 100, 0, IDS[n % len(IDS)], ((payload * (n + 1)) & (2**64 - 1)).to_bytes(8, "big"))
        )
        for n in range(count)
    ]


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


def main(name: str, count: int, rate: int) -> None:
    """Send `count` frames at `rate` per second."""
    distinct = encoded(name, 10_000)
    master, slave = os.openpty()
    tty.setraw(slave)
    threading.Thread(target=_drain, args=(master,), daemon=True).start()
    print(os.ttyname(slave), flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    sent = 0
    while sent < count:
        if rate:
            time.sleep(_TICK_S)
            due = min(count, int((time.monotonic() - began) * rate))
        else:
            due = min(count, sent + len(distinct))
        _send(master, b"".join(distinct[n % len(distinct)] for n in range(sent, due)))
        sent = due
    print(time.monotonic() - began, flush=True)
    sys.stdin.readline()
    os.close(slave)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
