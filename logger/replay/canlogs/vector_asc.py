"""Read Vector's ASC, the text log of CANoe and CANalyzer.

    base hex  timestamps absolute | relative
    0.010000 1  123             Rx   d 8 11 22 33 44 55 66 77 88  Length = ... BitCount = ... ID = ...
    0.020000 1  18FEF100x       Rx   d 3 01 02 03                       r: remote, with or without a length
    0.030000 CANFD  1 Rx  123  [name]  1 0 9 12 00 11 ...               switched, passive, length code, bytes
    0.040000 1  ErrorFrame

The base applies to identifiers and data. Relative stamps count from the previous line, whatever that line holds. Lines
that are not frames (statistics, markers, other buses) are skipped. A message with a name instead of its identifier has
the identifier at the end of the line, in decimal (ID = 419361024x); without it the line is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_bridge.records import ERR_FLAG, STANDARD_MASK, can_id_of
from logger.replay.canlogs.entry import BUS_ERROR_CLASS, CLASSIC_BYTES, MAX_BYTES, Entry, micros, octets

_BASE = re.compile(rb"^\s*base\s+(hex|dec)\b(?:\s+timestamps\s+(absolute|relative))?", re.IGNORECASE)
_STAMPED = re.compile(rb"^\s*(\d{1,12}\.\d{1,9})\s+(.*)$", re.DOTALL)
_CLASSIC = re.compile(
    rb"(\d{1,5})\s+(\S+?)(x?)\s+(?:Rx|Tx|TxRq)\s+([dr])(?:\s+([0-9A-Fa-f]{1,2}))?(?:\s+(.*))?$",
    re.DOTALL | re.IGNORECASE,
)
_FD = re.compile(
    rb"CANFD\s+(\d{1,5})\s+(?:Rx|Tx|TxRq)\s+([0-9A-Fa-f]+)(x?)\s+(?:(?![01]\s+[01]\s)(\S+)\s+)?([01])\s+([01])\s+"
    rb"([0-9A-Fa-f]{1,2})\s+(\d{1,2})\s*(.*)$",
    re.DOTALL | re.IGNORECASE,
)
_ERROR = re.compile(rb"(?:CANFD\s+)?(\d{1,5})\s+(?:(?:Rx|Tx)\s+)?ErrorFrame", re.IGNORECASE)
_NAMED = re.compile(rb"(?:CANFD\s+)?\d{1,5}\s+\S+\s+(?:Rx|Tx)\s+d\s", re.IGNORECASE)
_OWN_ID = re.compile(rb"\bID\s*=\s*(\d{1,10})(x?)", re.IGNORECASE)
"""The identifier at the end of a line, in decimal whatever the base."""
_REMOTE_FLAG, _FD_FLAG = 0x10, 0x1000
"""Of a CANFD line."""


def recognise(head: Sequence[bytes]) -> VectorAsc | None:
    """A reader, if the first lines declare base and stamps, or one is a frame of this format."""
    if any(_BASE.match(line) for line in head) and any(_STAMPED.match(line) for line in head):
        return VectorAsc()
    return VectorAsc() if any(_is_frame(line) for line in head) else None


def _is_frame(line: bytes) -> bool:
    stamped = _STAMPED.match(line.rstrip())
    return stamped is not None and bool(_CLASSIC.match(stamped[2]) or _FD.match(stamped[2]))


class VectorAsc:
    """Reads one line after another, with the base and stamps that the header declares."""

    def __init__(self) -> None:
        self._base = 16
        self._is_relative = False
        self._last_us = 0

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "asc" for a damaged line, "name" for a name without identifier, "length" for too little."""
        if header := _BASE.match(line):
            self._base = 10 if header[1].lower() == b"dec" else 16
            self._is_relative = (header[2] or b"").lower() == b"relative"
            return None
        stamped = _STAMPED.match(line.rstrip())
        if stamped is None:
            return None
        stamp_us = micros(stamped[1])
        self._last_us = self._last_us + stamp_us if self._is_relative else stamp_us
        rest = stamped[2]
        if match := _ERROR.match(rest):
            return Entry(self._last_us, match[1], ERR_FLAG | BUS_ERROR_CLASS, bytes(CLASSIC_BYTES))
        if match := _FD.match(rest):
            return self._fd(match)
        if match := _CLASSIC.match(rest):
            return self._classic(match)
        return "name" if _NAMED.match(rest) else None

    def _classic(self, match: re.Match[bytes]) -> Entry | str:
        bus, digits, extended, kind, code, rest = match.groups()
        own = _OWN_ID.search(rest or b"")  # a name may be a hexadecimal number too
        number, extended = (int(own[1]), own[2]) if own else (self._number(digits), extended)
        if number is None or number >> 29:
            return "name"
        length = min(int(code, 16), CLASSIC_BYTES) if code else 0
        is_remote = kind.lower() == b"r"
        data = bytes(length) if is_remote else self._data(rest or b"", length)
        if data is None:
            return "asc"
        if len(data) != length:
            return "length"
        flagged = can_id_of(number, is_extended=bool(extended) or number > STANDARD_MASK, is_remote=is_remote)
        return Entry(self._last_us, bus, flagged, data)

    def _fd(self, match: re.Match[bytes]) -> Entry | str:
        bus, digits, extended, _, switched, passive, code, size, rest = match.groups()
        number, length = self._number(digits), int(size)
        data = self._data(rest, length) if length <= MAX_BYTES else None
        if number is None or data is None:
            return "asc"
        if len(data) != length:
            return "length"
        # The flags follow the data. A CANFD line without the flag of FD frames is a classic frame.
        words = rest.split()[length + 2 : length + 3]
        flags = int(words[0], 16) if words and _is_hex(words[0]) else _FD_FLAG
        is_remote = bool(flags & _REMOTE_FLAG) and not length
        if is_remote:
            data = bytes(min(self._number(code) or 0, CLASSIC_BYTES))
        flagged = can_id_of(
            number,
            is_extended=bool(extended) or number > STANDARD_MASK,
            is_remote=is_remote,
            is_fd=bool(flags & _FD_FLAG) or length > CLASSIC_BYTES,
            is_switched=switched == b"1",
            is_passive=passive == b"1",
        )
        return Entry(self._last_us, bus, flagged, data)

    def _number(self, digits: bytes) -> int | None:
        """An identifier in the file's base; None for a name made of hexadecimal letters."""
        try:
            number = int(digits, self._base)
        except ValueError:
            return None
        return number if number < 1 << 29 else None

    def _data(self, rest: bytes, length: int) -> bytes | None:
        return octets(b" ".join(rest.split()[:length]), self._base)


def _is_hex(text: bytes) -> bool:
    return re.fullmatch(rb"[0-9A-Fa-f]{1,8}", text) is not None
