"""Cut a block of records of one size into columns: the same field of every record.

C code does the work for a whole block or a group of records. To unpack one record after another takes three times as
long, because of the tuple that each needs.
"""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from struct import calcsize, unpack

Block = bytes | bytearray

_GROUP = 128
"""Records that `datas` cuts with one call. The slices for one size of record take some 15 kB."""


def numbers(block: Block, size: int, at: int, code: str) -> tuple[int, ...]:
    """The number at offset `at` of each record of `size` bytes. `code` is its `struct` format, such as "<I"."""
    order, kind = code[0], code[1]
    record = f"{at}x{kind}{size - at - calcsize(code)}x"
    return unpack(order + record * (len(block) // size), block)  # `struct` keeps the parsed formats


def datas(block: Block, size: int, at: int, length: int) -> list[bytearray]:
    """The `length` bytes at offset `at` of each record of `size` bytes."""
    block, places = block if isinstance(block, bytearray) else bytearray(block), _places(size, at, length)
    cut: list[bytearray] = []
    for start in range(0, len(block), size * _GROUP):
        group = block[start : start + size * _GROUP] if len(block) > size * _GROUP else block
        count = len(group) // size
        cut += itemgetter(*places[:count])(group) if count > 1 else [group[places[0]]]
    return cut


@lru_cache(maxsize=32)
def _places(size: int, at: int, length: int) -> tuple[slice, ...]:
    return tuple(slice(start, start + length) for start in range(at, size * _GROUP, size))
