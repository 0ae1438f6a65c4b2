"""Parser and builder of the u-blox NAV-PVT payload, which holds a complete fix, in its own units.

    0 [iTOW:4] [year:2] [month:1] [day:1] [hour:1] [min:1] [sec:1] [valid:1] [tAcc:4] [nano:4]
    20 [fixType:1] [flags:1] [flags2:1] [numSV:1] [lon:4] [lat:4] [height:4] [hMSL:4] [hAcc:4] [vAcc:4]
    48 [velN:4] [velE:4] [velD:4] [gSpeed:4] [headMot:4] [sAcc:4] [headAcc:4] [pDOP:2] [flags3:2] [reserved:4]
    84 [headVeh:4] [magDec:2] [magAcc:2]

The payload has 84 bytes in u-blox 7, where the two bytes of flags3 are reserved, and 92 since M8; later versions may
append bytes. Little-endian (u-blox interface descriptions, UBX-NAV-PVT).
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from construct import Construct

SHORTEST: Final = 84
WITH_FLAGS3: Final = 92

_FIELDS: Final = struct.Struct("<IH6BIi4B4i2I5i2I2H")


@cache
def layout() -> Construct[Any, Any]:
    """The payload layout: the encoder, and the reference for tests of `parse`."""
    from construct import (  # noqa: PLC0415 - `parse` does not need it
        GreedyBytes,
        Int8ul,
        Int16sl,
        Int16ul,
        Int32sl,
        Int32ul,
        Padding,
        Struct,
    )
    from construct import Optional as Maybe  # noqa: PLC0415

    return Struct(
        "itow_ms" / Int32ul,
        "year" / Int16ul,
        "month" / Int8ul,
        "day" / Int8ul,
        "hour" / Int8ul,
        "minute" / Int8ul,
        "second" / Int8ul,
        "valid" / Int8ul,
        "time_accuracy_ns" / Int32ul,
        "nano_ns" / Int32sl,
        "fix_type" / Int8ul,
        "flags" / Int8ul,
        "flags2" / Int8ul,
        "satellites" / Int8ul,
        "lon_e7" / Int32sl,
        "lat_e7" / Int32sl,
        "ellipsoid_mm" / Int32sl,
        "sea_level_mm" / Int32sl,
        "accuracy_mm" / Int32ul,
        "alt_accuracy_mm" / Int32ul,
        "north_mmps" / Int32sl,
        "east_mmps" / Int32sl,
        "down_mmps" / Int32sl,
        "ground_mmps" / Int32sl,
        "course_e5" / Int32sl,
        "speed_accuracy_mmps" / Int32ul,
        "course_accuracy_e5" / Int32ul,
        "pdop_e2" / Int16ul,
        "flags3" / Int16ul,
        Padding(4),
        "vehicle"
        / Maybe(Struct("heading_e5" / Int32sl, "declination_e2" / Int16sl, "accuracy_e2" / Int16ul)),
        "later" / GreedyBytes,
    )


class NavPvt(NamedTuple):
    """The fields of a payload, named as in the layout; _e7, _e5 and _e2 are degrees times that power of ten."""

    itow_ms: int
    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    valid: int
    time_accuracy_ns: int
    nano_ns: int
    fix_type: int
    flags: int
    flags2: int
    satellites: int
    lon_e7: int
    lat_e7: int
    ellipsoid_mm: int
    sea_level_mm: int
    accuracy_mm: int
    alt_accuracy_mm: int
    north_mmps: int
    east_mmps: int
    down_mmps: int
    ground_mmps: int
    course_e5: int
    speed_accuracy_mmps: int
    course_accuracy_e5: int
    pdop_e2: int
    flags3: int


def build(**fields: int) -> bytes:
    """Build a payload of 92 bytes; omitted fields are 0."""
    known = dict.fromkeys(NavPvt._fields, 0) | fields
    vehicle = {"heading_e5": 0, "declination_e2": 0, "accuracy_e2": 0}
    payload: bytes = layout().build(known | {"vehicle": vehicle, "later": b""})
    return payload


def parse(payload: bytes) -> NavPvt | None:
    """The fields of a payload; None if it is too short. About fifty times as fast as the layout.

    `flags3` is 0 for a protocol version that reserves those bytes.
    """
    if len(payload) < SHORTEST:
        return None
    fields = NavPvt._make(_FIELDS.unpack_from(payload))
    return fields if len(payload) >= WITH_FLAGS3 else fields._replace(flags3=0)
