"""Vectorised text formatting: numpy columns to lines, without a Python object per value.

A block of lines is a matrix of characters, one row per line. Each part of a line is as wide as its widest value and
padded with zero bytes; the last step removes all zero bytes. Knows nothing of logs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Characters = NDArray[np.uint8]
"""A part of every line: one row per line, zero for no character."""
Part = bytes | Characters
Mask = NDArray[np.bool_]

_EXACT = 2.0**53
"""A double at or above it has no fraction, and scaled by a power of ten may overflow 64 bits."""
_MIN, _MAX = 1e-3, 1e9
"""Between these, six decimals suffice for an engine value."""
_DECIMALS = 6
_TINY = 1e-98
"""Two digits of exponent hold nothing smaller."""
_HEX = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)


def lines(count: int, parts: Sequence[Part]) -> bytes:
    """Join parts into the text of `count` lines; a part given as bytes repeats in every line."""
    return _beside(count, parts).tobytes().translate(None, b"\0")


def integers(values: NDArray[np.int64]) -> Characters:
    """Format integers in decimal."""
    return _digits(np.abs(values), values < 0, 0)


def fixed(values: NDArray[np.float64], decimals: int, *, trim: bool = True) -> Characters:
    """Format numbers with at most `decimals` decimals; trailing zeros stay if `trim` is False. Empty for NaN."""
    known = np.isfinite(values)
    scaled = np.where(known, values, 0.0) * 10.0**decimals
    if (np.abs(scaled) >= _EXACT).any():
        return texts([f"{value:.{decimals}f}" if math.isfinite(value) else "" for value in values.tolist()])
    whole = np.rint(scaled).astype(np.int64)
    return only(known, _digits(np.abs(whole), whole < 0, decimals, trim=trim))


def numbers(values: NDArray[np.float64]) -> Characters:
    """Format numbers of any size: up to six decimals, or nine digits for very small and large ones. Empty for NaN."""
    size = np.abs(values)
    odd = (size >= _MAX) | ((size > 0) & (size < _MIN))
    plain = fixed(np.where(odd, np.nan, values), _DECIMALS)
    if not odd.any():
        return plain
    formatted = [
        f"{value:.9g}" if rare else "" for value, rare in zip(values.tolist(), odd.tolist(), strict=True)
    ]
    return np.concatenate((plain, texts(formatted)), axis=1)


def exponential(values: NDArray[np.float64], decimals: int) -> Characters:
    """Format finite numbers below 1e99 as mantissa and exponent: +1.234560E-02; what is too small for it is zero."""
    size = np.where(np.abs(values) < _TINY, 0.0, np.abs(values))
    exponent = np.where(size > 0, np.floor(np.log10(np.where(size > 0, size, 1.0))), 0.0).astype(np.int64)
    mantissa = np.rint(size / 10.0 ** exponent.astype(np.float64) * 10.0**decimals).astype(np.int64)
    rounded_up = mantissa >= 10 ** (decimals + 1)
    mantissa[rounded_up] //= 10
    exponent[rounded_up] += 1
    signs = (b"+", b"-")
    return _beside(
        len(values),
        [
            *(
                chosen(signs, (values < 0).astype(int)),
                _digits(mantissa, np.zeros(len(values), dtype=bool), decimals),
            ),
            *(b"E", chosen(signs, (exponent < 0).astype(int)), padded(np.abs(exponent), 2)),
        ],
    )


def moments(utc: NDArray[np.datetime64], unit: str = "us") -> Characters:
    """Format UTC times as 2026-01-15T06:22:35.123456Z; `unit` is "us" or "ms". Empty if unknown."""
    known = ~np.isnat(utc)
    second, fraction_us = np.divmod(np.where(known, utc.astype(np.int64), 0), 1_000_000)
    seconds, which = np.unique(second, return_inverse=True)
    whole = np.datetime_as_string(seconds.astype("datetime64[s]")).astype(bytes)
    fraction = padded(fraction_us, 6) if unit == "us" else padded(fraction_us // 1000, 3)
    return only(known, _beside(len(utc), [_letters(whole)[which], b".", fraction, b"Z"]))


def hexadecimal(matrix: NDArray[np.uint8], length: NDArray[np.int64]) -> Characters:
    """Format the first `length` bytes of each row, two hexadecimal digits per byte."""
    digits = np.empty((*matrix.shape, 2), dtype=np.uint8)
    digits[..., 0] = _HEX[matrix >> 4]
    digits[..., 1] = _HEX[matrix & 15]
    digits[np.arange(matrix.shape[1]) >= length[:, None]] = 0
    return digits.reshape(len(matrix), -1)


def hex_number(values: NDArray[np.int64], digits: int) -> Characters:
    """Format integers with a fixed number of hexadecimal digits."""
    shifts = np.arange(digits - 1, -1, -1) * 4
    digits_of: Characters = _HEX[(values[:, None] >> shifts) & 15]
    return digits_of


def padded(values: NDArray[np.int64], digits: int) -> Characters:
    """Format non-negative integers with a fixed number of decimal digits, at most nine."""
    powers = 10 ** np.arange(digits - 1, -1, -1, dtype=np.uint32)
    return (values.astype(np.uint32)[:, None] // powers % np.uint32(10) + ord("0")).astype(np.uint8)


def texts(values: Sequence[str]) -> Characters:
    """Convert Python strings; slow, for rare values."""
    return _letters(np.array([value.encode() for value in values], dtype=bytes))


def chosen(options: Sequence[bytes], index: NDArray[np.integer]) -> Characters:
    """Select one of several words for each line."""
    words: Characters = _letters(np.array(options, dtype=bytes))[index]
    return words


def only(mask: Mask, part: Characters) -> Characters:
    """Keep a part only in the lines of the mask."""
    return np.where(mask[:, None], part, np.uint8(0))


def where(mask: Mask, word: bytes) -> Part:
    """A word in the lines of the mask only; cheap if that is all lines or none."""
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
    """Words as a matrix of characters, one row per word."""
    return words.view(np.uint8).reshape(len(words), words.itemsize)


def _digits(magnitude: NDArray[np.int64], negative: Mask, decimals: int, *, trim: bool = False) -> Characters:
    """[sign] [integer digits] [. decimals]: integers with a decimal point `decimals` digits from the right."""
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
        digit = above - 10 * rest  # in numpy much faster than the remainder operator
        if place < decimals:
            at_end &= digit == 0
            shown = ~at_end
        column[:] = np.where(shown, digit + ord("0"), 0)
    return part
