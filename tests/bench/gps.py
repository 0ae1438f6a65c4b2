"""Simulated GPS receiver for the benchmarks: RMC and GGA at a steady rate on a pseudo-terminal.

python -m tests.bench.gps HZ
"""

from __future__ import annotations

import os
import sys
import time
import tty

from firmware_bridge.protocols.nmea import encode


def epoch(number: int, hz: int) -> bytes:
    """The sentences of one epoch of a car that drives north at 100 km/h."""
    of_day = 36_000 + number / hz
    clock = f"{int(of_day) // 3600:02d}{int(of_day) // 60 % 60:02d}{of_day % 60:05.2f}"
    lat = f"20{(number / hz * 27.78 / 1852) % 60:07.4f}"
    return encode(f"GNRMC,{clock},A,{lat},N,04236.0000,E,54.000,0.0,150126,,,A") + encode(
        f"GNGGA,{clock},{lat},N,04236.0000,E,1,12,0.8,1100.0,M,0.0,M,,"
    )


def main(hz: int) -> None:
    """Send epochs until killed."""
    master, slave = os.openpty()
    tty.setraw(slave)
    print(os.ttyname(slave), flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    number = 0
    while True:
        os.write(master, epoch(number, hz))
        number += 1
        time.sleep(max(0.0, began + number / hz - time.monotonic()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
