"""A candump log (`candump -L`, can-utils) read as one more wire: a line a frame.

    (1410714882.622188) can0 09F80102#36729A16021AB80D
    (seconds.fraction)  interface  identifier # data | # R dlc | ## flags data

Sans-I/O. A line that is no frame is rejected and counted like damage on any wire, so a log that was cut off by a power
failure still gives all its frames. Remarks (lines that begin with #) are passed over.
"""

from __future__ import annotations

import re

from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_FLAG,
    RTR_FLAG,
    Batch,
    CanFrame,
    Rejected,
)

PATTERN = re.compile(
    rb"^\((\d{1,12})\.(\d{1,9})\) (\S+) ([0-9A-Fa-f]{8}|[0-9A-Fa-f]{3})#"
    rb"(?:R(\d?)|(?:#([0-9A-Fa-f]))?((?:[0-9A-Fa-f]{2}){0,64}))(?:_[0-9A-Fa-f])?(?: [RT])?\r?\n",
    re.MULTILINE,
)
"""One whole line, its end included: a line without one may have lost some of its data."""


def stamp_us(line: bytes) -> int | None:
    """When a line's frame was received, in microseconds of its writer's clock; None when it is no frame."""
    found = PATTERN.match(line)
    return int(found[1]) * 1_000_000 + int(found[2].ljust(6, b"0")[:6]) if found else None


class Decoder:
    """Lines in, frames out. Interfaces are numbered in order of appearance, from `bus`."""

    def __init__(self, bus: int = 0) -> None:
        self.good = self.bad = 0
        self._bus = bus
        self._interfaces: dict[bytes, int] = {}

    def feed(self, data: bytes, t_us: int) -> Batch:
        """The frame of one line, received at `t_us`."""
        found = PATTERN.match(data)
        if found is None:
            remark = data.startswith(b"#") or not data.strip()
            self.bad += not remark
            return Batch([], [], [] if remark else [Rejected(t_us, "candump", data.rstrip())], [])
        interface, identifier, dlc, flags, payload = found.groups()[2:]
        if len(payload or b"") > 16 and flags is None:
            self.bad += 1
            return Batch([], [], [Rejected(t_us, "length", data.rstrip())], [])
        self.good += 1
        bus = self._bus + self._interfaces.setdefault(interface, len(self._interfaces))
        can_id = _can_id(identifier)
        if payload is None:
            return Batch([CanFrame(t_us, bus, can_id | RTR_FLAG, bytes(int(dlc or b"0")))], [], [], [])
        if flags is not None:
            # SocketCAN's canfd_frame.flags: 1 bit rate switched, 2 sender error passive.
            bits = int(flags, 16)
            can_id |= FD_FLAG | (BRS_FLAG if bits & 1 else 0) | (ESI_FLAG if bits & 2 else 0)
        return Batch([CanFrame(t_us, bus, can_id, bytes.fromhex(payload.decode()))], [], [], [])


def _can_id(digits: bytes) -> int:
    """Three digits are a standard identifier, eight an extended one or, flagged so, an error frame's class."""
    number = int(digits, 16)
    if len(digits) == 3:
        return number & 0x7FF
    return number if number & ERR_FLAG else (number & EXTENDED_MASK) | EFF_FLAG
