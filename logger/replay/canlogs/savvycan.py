"""Read the CSV of SavvyCAN and GVRET.

    Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8
    1000000,00000123,false,Rx,0,8,11,22,33,44,55,66,77,88,

Columns are identified by name: older files have no Dir, some differ in case and spaces, and spreadsheets save with
semicolons, tabs or quotes. Stamps are whole microseconds, which an adapter counts in 32 bits, or seconds if they have
a decimal point; identifiers and data are hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_bridge.records import can_id_of
from logger.replay.canlogs.entry import CLASSIC_BYTES, MAX_BYTES, Entry, micros, octets

_NEEDED = frozenset({"timestamp", "id", "len"})
_TRUE = frozenset({b"true", b"1", b"yes", b"x"})
_HEX = re.compile(rb"(?:0[xX])?[0-9A-Fa-f]{1,8}")
_STAMP = re.compile(rb"\d{1,18}(?:\.\d{1,9})?")
_PREFIX = re.compile(rb"\b0[xX]")
_SEPARATORS = (b",", b";", b"\t")
"""Spreadsheets write the last two; with them seconds may have a decimal comma."""
_WRAP_US = 1 << 32


def recognise(head: Sequence[bytes]) -> SavvyCan | None:
    """A reader, if one of the first lines names the columns."""
    for line in head:
        for separator in _SEPARATORS:
            columns = _columns(_cells(line, separator))
            if columns.keys() >= _NEEDED:
                return SavvyCan(columns, separator)
    return None


def _columns(cells: Sequence[bytes]) -> dict[str, int]:
    """Index of each column of a header, by its name without case, spaces and underscores."""
    names = [cell.decode("ascii", "replace").lower() for cell in cells]
    return {re.sub(r"[^a-z0-9]", "", name): at for at, name in enumerate(names)}


def _cells(line: bytes, separator: bytes) -> list[bytes]:
    return [cell.strip(b'" \r\n') for cell in line.split(separator)]


class SavvyCan:
    """Reads one line after another, in the columns of the header."""

    def __init__(self, columns: dict[str, int], separator: bytes) -> None:
        self._columns, self._separator = columns, separator
        self._first_data = columns.get("d1", columns["len"] + 1)
        self._last_us = 0
        self._wrapped_us = 0
        """Time added at wraps of the adapter's clock."""

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "csv" for a damaged line, "length" where it has less data than it says."""
        cells = _cells(line, self._separator)
        if not line.strip() or _columns(cells).keys() >= _NEEDED:
            return None
        stamp, identifier, length = (self._cell(cells, name) for name in ("timestamp", "id", "len"))
        stamp = stamp.replace(b",", b".")
        if not (_STAMP.fullmatch(stamp) and _HEX.fullmatch(identifier) and length.isdigit()):
            return "csv"
        size = int(length)
        written = b" ".join(cells[self._first_data : self._first_data + min(size, MAX_BYTES)])
        data = octets(_PREFIX.sub(b"", written))
        if data is None:
            return "csv"
        if len(data) != size:
            return "length"
        number = int(identifier, 16)
        is_extended = self._cell(cells, "extended").lower() in _TRUE or number > 0x7FF
        flagged = can_id_of(number, is_extended=is_extended, is_fd=size > CLASSIC_BYTES)
        stamp_us = micros(stamp) if b"." in stamp else int(stamp)
        return Entry(self._unwrapped_us(stamp_us), self._cell(cells, "bus"), flagged, data)

    def _unwrapped_us(self, stamp_us: int) -> int:
        """A stamp without wraps: one that decreased by more than half of 32 bits has wrapped."""
        if stamp_us < self._last_us - _WRAP_US // 2 and self._last_us < _WRAP_US:
            self._wrapped_us += _WRAP_US
        self._last_us = stamp_us
        return stamp_us + self._wrapped_us

    def _cell(self, cells: Sequence[bytes], name: str) -> bytes:
        at = self._columns.get(name)
        return cells[at] if at is not None and at < len(cells) else b""
