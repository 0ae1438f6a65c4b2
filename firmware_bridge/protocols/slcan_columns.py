"""Cut a block of SLCAN lines of one kind and length into columns; one step of C code does it for all lines."""

from __future__ import annotations

from binascii import unhexlify
from typing import NamedTuple

from firmware_bridge.protocols.columns import datas, numbers

MIN_UNIFORM_LINES = 4
"""With fewer lines the fixed cost is higher than the gain."""
STAMP_CODES = {4: ">H", 8: ">I"}
"""The `struct` format of a stamp by its number of digits."""
EXTENDED_TOP = bytes.maketrans(b"0123456789ABCDEFabcdef", b"89" + 20 * b"-")
"""The first digit of a 29-bit identifier to that of `CanFrame.can_id`, with EFF_FLAG. Other digits become none."""


class Columns(NamedTuple):
    """The fields of the lines. `stamps` is empty for lines without one."""

    ids: tuple[int, ...]
    datas: list[bytearray]
    stamps: tuple[int, ...]


def uniform_columns(block: bytes, stamp_digits: int) -> Columns | None:
    """Decode a block of only standard or only extended data frames of one length. None if it is another."""
    size = block.find(b"\r") + 1
    count, left = divmod(len(block), size or 1)
    kind = block[:1]
    if left or count < MIN_UNIFORM_LINES or kind not in (b"t", b"T"):
        return None
    start = 5 if kind == b"t" else 10
    length = b"012345678".find(block[start - 1 : start])
    if length < 0 or size != start + 2 * length + stamp_digits + 1:
        return None
    same_dlc = block[start - 1 : start] * count == block[start - 1 :: size]
    if not (same_dlc and block[::size] == kind * count and block[size - 1 :: size] == b"\r" * count):
        return None
    try:
        return _columns(block, size, length, stamp_digits)
    except ValueError:
        return None


def _columns(block: bytes, size: int, length: int, stamp_digits: int) -> Columns:
    """The identifiers, data and stamps of lines of `size` characters; ValueError if one is not a frame.

    The letter and the CR of each line become zeros, so that all is hexadecimal. A line then has an even number of
    digits: a standard line as it is (its CR pairs with its last digit), an extended line with another zero. The bytes
    begin at its even digits in one reading and at its odd digits in the other; of the data and the identifier one lies
    on the bytes of the one, the other on those of the other.
    """
    zeros = b"0" * (len(block) // size)
    is_standard = block[:1] == b"t"
    if is_standard:
        if block[1::size].strip(b"01234567"):
            raise ValueError("an identifier has more than 11 bits")
        digits = bytearray(block)
        digits[size - 1 :: size] = zeros
    else:
        top = block[1::size].translate(EXTENDED_TOP)
        digits = bytearray(block.replace(b"\r", b"00"))
        size += 1
        digits[1::size] = top
    digits[::size] = zeros
    even, odd = unhexlify(digits), unhexlify(digits[1:] + b"0")
    width = size // 2
    if is_standard:
        ids, fields, at = numbers(even, width, 0, ">H"), odd, 2
    else:
        ids, fields, at = numbers(odd, width, 0, ">I"), even, 5
    stamps = numbers(fields, width, at + length, STAMP_CODES[stamp_digits]) if stamp_digits else ()
    return Columns(ids, datas(fields, width, at, length), stamps)
