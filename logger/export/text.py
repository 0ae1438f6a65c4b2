"""Lines of text out of numpy columns, without a Python object a value.

A block's lines are a matrix of characters, a row a line. Each part of a line is as wide as its widest value, with zero
bytes where a value is narrower; at the end all zero bytes fall out together. Knows nothing of logs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Characters = NDArray[np.uint8]
"""A part of every line: a row a line, zero for no character."""
Part = bytes | Characters
Mask = NDArray[np.bool_]

_EXACT = 2.0**53
"""A double at or beyond it has no fraction, and times a power of ten it may not fit into 64 bits."""
_LEAST, _MOST = 1e-3, 1e9
"""Between these, six decimals say all that an engine value has to say."""
_DECIMALS = 6
_HEX = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)


def lines(count: int, parts: Sequence[Part]) -> bytes:
    """The text of `count` lines: their parts side by side; a part in bytes is the same in every line."""
    return _beside(count, parts).tobytes().translate(None, b"\0")


def integers(values: NDArray[np.int64]) -> Characters:
    """Whole numbers in decimal digits."""
    return _digits(np.abs(values), values < 0, 0)


def fixed(values: NDArray[np.float64], decimals: int, *, trim: bool = True) -> Characters:
    """Numbers rounded to so many decimals, without zeros at the end unless `trim` is False. Nothing for NaN."""
    known = np.isfinite(values)
    scaled = np.where(known, values, 0.0) * 10.0**decimals
    if (np.abs(scaled) >= _EXACT).any():
        return texts([f"{value:.{decimals}f}" if math.isfinite(value) else "" for value in values.tolist()])
    whole = np.rint(scaled).astype(np.int64)
    return only(known, _digits(np.abs(whole), whole < 0, decimals, trim=trim))


def numbers(values: NDArray[np.float64]) -> Characters:
    """Numbers of any size: six decimals at most, or nine digits where these would say too little. Nothing for NaN."""
    size = np.abs(values)
    odd = (size >= _MOST) | ((size > 0) & (size < _LEAST))
    plain = fixed(np.where(odd, np.nan, values), _DECIMALS)
    if not odd.any():
        return plain
    written = [
        f"{value:.9g}" if rare else "" for value, rare in zip(values.tolist(), odd.tolist(), strict=True)
    ]
    return np.concatenate((plain, texts(written)), axis=1)


def moments(utc: NDArray[np.datetime64], unit: str = "us") -> Characters:
    """UTC as in 2026-01-15T06:22:35.123456Z; `unit` is "us" or "ms". Nothing where it is not known."""
    known = ~np.isnat(utc)
    second, fraction_us = np.divmod(np.where(known, utc.astype(np.int64), 0), 1_000_000)
    seconds, which = np.unique(second, return_inverse=True)
    told = np.datetime_as_string(seconds.astype("datetime64[s]")).astype(bytes)
    fraction = padded(fraction_us, 6) if unit == "us" else padded(fraction_us // 1000, 3)
    return only(known, _beside(len(utc), [_letters(told)[which], b".", fraction, b"Z"]))


def hexadecimal(matrix: NDArray[np.uint8], length: NDArray[np.int64]) -> Characters:
    """The first `length` bytes of each row, two digits a byte."""
    digits = np.empty((*matrix.shape, 2), dtype=np.uint8)
    digits[..., 0] = _HEX[matrix >> 4]
    digits[..., 1] = _HEX[matrix & 15]
    digits[np.arange(matrix.shape[1]) >= length[:, None]] = 0
    return digits.reshape(len(matrix), -1)


def hex_number(values: NDArray[np.int64], digits: int) -> Characters:
    """Whole numbers as so many hexadecimal digits."""
    shifts = np.arange(digits - 1, -1, -1) * 4
    digits_of: Characters = _HEX[(values[:, None] >> shifts) & 15]
    return digits_of


def padded(values: NDArray[np.int64], digits: int) -> Characters:
    """Whole numbers, not negative, as so many decimal digits: nine at most."""
    powers = 10 ** np.arange(digits - 1, -1, -1, dtype=np.uint32)
    return (values.astype(np.uint32)[:, None] // powers % np.uint32(10) + ord("0")).astype(np.uint8)


def texts(values: Sequence[str]) -> Characters:
    """Ready texts; for what is rare."""
    return _letters(np.array([value.encode() for value in values], dtype=bytes))


def chosen(options: Sequence[bytes], index: NDArray[np.integer]) -> Characters:
    """One of a few words in each line."""
    found: Characters = _letters(np.array(options, dtype=bytes))[index]
    return found


def only(mask: Mask, part: Characters) -> Characters:
    """A part that only some lines have."""
    return np.where(mask[:, None], part, np.uint8(0))


def where(mask: Mask, word: bytes) -> Part:
    """A word that only some lines have; cheap where that is all of them or none."""
    if mask.all():
        return word
    return chosen((b"", word), mask.astype(int)) if mask.any() else b""


def _beside(count: int, parts: Sequence[Part]) -> Characters:
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    matrix = np.empty((count, sum(widths)), dtype=np.uint8)
    at = 0
    for part, width in zip(parts, widths, strict=True):
        matrix[:, at : at + width] = np.frombuffer(part, dtype=np.uint8) if isinstance(part, bytes) else part
        at += width
    return matrix


def _letters(words: NDArray[np.bytes_]) -> Characters:
    """Words as a row of characters each."""
    return words.view(np.uint8).reshape(len(words), words.itemsize)


def _digits(magnitude: NDArray[np.int64], negative: Mask, decimals: int, *, trim: bool = False) -> Characters:
    """[sign] [whole digits] [. decimals], the decimal point set into whole numbers `decimals` from the right."""
    width = max(len(str(int(magnitude.max(initial=0)))), decimals + 1)
    point = decimals > 0
    part = np.zeros((len(magnitude), 1 + width + point), dtype=np.uint8)
    part[negative, 0] = ord("-")
    rest = magnitude.astype(np.uint32) if width <= 9 else magnitude
    at_end = np.ones(len(magnitude), dtype=bool) if trim else np.zeros(len(magnitude), dtype=bool)
    for place in range(width):
        column = part[:, width - place + (point and place < decimals)]
        if place == decimals and point:
            part[:, width - decimals + 1] = np.where(at_end, 0, ord("."))
        shown = rest > 0 if place > decimals else True
        rest, above = rest // 10, rest
        digit = above - 10 * rest  # numpy divides by a constant much faster than it finds a remainder
        if place < decimals:
            at_end &= digit == 0
            shown = ~at_end
        column[:] = np.where(shown, digit + ord("0"), 0)
    return part
