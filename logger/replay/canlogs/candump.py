"""Read the log format of candump (`candump -L` or `-l`, can-utils): one line per frame.

    (1410714882.622188) can0 09F80102#36729A16021AB80D
    (stamp)             interface  identifier # data | # R dlc | ## flags data

A line that is not a frame is rejected and counted like damage on any wire, so a log cut off by a power failure still
gives all its frames. Comments (lines that begin with #) and reports of dropped frames are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_bridge.records import EFF_FLAG, ERR_FLAG, EXTENDED_MASK, RTR_FLAG, fd_flags
from logger.replay.canlogs.candump_stamps import GROUPS, STAMP, Groups, Stamps
from logger.replay.canlogs.entry import CLASSIC_BYTES, Entry

PATTERN = re.compile(
    rb"^\s*" + STAMP + rb"\s+(\S+)\s+([0-9A-Fa-f]{8}|[0-9A-Fa-f]{3})#"
    rb"(?:R(\d?)|(?:#([0-9A-Fa-f]))?((?:[0-9A-Fa-f]{2}){0,64}))(?:_[0-9A-Fa-f])?(?:\s+[RT])?\s*?(\r?\n|\r|$)"
)
"""One whole line. candump pads the interface to the longest name."""
_NO_FRAME = re.compile(rb"#|DROPCOUNT|\s*$")


def recognise(head: Sequence[bytes]) -> Candump | None:
    """A reader, if any of the first lines has this format."""
    matches = [match for line in head if (match := PATTERN.match(line))]
    return Candump([match.groups()[:GROUPS] for match in matches]) if matches else None


class Candump:
    """Reads one line after another. `head`: the stamps of the first lines."""

    def __init__(self, head: Sequence[Groups] = ()) -> None:
        self._stamps = Stamps(head)

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "candump" for a damaged line, "length" for more data than a classic frame holds.

        A line without an end may have lost some of its data, unless the frame is full.
        """
        match = PATTERN.match(line)
        if match is None:
            return None if _NO_FRAME.match(line) else "candump"
        groups = match.groups()
        interface, identifier, dlc, flags, payload, end = groups[GROUPS:]
        if len(payload or b"") > 2 * CLASSIC_BYTES and flags is None:
            return "length"
        if not end and len(payload or b"") != 2 * CLASSIC_BYTES:
            return "candump"
        number, stamp_us = _can_id(identifier), self._stamps.at_us(groups)
        if payload is None:
            return Entry(stamp_us, interface, number | RTR_FLAG, bytes(int(dlc or b"0")))
        if flags is not None:
            number |= fd_flags(int(flags, 16))
        return Entry(stamp_us, interface, number, bytes.fromhex(payload.decode()))


def _can_id(digits: bytes) -> int:
    """Three digits are a standard identifier, eight an extended one or, flagged so, an error frame's class."""
    number = int(digits, 16)
    if len(digits) == 3:
        return number & 0x7FF
    return number if number & ERR_FLAG else (number & EXTENDED_MASK) | EFF_FLAG
