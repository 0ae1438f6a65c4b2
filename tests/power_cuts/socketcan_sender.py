"""Send numbered frames with their sending time on a CAN interface of the guest.

socketcan_sender.py INTERFACE FIRST COUNT RATE [fd]         (RATE 0: as fast as possible)

data    number u32 | CLOCK_MONOTONIC us u32, the low half      every fourth frame is an FD frame with "fd"
"""

import errno
import socket
import struct
import sys
import time

interface, first, count, rate = sys.argv[1], *map(int, sys.argv[2:5])
bus = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
bus.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FD_FRAMES, 1)
bus.bind((interface,))
began = time.monotonic()
for number in range(first, first + count):
    while rate and time.monotonic() < began + (number - first) / rate:
        time.sleep(0.0005)
    data = struct.pack("<II", number, time.monotonic_ns() // 1000 & 0xFFFF_FFFF)
    if "fd" in sys.argv and number % 4 == 3:
        frame = struct.pack("<IBBxx64s", 0x123, 12, 1, data)
    else:
        frame = struct.pack("<IBxxx8s", 0x123, 8, data)
    while True:
        try:
            bus.send(frame)
            break
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            time.sleep(0.001)
print(f"= sent {count} frames on {interface} in {time.monotonic() - began:.2f} s")
