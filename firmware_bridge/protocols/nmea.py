"""NMEA 0183 framing: bytes to sentences with a correct checksum, and sentence bodies to bytes.

    ["$" or "!"] [body: printable ASCII without $ ! *] ["*"] [XOR of the body: two hex digits] [CR LF]

Sentences are not interpreted: any talker and formatter, proprietary sentences and the "!" sentences of AIS are treated
alike. A checksum is required. "$" and "!" can only begin a sentence, so a damaged sentence ends where the next one
begins and does not swallow it. A lost CR LF is harmless, because the checksum already ends the sentence. All other
bytes are rejected in bounded pieces.

Sentence files contain comment lines ("# ..."); these are noise even if they quote a sentence. A control character ends
such a line, so that binary messages between sentences cannot hide one.

u-blox receivers send UBX messages (ubx.py) between the sentences. A message is skipped whole, whatever its payload;
one that carries a fix becomes a sentence, the others are counted as `foreign`. Noise may also contain the two sync
bytes: a message with a wrong checksum hides no sentence or message inside it, and a supposed message that contains
several complete sentences is not a message and is not waited for.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from functools import cache, reduce
from itertools import islice
from operator import xor
from typing import TYPE_CHECKING, Any, Final

from firmware_bridge.errors import WireError
from firmware_bridge.protocols import ubx
from firmware_bridge.record_columns import Batch, FrameColumns
from firmware_bridge.records import Rejected, Sentence

if TYPE_CHECKING:
    from construct import Construct

MIN_BODY: Final = 4
"""The shortest address: P and a manufacturer's three letters."""
MAX_BODY: Final = 1020
"""The standard allows 82 characters per sentence; u-blox' PUBX,03 has about 18 per satellite, and a modern receiver
sees over 50."""
MAX_QUOTED: Final = 2
"""Most complete sentences or messages inside a UBX payload; with more of them its header was noise."""
MAX_STARTS: Final = 32
"""Most possible starts checked in a payload, so that a message full of them takes milliseconds, not seconds."""
MAX_NOISE: Final = 256
"""Longest piece of rejected noise, in bytes: a few small pieces per second at the usual rates."""

_BODY = rb'[ "#%-)+-~]'
_SENTENCE = re.compile(rb"([$!](%b{%d,%d}+)\*([0-9A-Fa-f]{2}))[\r\n]*" % (_BODY, MIN_BODY, MAX_BODY))
_BARE = re.compile(rb"[$!][A-Z][0-9A-Z]{3,9},%b*" % _BODY)
_BEGUN = re.compile(rb"[$!]%b{0,%d}+(\*[0-9A-Fa-f]{0,2})?" % (_BODY, MAX_BODY))
_COMMENT = re.compile(rb"#[ \t][^\x00-\x08\n\x0e-\x1f]{0,%d}" % MAX_BODY)
_START = re.compile(rb"[$!]|\xb5(?:\x62|\Z)")
_NOISE_END = re.compile(rb"[$!\r\n]|\xb5(?:\x62|\Z)")
_LINE_END = re.compile(rb"[\r\n]+")
_HEX_PAIR = re.compile(rb"[0-9A-Fa-f]{2}")
_BODY_WHOLE = re.compile(rb"%b{%d,%d}" % (_BODY, MIN_BODY, MAX_BODY))


@cache
def layout() -> Construct[Any, Any]:
    """The layout of a sentence: the encoder, and the reference for tests of the decoder."""
    from construct import (  # noqa: PLC0415 - a decoder does not need it
        Bytes,
        Checksum,
        Const,
        ExprAdapter,
        ExprValidator,
        GreedyBytes,
        NullTerminated,
        OneOf,
        Struct,
        this,
    )

    return Struct(
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


def encode(body: str, start: str = "$") -> bytes:
    """The bytes of a sentence with the given body (`GPGLL,4916.45,N,...`); `start` is "!" for AIS.

    Raises WireError if the body has an illegal character, or is too short or too long.
    """
    from construct import ConstructError  # noqa: PLC0415 - see `layout`

    try:
        wire: bytes = layout().build({"start": start.encode("ascii"), "body": body.encode("ascii")})
    except (ConstructError, UnicodeEncodeError) as error:
        raise WireError(f"no NMEA sentence can carry {body[:40]!r}") from error
    return wire


def checksum(body: bytes) -> int:
    """The XOR of all bytes, by folding one long integer in halves: five times as fast as byte by byte."""
    folded = int.from_bytes(body, "big")
    width = 4 << (len(body) - 1).bit_length()
    while width > 512:
        folded ^= folded >> width
        width >>= 1
    folded ^= folded >> 512  # unrolled from the size of nearly all sentences on: a third faster
    folded ^= folded >> 256
    folded ^= folded >> 128
    folded ^= folded >> 64
    folded ^= folded >> 32
    folded ^= folded >> 16
    return (folded ^ folded >> 8) & 0xFF


class Decoder:
    """Decode a stream of bytes into sentences.

    `good` counts sentences and UBX messages, `bad` rejected pieces, `foreign` the good messages that are not recorded;
    a notice "ubx_skipped" gives those by class and id once per minute. `bus` is unused; all decoders accept it.
    """

    is_stamped = False

    def __init__(self, bus: int = 0) -> None:
        self.good = 0
        self.bad = 0
        self.foreign = 0
        self._skipped = ubx.SkippedMessages()
        self._rest = b""
        self._line_begins = True

    def feed(self, data: bytes, t_us: int) -> Batch:
        """The sentences that `data` completes and the rejected pieces, stamped `t_us`.

        Reasons for rejection: "checksum" (wrong), "no checksum", "length" (of the body), "noise".
        """
        buffer = self._rest + data
        sentences: list[Sentence] = []
        rejected: list[Rejected] = []
        position, end, foreign = 0, len(buffer), self.foreign
        while position < end:
            if match := _SENTENCE.match(buffer, position):
                sentence, body, digits = match.groups()
                if checksum(body) == unhexlify(digits)[0]:
                    sentences.append(Sentence(t_us, sentence.decode("ascii")))
                else:
                    rejected.append(Rejected(t_us, "checksum", sentence))
                position = match.end()
            elif match := _LINE_END.match(buffer, position):
                position = match.end()
            elif (size := _message_at(buffer, position)) > 0:
                if buffer.startswith(ubx.NAV_PVT, position + 2):
                    sentences.append(Sentence(t_us, ubx.as_text(buffer[position : position + size])))
                else:
                    self._skipped.add(buffer[position + 2 : position + 4], t_us)
                    self.foreign += 1
                position += size
            elif size == ubx.NEED_MORE:
                break
            else:
                begins = buffer[position - 1] == 0x0A if position else self._line_begins
                reason, stop = _reject(buffer, position, begins, size)
                if not reason:
                    break
                piece = Rejected(t_us, reason, buffer[position:stop])
                self._add_piece(piece, buffer[stop : stop + 1], sentences, rejected)
                position = stop
        if position:
            self._line_begins = buffer[position - 1] == 0x0A
        self._rest = buffer[position:]
        self.good += len(sentences) + self.foreign - foreign
        self.bad += len(rejected)
        return Batch(FrameColumns(), sentences, rejected, self._skipped.take_notices(t_us))

    def _add_piece(
        self, piece: Rejected, behind: bytes, sentences: list[Sentence], rejected: list[Rejected]
    ) -> None:
        """Add a piece without a correct checksum to its list; `behind` is the byte after it."""
        rejected.append(piece)


class LenientDecoder(Decoder):
    """Also accepts complete lines without a checksum, for receivers that send none.

    A sentence address seen once with a checksum requires it from then on: without, the line is damaged.
    """

    def __init__(self, bus: int = 0) -> None:
        super().__init__(bus)
        self._checked: set[str] = set()

    def _add_piece(
        self, piece: Rejected, behind: bytes, sentences: list[Sentence], rejected: list[Rejected]
    ) -> None:
        is_line = piece.reason == "no checksum" and behind in (b"\r", b"\n") and _BARE.fullmatch(piece.data)
        if not is_line:
            rejected.append(piece)
            return
        text = piece.data.decode("ascii")
        self._remember(sentences)
        if text.partition(",")[0] in self._checked:
            rejected.append(piece)
        else:
            sentences.append(Sentence(piece.t_us, text))

    def feed(self, data: bytes, t_us: int) -> Batch:
        batch = super().feed(data, t_us)
        self._remember(batch.sentences)
        return batch

    def _remember(self, sentences: list[Sentence]) -> None:
        self._checked.update(text.partition(",")[0] for _, text in sentences if "*" in text)


def _message_at(buffer: bytes, position: int) -> int:
    """Like `ubx.message_at`, but NO_MESSAGE if more than MAX_QUOTED complete pieces follow the header.

    The result does not depend on how the bytes are cut into chunks: the pieces are searched in all bytes that have
    arrived, even if that is the whole message.
    """
    if buffer[position] != ubx.SYNC[0]:
        return ubx.NO_MESSAGE
    size = ubx.message_at(buffer, position, len(buffer))
    if size == ubx.NO_MESSAGE or len(buffer) < position + ubx.HEAD_BYTES:
        return size
    stop = min(len(buffer), ubx.claimed_end(buffer, position))
    starts = islice(_START.finditer(buffer, position + ubx.HEAD_BYTES, stop), MAX_STARTS)
    quoted = sum(_piece_at(buffer, start.start(), stop) > 0 for start in starts)
    return ubx.NO_MESSAGE if quoted > MAX_QUOTED else size


def _next_start(buffer: bytes, position: int, stop: int) -> int:
    """Offset of the next complete or unfinished piece inside a damaged UBX message; else `stop`."""
    starts = (start.start() for start in _START.finditer(buffer, position, stop))
    return next((start for start in starts if _piece_at(buffer, start, stop) >= ubx.NEED_MORE), stop)


def _piece_at(buffer: bytes, start: int, stop: int) -> int:
    """Like `ubx.message_at`, for a start of either protocol."""
    if buffer[start] == ubx.SYNC[0]:
        return ubx.message_at(buffer, start, stop)
    if match := _SENTENCE.match(buffer, start, stop):
        return match.end() - start if checksum(match[2]) == int(match[3], 16) else ubx.BAD_CHECKSUM
    begun = _BEGUN.match(buffer, start, stop)
    return ubx.NEED_MORE if begun and begun.end() == stop else ubx.NO_MESSAGE


def _reject(buffer: bytes, position: int, line_begins: bool, size: int) -> tuple[str, int]:
    """The reason for rejecting the bytes from `position` on, and the end of that piece; ("", _) if it needs more.

    `size` is the result of `_message_at` for them. The result does not depend on how the bytes are cut into chunks: a
    piece that reaches the end of the buffer waits until it has its maximum length.
    """
    if size == ubx.BAD_CHECKSUM:
        return "checksum", _next_start(buffer, position + 1, ubx.claimed_end(buffer, position))
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
    return _noise(buffer, position)


def _noise(buffer: bytes, position: int) -> tuple[str, int]:
    """Like `_reject`, for bytes that begin nothing: the piece ends at the next start."""
    stop = min(len(buffer), position + MAX_NOISE)
    for match in _NOISE_END.finditer(buffer, position + 1, stop):
        start = match.start()
        size = _message_at(buffer, start)
        if size == ubx.NEED_MORE:
            return "", start
        if size != ubx.NO_MESSAGE or buffer[start] != ubx.SYNC[0]:
            return "noise", start
    return ("noise" if stop < len(buffer) or stop - position == MAX_NOISE else ""), stop
