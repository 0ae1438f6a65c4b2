"""The search for a port's baud rate: one trial a rate, judged by the protocol's own decoder.

Sans-I/O: bytes and times come in, a verdict goes out. The idea: at a wrong rate a line yields bytes, but no
checksum or frame layout holds, or only by chance; so good pieces must clearly outnumber bad ones.
"""

from __future__ import annotations

from typing import Protocol as Shape

from firmware_bridge.records import Batch

MIN_GOOD = 3
"""One good piece in noise is chance: an 8-bit checksum lets one damaged line in 256 through."""
GOOD_A_BAD = 3
"""Good pieces a bad one: the first piece of a session is always torn, and a loose plug damages some."""
LISTEN_US = 1_500_000
"""A receiver at 1 Hz speaks at least once in this time."""
DOUBT_US = 4_000_000
"""Where some pieces are good but not clearly enough: a 1 Hz receiver with one sentence a second needs 3 s."""
GARBAGE_BYTES = 512
"""So many bytes without one good piece end a trial at once: three times the longest frame of any protocol
here."""
TRIAL_BYTES = 65536
"""No trial goes on beyond this: two thousand frames."""
SAMPLE_BYTES = 4096
"""Enough to tell what bytes look like: fifty sentences, a hundred and fifty frames."""


class Decoder(Shape):
    """What the search asks of a protocol's decoder."""

    @property
    def good(self) -> int: ...

    @property
    def bad(self) -> int: ...

    def feed(self, data: bytes, t_us: int) -> Batch: ...


def holds(good: int, bad: int) -> bool:
    """Whether a stream that gave `good` frames and `bad` pieces is of the decoder's protocol."""
    return good >= MIN_GOOD and good >= GOOD_A_BAD * bad


class RateTrial:
    """Listening at one rate, from `began_us` on, with a `decoder` of its own."""

    def __init__(self, decoder: Decoder, began_us: int) -> None:
        self.sample = b""
        self._decoder = decoder
        self._began_us = began_us
        self._bytes = 0

    def feed(self, data: bytes, t_us: int) -> None:
        """`sample` keeps the first bytes, to say afterwards what they look like."""
        self._decoder.feed(data, t_us)
        self._bytes += len(data)
        self.sample += data[: SAMPLE_BYTES - len(self.sample)]

    @property
    def holds(self) -> bool:
        """Whether this is the rate."""
        return holds(self._decoder.good, self._decoder.bad)

    def verdict(self, t_us: int) -> bool | None:
        """True: this is the rate. False: it is not. None: listen on."""
        if self.holds:
            return True
        listened_us = t_us - self._began_us
        if self._decoder.good == 0 and (self._bytes >= GARBAGE_BYTES or listened_us >= LISTEN_US):
            return False
        if self._bytes >= TRIAL_BYTES or listened_us >= DOUBT_US:
            return False
        return None
