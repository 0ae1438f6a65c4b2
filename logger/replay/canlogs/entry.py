"""One frame of a text log, and the parsers for fields that these logs share."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

CLASSIC_BYTES: Final = 8
MAX_BYTES: Final = 64
BUS_ERROR_CLASS: Final = 0x80
"""SocketCAN's class of bus errors (CAN_ERR_BUSERROR): all that most programs write of an error frame."""
_HEX_BYTES = re.compile(rb"(?:[0-9A-Fa-f]{1,2}(?:[ ,;]+|$))*", re.ASCII)


class Entry(NamedTuple):
    """A frame of a log. `stamp_us` is of the writer's clock, None where the log has no times."""

    stamp_us: int | None
    bus: bytes
    can_id: int
    data: bytes


def micros(seconds: bytes) -> int:
    """Microseconds of a text of seconds such as 1700000000.000001, without the rounding of a float."""
    whole, _, fraction = seconds.partition(b".")
    return int(whole or b"0") * 1_000_000 + int(fraction[:6].ljust(6, b"0"))


def octets(text: bytes, base: int = 16) -> bytes | None:
    """The bytes in a text of separate numbers; None if one is not a byte."""
    if base == 16 and not _HEX_BYTES.fullmatch(text.strip()):
        return None
    try:
        return bytes(int(part, base) for part in text.replace(b",", b" ").split())
    except ValueError:
        return None
