"""Endless damaged inputs from a few valid ones: bytes flipped, lost, added, repeated, mixed.

It knows no format. The same seed gives the same inputs. atheris, guided by coverage, finds more, but is not needed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

MAX_BYTES = 1 << 16
_MAX_CHANGES = 6
_SUSPICIOUS = (
    b"\0", b"\xff", b"\x7f", b"\x80", b"\r", b"\n", b"\r\n", b",", b"*", b"$", b'"', b"'", b"-", b".", b"=", b"[", b"]",
    b"0", b"-1", b"1e999", b"nan", b"inf", b"99999999999999999999", b"\xff\xff\xff\xff",
    b"\0\0\0\0", b"\xf0\x9f\x8f\x8d",
)  # fmt: skip
"""Values that have broken readers of numbers, texts and lengths before."""


def inputs(seeds: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """The valid inputs, then damaged ones without end."""
    rng = random.Random(seed)
    yield from seeds
    while True:
        yield _damaged(rng.choice(seeds), seeds, rng)[:MAX_BYTES]


def _damaged(data: bytes, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, _MAX_CHANGES)):
        at = rng.randint(0, len(changed))
        length = min(rng.choice((1, 1, 1, 2, 4, 16, 256)), len(changed) - at)
        match rng.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + length] = rng.randbytes(length)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = rng.randbytes(length)
            case 4:
                changed[at:at] = changed[at : at + length] * rng.choice((1, 2, 100))
            case 5:
                changed[at : at + length * rng.randrange(2)] = rng.choice(_SUSPICIOUS)
            case 6:
                other = rng.choice(seeds)
                start = rng.randint(0, len(other))
                changed[at : at + length] = other[start : start + rng.choice((4, 40, 400))]
    return bytes(changed)
