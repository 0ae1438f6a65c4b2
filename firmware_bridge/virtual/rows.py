"""Vectorized text formatting: a matrix of characters, one row per line, built column by column.

Formats a few hundred lines in the time of one line in plain Python. A zero byte means "no character": it does not count
in a checksum and is removed at the end, so lines of different lengths (leading zeros, an empty field, a shorter frame)
share one matrix.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_UPPER = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)
_FOUR_DIGITS = np.frombuffer(b"".join(b"%04d" % i for i in range(10_000)), np.uint8).reshape(10_000, 4)
_LOWER = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


class Rows:
    """`count` lines. Every method appends to all of them and returns self."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._columns: list[Bytes] = []
        self._sentence = 0

    def text(self, text: str) -> Self:
        """Append the same characters to every row."""
        one = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
        return self.cells(np.broadcast_to(one, (self._count, len(one))))

    def cells(self, characters: Bytes) -> Self:
        """Append individual characters, (count, width); zero is none."""
        self._columns.append(characters)
        return self

    def choice(self, condition: Mask, yes: str, no: str) -> Self:
        """Append one of two characters; "" is none."""
        characters = np.where(condition, ord(yes or "\0"), ord(no or "\0")).astype(np.uint8)
        return self.cells(characters[:, None])

    def number(
        self, values: Ints, width: int, *, least: int | None = None, shown: Mask | None = None
    ) -> Self:
        """Append whole numbers >= 0 in `width` digits, without leading zeros beyond `least` digits."""
        groups = []
        for _ in range(0, width, 4):
            groups.append(_FOUR_DIGITS[values % 10_000])
            values = values // 10_000
        digits = np.concatenate(groups[::-1], axis=1)[:, -width:]
        if least is not None and least < width:
            leading = np.maximum.accumulate(digits[:, : width - least] != ord("0"), axis=1)
            digits[:, : width - least] *= leading
        if shown is not None:
            digits *= shown[:, None]
        return self.cells(digits)

    def decimal(
        self, values: Ints, width: int, places: int, *, least: int = 1, shown: Mask | None = None
    ) -> Self:
        """Append numbers given in units of their last place: `width` digits before the point, `places` after it."""
        self.number(values // 10**places, width, least=least, shown=shown)
        point = np.full((self._count, 1), ord("."), dtype=np.uint8)
        self.cells(point if shown is None else point * shown[:, None])
        return self.number(values % 10**places, places, shown=shown)

    def hexadecimal(self, octets: Bytes, *, lower: bool = False) -> Self:
        """Append two hexadecimal digits per octet, (count, width) octets."""
        return self.cells(hex_digits(octets, lower=lower))

    def sentence(self, head: str) -> Self:
        """Begin an NMEA sentence: its `$` and first field."""
        self.text("$")
        self._sentence = len(self._columns)
        return self.text(head)

    def end(self) -> Self:
        """End the sentence: append the checksum since `sentence`, and CR LF."""
        body = np.concatenate(self._columns[self._sentence :], axis=1)
        checksum = np.bitwise_xor.reduce(body, axis=1)
        return self.text("*").hexadecimal(checksum[:, None]).text("\r\n")

    def matrix(self) -> Bytes:
        return np.concatenate(self._columns, axis=1)

    def lines(self) -> list[bytes]:
        """Return each row as bytes."""
        data, ends = joined(self.matrix())
        return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def joined(matrix: Bytes, present: Mask | None = None) -> tuple[bytes, list[int]]:
    """Return all rows concatenated without empty cells, and the end of each.

    Zero is empty unless `present` marks the used cells, which binary rows need.
    """
    if present is None:
        present = matrix != 0
    ends: list[int] = np.cumsum(np.count_nonzero(present, axis=1)).tolist()
    return matrix[present].tobytes(), ends


def hex_digits(octets: Bytes, *, lower: bool = False) -> Bytes:
    """Convert (count, width) octets to (count, 2 width) hexadecimal digits."""
    table = _LOWER if lower else _UPPER
    pairs = np.stack((table[octets >> 4], table[octets & 15]), axis=2)
    return pairs.reshape(len(octets), -1)
