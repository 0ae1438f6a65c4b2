"""The values that flow through stagelog, from the wire to the log.

Every record is an immutable tuple whose fields stand in the order of the log's columns, so that a
hundred thousand of them a second can be handed to SQLite as they are. Units are in the names; `t_us` is
always microseconds of the monotonic clock since the session began. A value that is not known is None,
never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# SocketCAN's flag bits in a CAN identifier (linux/can.h).
EFF_FLAG = 0x8000_0000
"""Extended frame: the identifier has 29 bits."""
RTR_FLAG = 0x4000_0000
"""Remote frame: `data` is as many zero bytes as the frame's length code asks for."""
ERR_FLAG = 0x2000_0000
"""Error frame: the bits below are an error class, not an identifier."""
# SocketCAN keeps the FD flags beside the identifier; one column holds both here, so they sit above its
# 32 bits, where a mask for the identifier does not meet them. Classic frames carry none of these.
FD_FLAG = 1 << 32
"""CAN FD frame (whatever its length)."""
BRS_FLAG = 1 << 33
"""FD frame with the bit rate switched."""
ESI_FLAG = 1 << 34
"""FD frame whose sender was error passive."""
FD_FLAGS = FD_FLAG | BRS_FLAG | ESI_FLAG
"""How a frame travelled, which says nothing of what it carries."""
ALL_FLAGS = EFF_FLAG | RTR_FLAG | ERR_FLAG | FD_FLAGS
FD_BYTE_SHIFT = 33
"""BRS_FLAG and ESI_FLAG, shifted down by it, are CANFD_BRS (1) and CANFD_ESI (2) of SocketCAN's canfd_frame.flags."""
STANDARD_MASK = 0x7FF
EXTENDED_MASK = 0x1FFF_FFFF
FD_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)
"""Bytes of data by the length code (DLC) of a CAN FD frame (ISO 11898-1)."""

new_record = tuple.__new__
"""`new_record(CanFrame, (t_us, bus, can_id, data))`: half the time of `CanFrame(...)`, for the hot paths only."""


class CanFrame(NamedTuple):
    """One frame of a CAN bus. `bus` is the log's number of the bus, `can_id` carries the flag bits."""

    t_us: int
    bus: int
    can_id: int
    data: bytes


def can_id_of(
    number: int,
    *,
    is_extended: bool,
    is_remote: bool = False,
    is_error: bool = False,
    is_fd: bool = False,
    is_switched: bool = False,
    is_passive: bool = False,
) -> int:
    """`CanFrame.can_id` from an identifier (an error class where `is_error`) and what a frame is."""
    can_id = number & (EXTENDED_MASK if is_extended or is_error else STANDARD_MASK)
    if is_extended:
        can_id |= EFF_FLAG
    if is_remote:
        can_id |= RTR_FLAG
    if is_error:
        can_id |= ERR_FLAG
    if is_fd:
        can_id |= FD_FLAG | (BRS_FLAG if is_switched else 0) | (ESI_FLAG if is_passive else 0)
    return can_id


def fd_flags(flags: int) -> int:
    """The flag bits of an FD frame from SocketCAN's `canfd_frame.flags`, which candump writes too."""
    return FD_FLAG | (flags << FD_BYTE_SHIFT) & (BRS_FLAG | ESI_FLAG)


class Sentence(NamedTuple):
    """One whole NMEA 0183 sentence whose checksum holds: from its `$` to its checksum, without CR LF.

    Or a binary message that a receiver mixes with them: "UBX " and the whole message in hexadecimal (protocols/ubx.py).
    """

    t_us: int
    text: str


class Rejected(NamedTuple):
    """Bytes that were no frame. `reason` is a short fixed word ("checksum", "length", ...), `data` the bytes."""

    t_us: int
    reason: str
    data: bytes


class Notice(NamedTuple):
    """Something a device or a decoder has to say that is no frame: bus state, overrun, an odd clock.

    `kind` is a fixed word of the log's event table; `detail` is what JSON can hold.
    """

    t_us: int
    kind: str
    detail: Mapping[str, Any]


class Batch(NamedTuple):
    """What one chunk of bytes came to. Each list is in order of arrival."""

    frames: list[CanFrame]
    sentences: list[Sentence]
    rejected: list[Rejected]
    notices: list[Notice]


class Fix(NamedTuple):
    """What the receiver said of one epoch.

    `quality` is GGA's (0 none, 1 GPS, 2 differential, 4 RTK fixed, 5 RTK float, 6 estimated ...); without a
    position it is 0 and `lat`, `lon`, `alt_m`, `speed_mps` and `course_deg` are None. Degrees are WGS 84,
    north and east positive. The accuracies are one standard deviation as the receiver estimates it, where it says so
    (UBX). `date_ok` is False when the date cannot be true (GPS week rollover): such a time
    is logged and sets nothing.
    """

    t_us: int
    utc_us: int | None
    lat: float | None
    lon: float | None
    alt_m: float | None
    speed_mps: float | None
    course_deg: float | None
    quality: int
    satellites: int | None
    hdop: float | None
    date_ok: bool = True
    accuracy_m: float | None = None
    alt_accuracy_m: float | None = None
    speed_accuracy_mps: float | None = None


class Channel(NamedTuple):
    """A named engine value. `source` says where it comes from, such as "obd2" or "engine.dbc:ENGINE_DATA"."""

    name: str
    unit: str
    source: str


class Reading(NamedTuple):
    """The value of one channel at one moment."""

    t_us: int
    channel: Channel
    value: float
