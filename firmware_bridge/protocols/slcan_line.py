"""SLCAN line layout: construct definition, strict parser of one frame, encoder.

    t iii l dd*       standard          r iii l         its remote frame         all numbers hexadecimal
    T iiiiiiii l dd*  extended          R iiiiiiii l    its remote frame
    d D b B           the same, CAN FD; b and B with the bit rate switched; l = 9..F for 12..64 bytes
    then              0, 4 (Z1, ms) or 8 (Z2, us) digits of device time; FD: optionally 0, 1 or S (error passive)
    CR                the end

The construct is the reference for tests of the decoder's faster paths. Stateless. The number of digits of device time
cannot be read from the line, so it is an argument.
"""

from __future__ import annotations

from binascii import unhexlify
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from firmware_bridge.errors import WireError
from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ESI_FLAG,
    EXTENDED_MASK,
    FD_FLAG,
    FD_LENGTHS,
    RTR_FLAG,
    STANDARD_MASK,
    CanFrame,
)

if TYPE_CHECKING:
    from construct import Construct

KINDS = {
    b"t": 0,
    b"r": RTR_FLAG,
    b"d": FD_FLAG,
    b"b": FD_FLAG | BRS_FLAG,
    b"T": EFF_FLAG,
    b"R": EFF_FLAG | RTR_FLAG,
    b"D": EFF_FLAG | FD_FLAG,
    b"B": EFF_FLAG | FD_FLAG | BRS_FLAG,
}
_KIND_OF_FLAGS = {flags: kind for kind, flags in KINDS.items()}
TICK_US = {4: 1_000, 8: 1}
"""Microseconds per step of device time, by its number of digits (Z1, Z2)."""
MODULI = {4: (60_000, 60_001, 65_536), 8: (3_600_000_000, 2**32)}
"""Steps after which it wraps. Z1: Lawicel, USBtin, ESP32RET; Z2: an hour for Nakakiyo and WeAct, else 32 bits."""


@cache
def layout() -> Construct[Any, Any]:
    """The layout of a line, of which `read_head` reads the head. It takes the argument `stamp_digits`."""
    from construct import (  # noqa: PLC0415 - the decoder does not need it
        Bytes,
        Check,
        Computed,
        Const,
        ExprAdapter,
        If,
        OneOf,
        Optional,
        Struct,
        Terminated,
        this,
    )

    def hex_number(digits: Any) -> Any:
        """A hexadecimal number with `digits` digits (a number, or a function of the context)."""
        return ExprAdapter(
            Bytes(digits),
            lambda text, _: int.from_bytes(unhexlify(b"0" * (len(text) % 2) + text), "big"),
            lambda number, context: b"%0*X" % (digits(context) if callable(digits) else digits, number),
        )

    def hex_bytes(count: Any) -> Any:
        return ExprAdapter(
            Bytes(lambda context: 2 * count(context)),
            lambda text, _: unhexlify(text),
            lambda data, _: data.hex().upper().encode("ascii"),
        )

    head = Struct(
        "kind" / OneOf(Bytes(1), tuple(KINDS)),
        "flags" / Computed(lambda this: KINDS[this.kind]),
        "number" / hex_number(lambda this: 8 if this.flags & EFF_FLAG else 3),
        Check(lambda this: this.number <= (EXTENDED_MASK if this.flags & EFF_FLAG else STANDARD_MASK)),
        "dlc" / hex_number(1),
        Check(lambda this: this.dlc <= 8 or this.flags & FD_FLAG),
        "length" / Computed(lambda this: 0 if this.flags & RTR_FLAG else FD_LENGTHS[this.dlc]),
    )
    return Struct(
        "head" / head,
        "data" / hex_bytes(lambda this: this.head.length),
        "stamp" / If(this._params.stamp_digits, hex_number(lambda this: this._params.stamp_digits)),
        "passive" / If(lambda this: this.head.flags & FD_FLAG, Optional(OneOf(Bytes(1), (b"0", b"1", b"S")))),
        Const(b"\r"),
        Terminated,
    )


class Head(NamedTuple):
    """The decoded beginning of a line: kind, identifier and length code."""

    can_id: int
    data: slice
    """The characters of the data."""
    size: int
    """Characters of the line up to the end of the data."""
    stamp: slice
    """The characters behind them."""
    length: int
    """Bytes of data in the line."""
    fill: bytes
    """The data of a remote frame, which the line does not carry."""


def read_head(text: bytes) -> Head | None:
    """Parse kind, identifier and length code like `layout`, but fast enough for noise; None if invalid."""
    flags = KINDS.get(text[:1])
    if flags is None or len(text) != (10 if flags & EFF_FLAG else 5):
        return None
    start = len(text)
    try:
        number, dlc = divmod(int.from_bytes(unhexlify(text[1:].rjust(start // 2 * 2, b"0")), "big"), 16)
    except ValueError:
        return None
    if number > (EXTENDED_MASK if flags & EFF_FLAG else STANDARD_MASK) or (dlc > 8 and not flags & FD_FLAG):
        return None
    length, fill = (0, bytes(dlc)) if flags & RTR_FLAG else (FD_LENGTHS[dlc], b"")
    size = start + 2 * length
    return Head(number | flags, slice(start, size), size, slice(size, None), length, fill)


def parse(line: bytes, stamp_digits: int = 0) -> tuple[int, bytes, int]:
    """Identifier with flags, data and stamp (0 without) of a line with its CR; WireError if it is not a frame."""
    from construct import ConstructError  # noqa: PLC0415 - see `layout`

    try:
        fields = layout().parse(line, stamp_digits=stamp_digits)
    except (ConstructError, ValueError) as error:
        raise WireError(f"no SLCAN frame: {line[:64]!r}") from error
    head = fields.head
    esi_flag = ESI_FLAG if fields.passive in (b"1", b"S") else 0
    data = bytes(head.dlc) if head.flags & RTR_FLAG else fields.data
    return head.number | head.flags | esi_flag, data, fields.stamp or 0


def report(frame: CanFrame, stamp_digits: int = 0, modulus: int | None = None) -> bytes:
    """The line with which an adapter reports a frame, stamped with its `t_us` if `stamp_digits` is 4 or 8.

    The stamp wraps at `modulus` ticks (Lawicel's and Nakakiyo's by default). WireError if SLCAN has no such frame.
    """
    from construct import ConstructError  # noqa: PLC0415 - see `layout`

    number = frame.can_id & EXTENDED_MASK
    kind = _KIND_OF_FLAGS.get(frame.can_id & ~EXTENDED_MASK & ~ESI_FLAG)
    if kind is None or len(frame.data) not in FD_LENGTHS:
        raise WireError(f"SLCAN has no frame {frame.can_id:X} of {len(frame.data)} bytes")
    passive = b"1" if frame.can_id & ESI_FLAG else None
    data = b"" if frame.can_id & RTR_FLAG else frame.data
    stamp = 0
    if stamp_digits:
        stamp = frame.t_us // TICK_US[stamp_digits] % (modulus or MODULI[stamp_digits][0])
    head = {"kind": kind, "number": number, "dlc": FD_LENGTHS.index(len(frame.data))}
    fields = {"head": head, "data": data, "stamp": stamp, "passive": passive}
    try:
        line: bytes = layout().build(fields, stamp_digits=stamp_digits)
    except ConstructError as error:
        raise WireError(f"SLCAN has no frame {frame.can_id:X} of {len(frame.data)} bytes") from error
    return line


def encode(frame: CanFrame) -> bytes:
    """The command that makes an adapter transmit a frame. WireError if SLCAN has no such frame."""
    if frame.can_id & ESI_FLAG:
        raise WireError("an SLCAN adapter sets the error-passive flag itself")
    return report(frame)
