"""NMEA 0183 on the wire: bytes -> sentences whose checksum holds, and bodies -> bytes.

    ["$" or "!"] [body: printable ASCII without $ ! *] ["*"] [XOR of the body: two hex digits] [CR LF]

Knows nothing of what a sentence says: any talker, any formatter, proprietary ones and the "!" sentences of
AIS come out alike. A checksum is required. The idea: "$" and "!" can stand nowhere but at a start, so a
damaged sentence ends where the next one begins and never takes it along; a lost CR LF costs nothing, for
the checksum already ends the sentence. What is neither is rejected in bounded pieces.

Sentence files carry comment lines ("# ..."); these are noise even where they quote a whole sentence.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor
from typing import Final

from construct import (
    Bytes,
    Checksum,
    Const,
    ConstructError,
    ExprAdapter,
    ExprValidator,
    GreedyBytes,
    NullTerminated,
    OneOf,
    Struct,
    this,
)

from firmware_bridge.errors import WireError
from firmware_bridge.records import Batch, Rejected, Sentence

MIN_BODY: Final = 4
"""The shortest address there is: P and a maker's three letters."""
MAX_BODY: Final = 1020
"""The standard allows 82 characters a sentence; u-blox' PUBX,03 has about 18 for each satellite, of which
a receiver of today sees over 50."""
MAX_NOISE: Final = 256
"""The longest piece in which noise is rejected: a few to a second at the usual rates, none of them big."""

_BODY = rb'[ "#%-)+-~]'
_SENTENCE = re.compile(rb"([$!](%b{%d,%d}+)\*([0-9A-Fa-f]{2}))[\r\n]*" % (_BODY, MIN_BODY, MAX_BODY))
_BEGUN = re.compile(rb"[$!]%b{0,%d}+(\*[0-9A-Fa-f]{0,2})?" % (_BODY, MAX_BODY))
_COMMENT = re.compile(rb"#[ \t][^\n]{0,%d}" % MAX_BODY)
_NOISE_END = re.compile(rb"[$!\r\n]")
_LINE_END = re.compile(rb"[\r\n]+")
_HEX_PAIR = re.compile(rb"[0-9A-Fa-f]{2}")
_BODY_WHOLE = re.compile(rb"%b{%d,%d}" % (_BODY, MIN_BODY, MAX_BODY))

LAYOUT: Final = Struct(
    "start" / OneOf(Bytes(1), (b"$", b"!")),
    "body"
    / NullTerminated(
        ExprValidator(GreedyBytes, lambda body, _: _BODY_WHOLE.fullmatch(body) is not None), term=b"*"
    ),
    "checksum"
    / Checksum(
        ExprAdapter(
            ExprValidator(Bytes(2), lambda digits, _: _HEX_PAIR.fullmatch(digits) is not None),
            lambda digits, _: int(digits, 16),
            lambda number, _: b"%02X" % number,
        ),
        lambda body: reduce(xor, body),
        this.body,
    ),
    Const(b"\r\n"),
)
"""One sentence as it is written: the reference that the decoder is tested against, and the encoder."""


def encode(body: str, start: str = "$") -> bytes:
    """The bytes of the sentence whose body (`GPGLL,4916.45,N,...`) is given; `start` is "!" for AIS.

    Raises WireError when the body holds a character that cannot stand in one, or is too short or too long.
    """
    try:
        wire: bytes = LAYOUT.build({"start": start.encode("ascii"), "body": body.encode("ascii")})
    except (ConstructError, UnicodeEncodeError) as error:
        raise WireError(f"no NMEA sentence can carry {body[:40]!r}") from error
    return wire


def checksum(body: bytes) -> int:
    """The XOR of all bytes, by folding one long integer in halves: five times as fast as byte by byte."""
    folded = int.from_bytes(body, "big")
    width = 4 << (len(body) - 1).bit_length()
    while width >= 8:
        folded ^= folded >> width
        width >>= 1
    return folded & 0xFF


class Decoder:
    """Stream of bytes to sentences. `good` counts the sentences, `bad` the rejected pieces.

    `bus` is there for the sake of the other decoders' signature; a receiver has none.
    """

    def __init__(self, bus: int = 0) -> None:
        self.good = 0
        self.bad = 0
        self._rest = b""
        self._line_begins = True

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Every sentence that `data` completes, and every piece that can be none, stamped `t_us`.

        Reasons: "checksum" (it does not hold), "no checksum", "length" (of the body), "noise".
        """
        buffer = self._rest + data
        sentences: list[Sentence] = []
        rejected: list[Rejected] = []
        position, end = 0, len(buffer)
        while position < end:
            if match := _SENTENCE.match(buffer, position):
                sentence, body, digits = match.groups()
                if checksum(body) == int(digits, 16):
                    sentences.append(Sentence(t_us, sentence.decode("ascii")))
                else:
                    rejected.append(Rejected(t_us, "checksum", sentence))
                position = match.end()
            elif match := _LINE_END.match(buffer, position):
                position = match.end()
            else:
                begins = buffer[position - 1] == 0x0A if position else self._line_begins
                reason, stop = _reject(buffer, position, begins)
                if not reason:
                    break
                rejected.append(Rejected(t_us, reason, buffer[position:stop]))
                position = stop
        if position:
            self._line_begins = buffer[position - 1] == 0x0A
        self._rest = buffer[position:]
        self.good += len(sentences)
        self.bad += len(rejected)
        return Batch([], sentences, rejected, [])


def _reject(buffer: bytes, position: int, line_begins: bool) -> tuple[str, int]:
    """Why the bytes from `position` on are no sentence, and where that piece ends; ("", _) if it needs more.

    The answer never depends on how the bytes were cut into chunks: a piece that reaches the end of the
    buffer waits, until it is as long as it may be.
    """
    end = len(buffer)
    if line_begins and (match := _COMMENT.match(buffer, position)):
        stop = match.end()
        return ("noise" if stop < end or stop - position > MAX_BODY else ""), stop
    if match := _BEGUN.match(buffer, position):
        stop = match.end()
        digits = len(match[1] or b"") - 1
        if digits == 2 or stop - position > MAX_BODY:
            return "length", stop
        if stop == end:
            return "", stop
        if digits >= 0 or buffer[stop] in b"$!\r\n":
            return "no checksum", stop
    match = _NOISE_END.search(buffer, position + 1, position + MAX_NOISE)
    stop = match.start() if match else min(end, position + MAX_NOISE)
    return ("noise" if stop < end or stop - position == MAX_NOISE else ""), stop
