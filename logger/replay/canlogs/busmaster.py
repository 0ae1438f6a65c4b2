"""Read the log of BUSMASTER.

    ***HEX***  |  ***DEC***            ***SYSTEM MODE***  |  ***ABSOLUTE MODE***  |  ***RELATIVE MODE***
    ***<Time><Tx/Rx><Channel><CAN ID><Type><DLC><DataBytes>***
    10:15:25:2440 Rx 1 0x123 s 8 11 22 33 44 55 66 77 88

Times are hours, minutes, seconds and tenths of a millisecond: of the day (SYSTEM), since the start (ABSOLUTE), or since
the line before (RELATIVE). The type is s (standard) or x (extended), with r for a remote frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_bridge.gps.nmea_fields import DAY_US
from firmware_bridge.records import can_id_of
from logger.replay.canlogs.entry import CLASSIC_BYTES, MAX_BYTES, Entry, octets

_HEAD = re.compile(rb"^\*\*\*\s*BUSMASTER", re.IGNORECASE)
_LINE = re.compile(
    rb"^(\d{1,4}):(\d\d):(\d\d):(\d{4})\s+(?:Rx|Tx)\s+(\d{1,3})\s+(?:0x)?([0-9A-Fa-f]{1,10})\s+"
    rb"([sx])(r?)(?:-?fd)?\s+(\d{1,2})\s*(.*)$",
    re.DOTALL | re.IGNORECASE,
)


def recognise(head: Sequence[bytes]) -> Busmaster | None:
    """A reader, if the file names BUSMASTER."""
    return Busmaster() if any(_HEAD.match(line) for line in head) else None


class Busmaster:
    """Reads one line after another."""

    def __init__(self) -> None:
        self._base = 16
        self._is_relative = False
        self._last_us = 0
        self._days_us = 0
        """Time added at midnights."""

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "busmaster" for a damaged line, "length" where it has less data than it says."""
        if line.startswith(b"***"):
            self._header(line.upper())
            return None
        match = _LINE.match(line.rstrip())
        if match is None:
            return "busmaster" if line.strip() else None
        hours, minutes, seconds, ticks = (int(match[group]) for group in range(1, 5))
        stamp_us = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + ticks * 100
        if self._is_relative:
            stamp_us += self._last_us
        elif stamp_us + self._days_us < self._last_us - DAY_US // 2:
            self._days_us += DAY_US  # midnight
        self._last_us = stamp_us + self._days_us
        length = int(match[9])
        is_remote = bool(match[8])
        data = bytes(min(length, CLASSIC_BYTES)) if is_remote else self._data(match[10], length)
        try:
            number = int(match[6], self._base)
        except ValueError:
            return "busmaster"
        if data is None or length > MAX_BYTES:
            return "busmaster"
        if len(data) != length:
            return "length"
        flagged = can_id_of(
            number, is_extended=match[7].lower() == b"x", is_remote=is_remote, is_fd=length > CLASSIC_BYTES
        )
        return Entry(self._last_us, match[5], flagged, data)

    def _header(self, line: bytes) -> None:
        if b"RELATIVE MODE" in line:
            self._is_relative = True
        elif b"***DEC***" in line:
            self._base = 10

    def _data(self, rest: bytes, length: int) -> bytes | None:
        return octets(b" ".join(rest.split()[:length]), self._base)
