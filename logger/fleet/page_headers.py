"""What a column chunk of a Parquet file holds, page by page, read from the pages' own headers.

The footer's sizes are only what its writer claims. A reader unpacks a page into as many bytes as the page's header
states, so these headers are what bounds its memory. They are in Thrift's compact protocol (parquet.thrift, PageHeader):

    1 type   2 uncompressed_page_size   3 compressed_page_size   5 data page   7 dictionary page   8 data page V2
    in a data or dictionary page:  1 num_values   2 encoding (4 in V2)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from firmware_bridge.errors import LogError

DICTIONARY_PAGE: Final = 2
PLAIN, PLAIN_DICTIONARY, RLE, BIT_PACKED, RLE_DICTIONARY = 0, 2, 3, 4, 8
_FIRST_READ_BYTES, _MAX_HEADER_BYTES = 1 << 10, 1 << 18
"""A header has some 30 bytes; statistics add the column's least and greatest text."""
_MAX_DEPTH = 8
"""Of structures in a header: it has three levels."""
_MAX_FIELD = 100
"""The number of a field: others would take its lowest 16 bits."""
_DATA, _DICTIONARY, _DATA_V2 = 5, 7, 8
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class Page(NamedTuple):
    """A page: the bytes it takes when it is unpacked, and its values."""

    is_dictionary: bool
    size_bytes: int
    values: int
    encoding: int


def pages(stream: IO[bytes], start: int, size_bytes: int) -> Iterator[Page]:
    """The pages of the column chunk at `start`. Raises LogError for one that is damaged, OSError."""
    end = start + size_bytes
    while start < end:
        fields, header_bytes = _header(stream, start, end)
        kind, unpacked, packed = (fields.get((number,), -1) for number in (1, 2, 3))
        if unpacked < 0 or packed < 0:
            raise LogError("a page does not state its size")
        form = next((form for form in (_DATA, _DICTIONARY, _DATA_V2) if (form, 1) in fields), None)
        if form is not None:
            encoding = fields.get((form, 4 if form == _DATA_V2 else 2), -1)
            yield Page(kind == DICTIONARY_PAGE, unpacked, fields[form, 1], encoding)
        start += header_bytes + packed


def _header(stream: IO[bytes], start: int, end: int) -> tuple[dict[tuple[int, ...], int], int]:
    """The whole numbers of a header, by the path of their fields, and its length."""
    size = _FIRST_READ_BYTES
    while True:
        stream.seek(start)
        data = stream.read(min(size, end - start))
        cursor = _Cursor(data)
        try:
            fields: dict[tuple[int, ...], int] = {}
            cursor.structure((), fields)
        except IndexError as error:
            if size >= _MAX_HEADER_BYTES or len(data) < size:
                raise LogError("a page's header is damaged") from error
            size = _MAX_HEADER_BYTES
        else:
            return fields, cursor.at


class _Cursor:
    """Reads the compact protocol. IndexError where the data ends, LogError where it is not of it."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def structure(self, path: tuple[int, ...], fields: dict[tuple[int, ...], int]) -> None:
        """Read a structure's fields into `fields`."""
        if len(path) > _MAX_DEPTH:
            raise LogError("a page's header is nested too deep")
        number = 0
        while (head := self._byte()) != 0:
            kind = head & 0x0F
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            if not 0 <= number <= _MAX_FIELD:
                raise LogError("a page's header is damaged")
            here = (*path, number)
            if here in fields:
                raise LogError("a page's header has a field twice")
            if kind == _STRUCT:
                self.structure(here, fields)
            elif kind == _I32:
                fields[here] = self._whole()
            elif kind in (_I16, _I64):
                self._varint()
            elif kind == _BINARY:
                self._skip(self._varint())
            elif kind in (_BYTE, _DOUBLE):
                self._skip(1 if kind == _BYTE else 8)
            elif kind not in (_TRUE, _FALSE):  # no list, set or map is in a page's header
                raise LogError("a page's header is damaged")

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise LogError("a page's header has a number of over 64 bits")

    def _whole(self) -> int:
        value = self._zigzag()
        if abs(value) >= 1 << 31:  # others would take its lowest 32 bits
            raise LogError("a page's header has a number of over 32 bits")
        return value

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
