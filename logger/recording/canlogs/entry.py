"""One frame of a text log, and the fields that these logs share."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_FLAG,
    RTR_FLAG,
    STANDARD_MASK,
)

CLASSIC_BYTES: Final = 8
MOST_BYTES: Final = 64
_HEX_BYTES = re.compile(rb"(?:[0-9A-Fa-f]{1,2}(?:[ ,;]+|$))*", re.ASCII)


class Entry(NamedTuple):
    """A frame as a log has it. `stamp_us` is of the writer's clock, None where the log has no times."""

    stamp_us: int | None
    bus: bytes
    can_id: int
    data: bytes


def can_id(
    number: int,
    *,
    is_extended: bool,
    is_remote: bool = False,
    is_fd: bool = False,
    is_switched: bool = False,
    is_passive: bool = False,
) -> int:
    """The identifier with its flag bits as the log's `frame` table has them."""
    number = number & EXTENDED_MASK | EFF_FLAG if is_extended else number & STANDARD_MASK
    if is_remote:
        number |= RTR_FLAG
    if is_fd:
        number |= FD_FLAG | (BRS_FLAG if is_switched else 0) | (ESI_FLAG if is_passive else 0)
    return number


def micros(seconds: bytes) -> int:
    """Microseconds of a text of seconds such as 1700000000.000001, without the rounding of a float."""
    whole, _, fraction = seconds.partition(b".")
    return int(whole or b"0") * 1_000_000 + int(fraction[:6].ljust(6, b"0"))


def octets(text: bytes, base: int = 16) -> bytes | None:
    """The bytes that a text of separate numbers holds; None where one is no byte."""
    if base == 16 and not _HEX_BYTES.fullmatch(text.strip()):
        return None
    try:
        return bytes(int(part, base) for part in text.replace(b",", b" ").split())
    except ValueError:
        return None
