"""Inputs without end from a few good ones: bytes flipped, lost, added, repeated, and pieces of one put into another.

Knows no format. The same seed gives the same inputs. atheris, which follows coverage, finds more; this needs nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

MOST_BYTES = 1 << 16
_MOST_CHANGES = 6
_TELLING = (
    b"\0", b"\xff", b"\x7f", b"\x80", b"\r", b"\n", b"\r\n", b",", b"*", b"$", b'"', b"'", b"-", b".", b"=", b"[", b"]",
    b"0", b"-1", b"1e999", b"nan", b"inf", b"99999999999999999999", b"\xff\xff\xff\xff",
    b"\0\0\0\0", b"\xf0\x9f\x8f\x8d",
)  # fmt: skip
"""What has broken readers of numbers, texts and lengths before."""


def inputs(seeds: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """The good inputs, then damaged ones without end."""
    chance = random.Random(seed)
    yield from seeds
    while True:
        yield _damaged(chance.choice(seeds), seeds, chance)[:MOST_BYTES]


def _damaged(data: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        at = chance.randint(0, len(changed))
        length = min(chance.choice((1, 1, 1, 2, 4, 16, 256)), len(changed) - at)
        match chance.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at : at + length] = chance.randbytes(length)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = chance.randbytes(length)
            case 4:
                changed[at:at] = changed[at : at + length] * chance.choice((1, 2, 100))
            case 5:
                changed[at : at + length * chance.randrange(2)] = chance.choice(_TELLING)
            case 6:
                other = chance.choice(seeds)
                start = chance.randint(0, len(other))
                changed[at : at + length] = other[start : start + chance.choice((4, 40, 400))]
    return bytes(changed)
