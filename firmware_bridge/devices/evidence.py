"""Count good and damaged pieces of a stream, as evidence for or against its protocol and baud rate.

Sans-I/O. A GPS receiver may send other protocols between its sentences: UBX, RTCM, SBF, lines of other manufacturers.
Such bytes are no evidence against the baud rate, because at a wrong rate no checksum is correct at all; only a damaged
sentence is. An adapter sends only frames, so there every rejected stretch counts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from firmware_bridge.protocols import Decoder
from firmware_bridge.record_columns import Batch
from firmware_bridge.records import Rejected

MIN_GOOD = 3
"""Fewer good pieces may be chance: an 8-bit checksum accepts one damaged line in 256."""
MIN_GOOD_PER_BAD = 3
"""Good pieces per bad one: the first piece of a session is always incomplete, and a loose plug damages some."""
LINE_END_BYTES = 2
"""CR LF, which the text of a sentence does not include."""

_ADDRESS = re.compile(rb"[$!][A-Z][0-9A-Z]{3,9},")
"""The beginning of a sentence; by chance once in a hundred megabytes of other bytes."""


def holds(good: int, bad: int) -> bool:
    """Whether a stream with `good` frames and `bad` pieces has the decoder's protocol."""
    return good >= MIN_GOOD and good >= MIN_GOOD_PER_BAD * bad


def is_damaged_sentence(rejected: Rejected) -> bool:
    """Whether rejected bytes are a damaged NMEA sentence."""
    is_whole = rejected.reason == "checksum" and rejected.data[:1] in (b"$", b"!")
    return is_whole or _ADDRESS.match(rejected.data) is not None


def _wire_bytes(text: str) -> int:
    """Bytes of a sentence on the wire; the text of a UBX message is hexadecimal (protocols/ubx.py)."""
    return len(text) + LINE_END_BYTES if text[0] in "$!" else (len(text) - len("UBX ")) // 2


class Counts(NamedTuple):
    """The counts of a stretch of bytes. `damaged` of the `rejected` pieces are evidence against the protocol or its
    rate; `foreign_bytes` of the `bytes` belong to other protocols."""

    good: int
    rejected: int
    damaged: int
    bytes: int
    foreign_bytes: int

    @property
    def holds(self) -> bool:
        """Whether the bytes have the protocol, at the right rate."""
        return holds(self.good, self.damaged)

    def since(self, earlier: Counts) -> Counts:
        """The difference to `earlier` counts of the same stream."""
        return Counts(*(now - then for now, then in zip(self, earlier, strict=True)))


NOTHING = Counts(0, 0, 0, 0, 0)


class Tally:
    """Counts the results of `decoder`. `is_mixed`: other protocols may occur between the sentences."""

    def __init__(self, decoder: Decoder, *, is_mixed: bool) -> None:
        self._decoder, self._is_mixed = decoder, is_mixed
        self._bytes = self._own_bytes = self._damaged = 0

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode the bytes that arrived at `t_us`."""
        batch = self._decoder.feed(data, t_us)
        self._bytes += len(data)
        if self._is_mixed:
            for _, text in batch.sentences:
                self._own_bytes += _wire_bytes(text)
            for rejected in batch.rejected:
                if is_damaged_sentence(rejected):
                    self._damaged += 1
                    self._own_bytes += len(rejected.data)
        return batch

    @property
    def counts(self) -> Counts:
        """The counts so far. An incomplete piece counts as foreign until it is complete."""
        good, bad = self._decoder.good, self._decoder.bad
        if not self._is_mixed:
            return Counts(good, bad, bad, self._bytes, 0)
        return Counts(good, bad, self._damaged, self._bytes, self._bytes - self._own_bytes)
