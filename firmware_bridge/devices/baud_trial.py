"""Trial of one baud rate, judged by the protocol's own decoder.

Sans-I/O: bytes and times come in, a verdict goes out. At a wrong rate a line yields bytes, but no valid checksum or
frame, or only by chance; so good pieces must clearly outnumber damaged ones. A quick trial ends with the first half
kilobyte without a good piece. That is too early if a receiver's sentences are far apart among bytes of another
protocol, so patient trials follow if no quick trial finds a rate.
"""

from __future__ import annotations

import re

from firmware_bridge.devices.evidence import Tally, holds
from firmware_bridge.protocols import Decoder

__all__ = ["RateTrial", "holds", "marks"]

LISTEN_US = 1_500_000
"""A quick trial's wait for a first good piece: a 1 Hz receiver sends at least once in this time."""
PATIENT_US = 2_500_000
"""A patient trial's wait for a first good piece: slow receivers have a cycle of two seconds."""
UNDECIDED_US = 4_000_000
"""Longest trial with too few good pieces: a 1 Hz receiver with one sentence per second needs 3 s."""
GARBAGE_BYTES = 512
"""Bytes without a good piece that end a quick trial: three times the longest frame of any protocol here."""
TRIAL_BYTES = 65536
"""Most bytes of a quick trial: two thousand frames."""
PATIENT_BYTES = 1 << 20
"""Most bytes of a patient trial, which are kept until the verdict: four seconds at 2 Mbaud."""
SAMPLE_BYTES = 4096
"""Bytes that suffice to recognise a protocol: fifty sentences, a hundred and fifty frames."""

_MARKS = re.compile(
    rb"\xb5\x62[\x01-\x2f]|\xd3[\x00-\x03]|\$@|\xa0[\xa1\xa2]|\x04\x24|\xaa\x44[\x12\x13\xb5]|#[A-Z]{4,},|[$!][A-Z]{4,},"
)
"""Beginnings of messages: UBX, RTCM 3, SBF, SkyTraq and SiRF, MTK, NovAtel and Unicore, their ASCII, NMEA."""


def marks(sample: bytes) -> int:
    """Number of message beginnings in `sample`: a hint which rate to try first, not a proof."""
    return len(_MARKS.findall(sample))


class RateTrial:
    """A trial of one rate that began at `began_us`, with its own `decoder`."""

    def __init__(
        self, decoder: Decoder, began_us: int, *, is_mixed: bool = False, is_patient: bool = False
    ) -> None:
        self.sample = b""
        self._tally = Tally(decoder, is_mixed=is_mixed)
        self._began_us = began_us
        self._is_patient = is_patient

    def feed(self, data: bytes, t_us: int) -> None:
        """Decode the bytes; `sample` keeps the first ones for a later diagnosis."""
        self._tally.feed(data, t_us)
        self.sample += data[: SAMPLE_BYTES - len(self.sample)]

    @property
    def holds(self) -> bool:
        """Whether enough good pieces have arrived at this rate."""
        return self._tally.counts.holds

    def verdict(self, t_us: int) -> bool | None:
        """True: this is the rate. False: it is not. None: undecided, continue."""
        counts = self._tally.counts
        if counts.holds:
            return True
        listened_us = t_us - self._began_us
        is_garbage = counts.bytes >= GARBAGE_BYTES and not self._is_patient
        patience_us = PATIENT_US if self._is_patient else LISTEN_US
        if counts.good == 0 and (is_garbage or listened_us >= patience_us):
            return False
        if (
            counts.bytes >= (PATIENT_BYTES if self._is_patient else TRIAL_BYTES)
            or listened_us >= UNDECIDED_US
        ):
            return False
        return None
