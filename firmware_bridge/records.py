"""Records from the wire to the log: CAN frames, sentences, fixes, readings, notices.

Every record is an immutable tuple with its fields in the order of the log's columns, so that a hundred thousand
per second can go to SQLite without conversion. Units are in the names; `t_us` is always microseconds of the
monotonic clock since the session began. An unknown value is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# SocketCAN's flag bits in a CAN identifier (linux/can.h).
EFF_FLAG = 0x8000_0000
"""Extended frame: the identifier has 29 bits."""
RTR_FLAG = 0x4000_0000
"""Remote frame: `data` holds as many zero bytes as its length code requests."""
ERR_FLAG = 0x2000_0000
"""Error frame: the bits below are an error class, not an identifier."""
# SocketCAN keeps the FD flags separate from the identifier; here one column holds both, so the flags are above
# the identifier's 32 bits, where its mask does not touch them. Classic frames carry none of these.
FD_FLAG = 1 << 32
"""CAN FD frame (whatever its length)."""
BRS_FLAG = 1 << 33
"""FD frame with the bit rate switched."""
ESI_FLAG = 1 << 34
"""FD frame whose sender was error passive."""
FD_FLAGS = FD_FLAG | BRS_FLAG | ESI_FLAG
"""Flags of the transmission, irrelevant for decoding the data."""
ALL_FLAGS = EFF_FLAG | RTR_FLAG | ERR_FLAG | FD_FLAGS
FD_BYTE_SHIFT = 33
"""BRS_FLAG and ESI_FLAG, shifted down by it, are CANFD_BRS (1) and CANFD_ESI (2) of SocketCAN's canfd_frame.flags."""
STANDARD_MASK = 0x7FF
EXTENDED_MASK = 0x1FFF_FFFF
FD_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)
"""Bytes of data by the length code (DLC) of a CAN FD frame (ISO 11898-1)."""

new_record = tuple.__new__
"""`new_record(CanFrame, (t_us, bus, can_id, data))`: half the time of `CanFrame(...)`."""


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
    """Return `CanFrame.can_id` from an identifier (an error class if `is_error`) and the frame's properties."""
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
    """Return the flag bits of an FD frame from SocketCAN's `canfd_frame.flags`, which candump also writes."""
    return FD_FLAG | (flags << FD_BYTE_SHIFT) & (BRS_FLAG | ESI_FLAG)


class Sentence(NamedTuple):
    """One complete NMEA 0183 sentence with a valid checksum: from its `$` to its checksum, without CR LF.

    Or a binary message among them: "UBX " and the whole message in hexadecimal (protocols/ubx.py).
    """

    t_us: int
    text: str


class Rejected(NamedTuple):
    """Bytes that are not a frame. `reason` is a short fixed word ("checksum", "length", ...), `data` the bytes."""

    t_us: int
    reason: str
    data: bytes


class Notice(NamedTuple):
    """A message from a device or decoder other than a frame: bus state, overrun, an implausible clock.

    `kind` is a fixed word of the log's event table; `detail` holds JSON values.
    """

    t_us: int
    kind: str
    detail: Mapping[str, Any]


class Fix(NamedTuple):
    """The receiver's solution for one epoch.

    `quality` is GGA's (0 none, 1 GPS, 2 differential, 4 RTK fixed, 5 RTK float, 6 estimated ...); without a
    position it is 0 and `lat`, `lon`, `alt_m`, `speed_mps` and `course_deg` are None. Degrees are WGS 84,
    north and east positive. The accuracies are the receiver's estimates of one standard deviation (UBX only).
    `date_ok` is False if the date cannot be true (GPS week rollover): such a time is logged, but sets no clock.
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
    """A named engine value. `source` is its origin, such as "obd2" or "engine.dbc:ENGINE_DATA"."""

    name: str
    unit: str
    source: str


class Reading(NamedTuple):
    """The value of one channel at one moment."""

    t_us: int
    channel: Channel
    value: float
