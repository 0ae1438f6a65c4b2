"""Read the trace files of PEAK's programs (PCAN-View, PCAN-Explorer, PCAN-Trace), versions 1.0 to 2.1.

    ;$FILEVERSION=1.1                       1.0 has no such line; 2.x names its columns: ;$COLUMNS=N,O,T,B,I,d,R,L,D
         1)      1841.2  Rx         0123  8  11 22 33 44 55 66 77 88
         2)      1850.6  Rx     18FEF100  3  01 02 03
         3)      1900.0  Warng  FFFFFFFF  4  00 00 00 08  BUSHEAVY

Columns by letter: N number, O offset in milliseconds, T type, B bus, I identifier, d direction, R reserved, l bytes, L
length code, D data. Identifiers of more than four digits are extended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from firmware_bridge.records import ERR_FLAG, FD_LENGTHS, can_id_of
from logger.replay.canlogs.entry import BUS_ERROR_CLASS, CLASSIC_BYTES, Entry, micros, octets

_COLUMNS: Final[Mapping[bytes, str]] = {
    b"1.0": "NOILD",
    b"1.1": "NOTILD",
    b"1.2": "NOBTILD",
    b"1.3": "NOBTIRLD",
}
_VERSION = re.compile(rb"^;\$FILEVERSION=(\d\.\d)")
_NAMED_COLUMNS = re.compile(rb"^;\$COLUMNS=((?:[A-Za-z],)*[A-Za-z])")
_FIRST = re.compile(rb"^\s*\d+\)\s+\d+(?:\.\d+)?\s+[0-9A-Fa-f]{4,8}\s+\d\b")
"""A frame of version 1.0."""
_DATA_TYPES = frozenset({b"Rx", b"Tx", b"DT", b"FD", b"FB", b"FE", b"BI"})
_REMOTE_TYPE, _REMOTE_DATA = b"RR", b"RTR"
_ERROR_TYPES = frozenset({b"Error", b"ER"})
_SWITCHED, _PASSIVE, _FD = (b"FB", b"FE"), (b"FE", b"BI"), (b"FD", b"FB", b"FE", b"BI")


def recognise(head: Sequence[bytes]) -> PeakTrc | None:
    """A reader, if the first lines name the version, or are headings followed by frames of version 1.0."""
    if any(_VERSION.match(line) for line in head):
        return PeakTrc()
    is_headed = any(line.startswith(b";") for line in head)
    return PeakTrc() if is_headed and any(_FIRST.match(line) for line in head) else None


class PeakTrc:
    """Reads one line after another, with the columns that the header declares."""

    def __init__(self) -> None:
        self._columns = _COLUMNS[b"1.0"]

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "trc" for a damaged line, "length" where it has less data than it says."""
        if line.startswith(b";"):
            self._header(line)
            return None
        cells = line.split(maxsplit=len(self._columns) - 1)
        if not cells:
            return None
        named = dict(zip(self._columns, cells, strict=False))
        kind = named.get("T", b"Rx")
        stamp_us = _offset_us(named.get("O", b""))
        if stamp_us is None:
            return "trc"
        bus = named.get("B", b"")
        if kind in _ERROR_TYPES:
            return Entry(stamp_us, bus, ERR_FLAG | BUS_ERROR_CLASS, bytes(CLASSIC_BYTES))
        if kind not in _DATA_TYPES and kind != _REMOTE_TYPE:
            return None if kind.isalpha() else "trc"
        return self._frame(stamp_us, bus, kind, named)

    def _frame(
        self, stamp_us: int, bus: bytes, kind: bytes, named: Mapping[str, bytes]
    ) -> Entry | str | None:
        identifier, size = named.get("I", b""), named.get("l", named.get("L", b""))
        if not re.fullmatch(rb"[0-9A-Fa-f]{3,8}", identifier) or not re.fullmatch(rb"\d{1,2}", size):
            return "trc"
        number, length = int(identifier, 16), int(size)
        if number >> 29:
            return None  # FFFFFFFF: a bus state
        is_fd = kind in _FD
        if "l" not in named:
            if length >= len(FD_LENGTHS):
                return "trc"
            length = FD_LENGTHS[length]
        if not is_fd:
            length = min(length, CLASSIC_BYTES)
        rest = named.get("D", b"")
        is_remote = kind == _REMOTE_TYPE or rest.startswith(_REMOTE_DATA)
        data = bytes(length) if is_remote else octets(b" ".join(rest.split()[:length]))
        if data is None:
            return "trc"
        if len(data) != length:
            return "length"
        flagged = can_id_of(
            number,
            is_extended=len(identifier) > 4,
            is_remote=is_remote,
            is_fd=is_fd,
            is_switched=kind in _SWITCHED,
            is_passive=kind in _PASSIVE,
        )
        return Entry(stamp_us, bus, flagged, data)

    def _header(self, line: bytes) -> None:
        if version := _VERSION.match(line):
            self._columns = _COLUMNS.get(version[1], self._columns)
        elif named := _NAMED_COLUMNS.match(line):
            self._columns = named[1].decode().replace(",", "")


def _offset_us(text: bytes) -> int | None:
    """Microseconds of an offset in milliseconds."""
    if not re.fullmatch(rb"\d{1,12}(?:[.,]\d{1,6})?", text):
        return None
    return micros(text.replace(b",", b".")) // 1000
