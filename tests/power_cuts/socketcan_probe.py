"""Probe a link on a CAN socket in the guest: sending, dropped frames, an interface that goes down.

Prints a line for each, and exits with 1 if the kernel behaves differently than expected.
"""

import socket
import struct
import subprocess
import sys

from firmware_bridge.devices.can_interface import Expected
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.socketcan_link import can_socket, open_interface
from firmware_bridge.errors import PortError
from firmware_bridge.protocols.socketcan import MARK, Decoder, encode, pack_head
from firmware_bridge.records import FD_FLAG, CanFrame

NAME = "vcan1"
FLOOD, WAITING = 3000, 10


def flood(bus: socket.socket, count: int) -> None:
    """Send numbered frames as fast as possible."""
    for number in range(count):
        bus.send(struct.pack("<IBxxxQ", 0x123, 8, number))


def main() -> int:
    """Run all three probes. Returns the exit code."""
    outbox, bus, decoder = Outbox(), can_socket(NAME), Decoder()
    bus.setblocking(True)
    link = open_interface(Expected(NAME).url, outbox)
    requests = [CanFrame(0, 0, 0x7DF, bytes(8)), CanFrame(0, 0, 0x7DF | FD_FLAG, bytes(12))] * 3
    for frame in requests:
        outbox.put(encode(frame))
    echoed = link.read(0.2)
    frames = [bus.recv(100) for _ in requests]
    records = b"".join(pack_head(MARK, len(frame), 0, 0) + frame for frame in frames)
    received = [(frame.can_id, frame.data) for frame in Decoder().feed(records, 0).frames]
    print(f"= sent {len(received)} frames, received {len(echoed)} bytes of them back", flush=True)
    is_sound = received == [(frame.can_id, frame.data) for frame in requests] and not echoed

    link._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    flood(bus, FLOOD)
    read, lost, t_us = 0, 0, 0
    while True:
        t_us += 2_000_000
        data = link.read(0.2)
        if not data and read + lost >= FLOOD:
            break
        if not data:
            flood(bus, 1)  # the next received frame carries the count of dropped ones
            read -= 1
            continue
        batch = decoder.feed(data, t_us)
        read += len(batch.frames)
        lost += sum(n.detail["frames"] for n in batch.notices if n.kind == "frames_dropped")
        if t_us > 100_000_000:
            break
    print(f"= a flood of {FLOOD} into a small buffer: {read} read, {lost} counted as dropped", flush=True)
    is_sound = is_sound and read + lost == FLOOD and lost > 0

    flood(bus, WAITING)
    subprocess.run(["ip", "link", "set", NAME, "down"], check=True)
    read = 0
    try:
        while True:
            read += len(decoder.feed(link.read(0.2), t_us).frames)
    except PortError as error:
        print(f"= down with {WAITING} frames waiting: {read} read, then: {error}", flush=True)
        is_sound = is_sound and read == WAITING and error.state == "down"
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
