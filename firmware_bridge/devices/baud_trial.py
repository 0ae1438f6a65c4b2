"""The search for a port's baud rate: one trial a rate, judged by the protocol's own decoder.

Sans-I/O: bytes and times come in, a verdict goes out. The idea: at a wrong rate a line yields bytes, but no
checksum or frame layout holds, or only by chance; so good pieces must clearly outnumber damaged ones. A quick trial
ends with the first half kilobyte in which nothing holds. Where a receiver's sentences stand far apart among bytes of
another protocol that is too soon, so when no quick trial finds a rate, patient ones follow.
"""

from __future__ import annotations

import re

from firmware_bridge.devices.evidence import Tally, holds
from firmware_bridge.protocols import Decoder

__all__ = ["RateTrial", "holds", "marks"]

LISTEN_US = 1_500_000
"""A receiver at 1 Hz speaks at least once in this time."""
PATIENT_US = 2_500_000
"""A patient trial listens so long for a first sentence: slow receivers have a cycle of two seconds."""
DOUBT_US = 4_000_000
"""Where some pieces are good but not clearly enough: a 1 Hz receiver with one sentence a second needs 3 s."""
GARBAGE_BYTES = 512
"""So many bytes without one good piece end a quick trial at once: three times the longest frame of any protocol
here."""
TRIAL_BYTES = 65536
"""No quick trial goes on beyond this: two thousand frames."""
PATIENT_BYTES = 1 << 20
"""No patient trial goes on beyond this: four seconds at 2 Mbaud, which are kept until the verdict."""
SAMPLE_BYTES = 4096
"""Enough to tell what bytes look like: fifty sentences, a hundred and fifty frames."""

_MARKS = re.compile(
    rb"\xb5\x62[\x01-\x2f]|\xd3[\x00-\x03]|\$@|\xa0[\xa1\xa2]|\x04\x24|\xaa\x44[\x12\x13\xb5]|#[A-Z]{4,},|[$!][A-Z]{4,},"
)
"""How messages of receivers begin: UBX, RTCM 3, SBF, SkyTraq and SiRF, MTK, NovAtel and Unicore, their ASCII, NMEA."""


def marks(sample: bytes) -> int:
    """How many beginnings of messages are in `sample`: a hint which rate to try first, never a proof."""
    return len(_MARKS.findall(sample))


class RateTrial:
    """Listening at one rate, from `began_us` on, with a `decoder` of its own."""

    def __init__(
        self, decoder: Decoder, began_us: int, *, is_mixed: bool = False, is_patient: bool = False
    ) -> None:
        self.sample = b""
        self._tally = Tally(decoder, is_mixed=is_mixed)
        self._began_us = began_us
        self._is_patient = is_patient

    def feed(self, data: bytes, t_us: int) -> None:
        """`sample` keeps the first bytes, to say afterwards what they look like."""
        self._tally.feed(data, t_us)
        self.sample += data[: SAMPLE_BYTES - len(self.sample)]

    @property
    def holds(self) -> bool:
        """Whether this is the rate."""
        return self._tally.counts.holds

    def verdict(self, t_us: int) -> bool | None:
        """True: this is the rate. False: it is not. None: listen on."""
        counts = self._tally.counts
        if counts.holds:
            return True
        listened_us = t_us - self._began_us
        is_garbage = counts.bytes >= GARBAGE_BYTES and not self._is_patient
        patience_us = PATIENT_US if self._is_patient else LISTEN_US
        if counts.good == 0 and (is_garbage or listened_us >= patience_us):
            return False
        if counts.bytes >= (PATIENT_BYTES if self._is_patient else TRIAL_BYTES) or listened_us >= DOUBT_US:
            return False
        return None
