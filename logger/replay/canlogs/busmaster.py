"""Read the log of BUSMASTER.

    ***HEX***  |  ***DEC***            ***SYSTEM MODE***  |  ***ABSOLUTE MODE***  |  ***RELATIVE MODE***
    ***<Time><Tx/Rx><Channel><CAN ID><Type><DLC><DataBytes>***
    10:15:25:2440 Rx 1 0x123 s 8 11 22 33 44 55 66 77 88

With its J1939 window it writes the channel first, more columns, and identifiers without 0x, of extended frames only;
messages of more than eight bytes, which it assembled itself, are rejected:

    ***<Time><Channel><CAN ID><PGN><Type><Source Node><Destination Node><Priority><Tx/Rx><DLC><DataBytes>***
    10:15:25:2440 1 18fef100 00FEF1 BROADCAST 00 FF 6 Rx 3 01 02 03

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
_TIME = rb"^(?P<hours>\d{1,4}):(?P<minutes>\d\d):(?P<seconds>\d\d):(?P<ticks>\d{4})\s+"
_ID = rb"(?P<channel>\d{1,3})\s+(?:0x)?(?P<id>[0-9A-Fa-f]{1,10})\s+"
_LINE = re.compile(
    _TIME
    + rb"(?:Rx|Tx)\s+"
    + _ID
    + rb"(?P<type>[sx])(?P<remote>r?)(?:-?fd)?\s+(?P<length>\d{1,2})\s*(?P<data>.*)$",
    re.DOTALL | re.IGNORECASE,
)
_J1939_LINE = re.compile(
    _TIME + _ID + rb"(?:\S+\s+){4}\d\s+(?:Rx|Tx)\s+(?P<length>\d{1,4})\s*(?P<data>.*)$",
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
        match = _LINE.match(line.rstrip()) or _J1939_LINE.match(line.rstrip())
        if match is None:
            return "busmaster" if line.strip() else None
        hours, minutes, seconds, ticks = (
            int(match[part]) for part in ("hours", "minutes", "seconds", "ticks")
        )
        stamp_us = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + ticks * 100
        if self._is_relative:
            stamp_us += self._last_us
        elif stamp_us + self._days_us < self._last_us - DAY_US // 2:
            self._days_us += DAY_US  # midnight
        self._last_us = stamp_us + self._days_us
        columns, length = match.groupdict(), int(match["length"])
        is_j1939, is_remote = "type" not in columns, bool(columns.get("remote"))
        data = bytes(min(length, CLASSIC_BYTES)) if is_remote else self._data(match["data"], length)
        try:
            number = int(match["id"], self._base)
        except ValueError:
            return "busmaster"
        if data is None or length > (CLASSIC_BYTES if is_j1939 else MAX_BYTES):
            return "busmaster"
        if len(data) != length:
            return "length"
        is_extended = is_j1939 or match["type"] in b"xX"
        flagged = can_id_of(
            number, is_extended=is_extended, is_remote=is_remote, is_fd=length > CLASSIC_BYTES
        )
        return Entry(self._last_us, match["channel"], flagged, data)

    def _header(self, line: bytes) -> None:
        if b" MODE***" in line:
            self._is_relative = b"RELATIVE" in line
        elif line.startswith((b"***DEC***", b"***HEX***")):
            self._base = 10 if b"DEC" in line else 16

    def _data(self, rest: bytes, length: int) -> bytes | None:
        return octets(b" ".join(rest.split()[:length]), self._base)
