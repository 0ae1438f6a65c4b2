"""UBX, the binary protocol of u-blox receivers: find, build and count messages.

    [B5 62] [class:1] [id:1] [length:2] [payload: length bytes] [checksum:2]

All integers are little-endian; the checksum is Fletcher's with 8 bits, from the class to the end of the payload.
Receivers mix these messages with NMEA sentences on one port, so the NMEA decoder finds them (`message_at`) and passes
on those with a fix as sentences: "UBX " and the whole message in hexadecimal, which differs from any NMEA sentence.
Payloads are not interpreted.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from firmware_bridge.errors import WireError
from firmware_bridge.records import Notice

if TYPE_CHECKING:
    from construct import Construct

SYNC: Final = b"\xb5\x62"
HEAD_BYTES: Final = 6
"""Sync, class, id and length."""
FRAME_BYTES: Final = HEAD_BYTES + 2
"""Bytes of a message in addition to its payload."""
MAX_PAYLOAD: Final = 8192
"""The longest messages count their blocks in one byte, and the largest blocks have 32 bytes (RXM-RAWX: 16 + 255 * 32).
A larger length field is damage, and is not waited for."""
USUAL_PAYLOAD: Final = 1024
"""The limit for all but a few kinds of message."""
LONG_KINDS: Final = frozenset(
    bytes.fromhex(kind)
    for kind in (
        *("0130", "0135", "0143", "2935", "2943"),  # NAV-SVINFO, -SAT, -SIG and NAV2's: a block per satellite
        *("0210", "0214", "0215", "0220", "0284", "0286"),  # RXM-RAW, -MEASX, -RAWX and other measurements
        *("0a04", "0a31", "0a36"),  # MON-VER, -SPAN, -COMMS
        *("0402", "0404"),  # INF-NOTICE, -DEBUG: texts
    )
)
"""Class and id of the messages whose payload grows with the satellites or ports in view."""
TEXT_START: Final = "UBX "
NAV_PVT: Final = b"\x01\x07"
"""Class and id of the message that carries a fix."""

SKIPPED_EVERY_US: Final = 60_000_000
"""Interval of the notice of skipped messages, which a receiver sends all the time."""
MAX_KINDS: Final = 8
"""Kinds of message in that notice."""

NEED_MORE: Final = 0
NO_MESSAGE: Final = -1
BAD_CHECKSUM: Final = -2


def checksum(data: bytes) -> bytes:
    """Fletcher's checksum: the sum, and the sum of the sums."""
    sums = list(accumulate(data))
    return bytes((sums[-1] & 0xFF, sum(sums) & 0xFF))


@cache
def layout() -> Construct[Any, Any]:
    """The layout of a message: the encoder, and the reference for tests of `message_at`. `kind` is class and id."""
    from construct import (  # noqa: PLC0415 - a decoder does not need it
        Bytes,
        Checksum,
        Const,
        GreedyBytes,
        Int16ul,
        Prefixed,
        RawCopy,
        Struct,
        this,
    )

    return Struct(
        "sync" / Const(SYNC),
        "body" / RawCopy(Struct("kind" / Bytes(2), "payload" / Prefixed(Int16ul, GreedyBytes))),
        "checksum" / Checksum(Bytes(2), checksum, this.body.data),
    )


def encode(kind: bytes, payload: bytes) -> bytes:
    """The bytes of a message. Raises WireError if the payload is too long."""
    if len(payload) > (MAX_PAYLOAD if kind in LONG_KINDS else USUAL_PAYLOAD):
        raise WireError(f"a UBX message cannot carry {len(payload)} bytes")
    wire: bytes = layout().build({"body": {"value": {"kind": kind, "payload": payload}}})
    return wire


def message_at(buffer: bytes, position: int, stop: int) -> int:
    """The size of the message that begins at `position` and ends by `stop`.

    NEED_MORE if it may continue beyond `stop`, NO_MESSAGE if none can begin there, BAD_CHECKSUM if it is complete but
    damaged.
    """
    head = buffer[position : min(stop, position + HEAD_BYTES)]
    if not head.startswith(SYNC[: len(head)]):
        return NO_MESSAGE
    if len(head) < HEAD_BYTES:
        return NEED_MORE
    payload_bytes = int.from_bytes(head[4:], "little")
    if payload_bytes > (MAX_PAYLOAD if head[2:4] in LONG_KINDS else USUAL_PAYLOAD):
        return NO_MESSAGE
    size = FRAME_BYTES + payload_bytes
    end = position + size
    if end > stop:
        return NEED_MORE
    return size if checksum(buffer[position + 2 : end - 2]) == buffer[end - 2 : end] else BAD_CHECKSUM


def claimed_end(buffer: bytes, position: int) -> int:
    """The end of the message with a complete head at `position`, according to its length field."""
    return position + FRAME_BYTES + int.from_bytes(buffer[position + 4 : position + HEAD_BYTES], "little")


def as_text(message: bytes) -> str:
    """A complete message as the text of a sentence."""
    return TEXT_START + message.hex()


def from_text(text: str) -> tuple[bytes, bytes]:
    """Kind (class and id) and payload of a message in the form of `as_text`. Raises WireError for any other text."""
    try:
        message = bytes.fromhex(text.removeprefix(TEXT_START))
    except ValueError as error:
        raise WireError("not hexadecimal") from error
    if message_at(message, 0, len(message)) != len(message) or not message:
        raise WireError("not one whole UBX message")
    return message[2:4], message[HEAD_BYTES:-2]


def holds(text: str) -> bool:
    """Whether a sentence's text is a valid message in the form of `as_text`."""
    try:
        from_text(text)
    except WireError:
        return False
    return True


class SkippedMessages:
    """Counts skipped messages by class and id, for a notice "ubx_skipped" once per minute."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._since_us = 0

    def add(self, kind: bytes, t_us: int) -> None:
        """Count a message by its kind (class and id)."""
        if not self._kinds:
            self._since_us = t_us
        self._kinds[kind.hex()] += 1

    def take_notices(self, t_us: int) -> list[Notice]:
        """The notice if it is due, else none."""
        if not self._kinds or t_us - self._since_us < SKIPPED_EVERY_US:
            return []
        detail = {"messages": self._kinds.total(), "most": dict(self._kinds.most_common(MAX_KINDS))}
        self._kinds.clear()
        return [Notice(t_us, "ubx_skipped", detail)]
