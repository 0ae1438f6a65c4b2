"""Has the device restarted, and forgotten how it was opened? Bytes and times come in, the reason comes out.

Sans-I/O. A brown-out when the engine is cranked takes a second. An adapter is closed afterwards, or speaks text where
frames are expected, while the bus goes on; a receiver is at its maker's rate again. What each of them shows:

    adapter     no frame for much longer than its usual gaps, or bytes in which no frame holds
    receiver    its start-up sentences, a silence that is longer than its cycle, fewer epochs a second than before

To send an opening once too often costs next to nothing, so every sign counts; pauses and counts keep an opening that
is itself the cause, such as an `init` that restarts the receiver, from going on for ever.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Protocol as Shape

from firmware_bridge.protocols import Decoder, Protocol, no_opening

CHECK_US = 200_000
"""How often an adapter's latest bytes are decoded."""
TAIL_BYTES = 1024
"""As many of them: fifty frames."""
QUIET_US = 800_000
"""The shortest time without a frame that is a sign: with an opening of half a second it is over within two."""
USUAL_GAPS = 3
"""A silence is a sign when it is so many times as long as the usual gaps."""
FADE = 0.995
"""What is left of the usual gap at each check: a third after forty seconds."""
EFFECT_US = 500_000
"""Bytes that come so soon after an opening are its effect, and the gap before them is that of a restart."""
FIRST_PAUSE_US = 1_000_000
"""Pause after an opening that had no effect; it doubles each time."""
LONGEST_PAUSE_US = 30_000_000
"""A bus that sleeps is silent as well: its adapter is opened so often at most."""

CYCLE_US = 2_000_000
"""Slow receivers speak so often: no shorter silence is a sign, and a rate is counted over as long."""
SETTLE_US = 500_000
"""A receiver that has said its start-up sentences takes commands so long after the last of them."""
RECEIVER_PAUSE_US = 2_000_000
"""`init` is not sent more often."""
ECHO_US = 10_000_000
"""A sign so soon after `init` may be its own effect."""
MOST_ECHOES = 2
"""Echoes in a row that are answered all the same: an engine is cranked twice."""
SLOW_CYCLES = 2
"""Cycles in a row with fewer epochs than before."""

_START_UP = re.compile(
    rb"\$(?:PMTK01[01],|PGKC01[01],|PSRF150,1|PSRFTXT,Version|PSTMVER,|PQTMVER|(?:SkyTraq|Kernel|ODM|Revision|OLinkStar),"
    rb"|..TXT,\d\d,\d\d,\d\d, ?(?:u-blox|HW |ROM |EXT |FWVER=|PROTVER|MOD=|MA=|IC=|SW=|TB=|MO=|\(C\)))"
)
"""MediaTek (and Quectel's, Globaltop's), Goke, SiRF, ST, Quectel, SkyTraq; u-blox and CASIC (AT6558 and the like)."""
_EPOCHS = (b"RMC", b"GGA", b"GNS", b"GLL")


class RestartWatch(Shape):
    """Watches one session."""

    def arrived(self, data: bytes, t_us: int) -> None:
        """Bytes came."""
        ...

    def due(self, t_us: int) -> str:
        """Why the opening is to be sent again at `t_us`; "" when it is not."""
        ...

    def opened(self, t_us: int) -> None:
        """The opening was sent."""
        ...


def restart_watch(protocol: Protocol, *, has_init: bool, began_us: int) -> RestartWatch:
    """What suits the device; nothing is watched of one that is sent nothing, or that reports a restart by itself."""
    if protocol.is_mixed and has_init:
        return ReceiverWatch(protocol.decoder(0), began_us)
    if protocol.is_mixed or protocol.opening is no_opening or protocol.asker is not None:
        return NoWatch()
    return AdapterWatch(protocol.decoder, began_us)


class NoWatch:
    """Of a device that has nothing to forget."""

    def arrived(self, data: bytes, t_us: int) -> None:
        pass

    def due(self, t_us: int) -> str:
        return ""

    def opened(self, t_us: int) -> None:
        pass


class AdapterWatch:
    """A CAN adapter. One that never spoke is not judged: its bus may be asleep."""

    def __init__(self, decoder: Callable[[int], Decoder], began_us: int) -> None:
        self._decoder = decoder
        self._tail = bytearray()
        self._checked_us = self._alive_us = self._opened_us = began_us
        self._last_us = began_us
        self._gap_us = 0.0
        self._pause_us = FIRST_PAUSE_US
        self._has_spoken = self._is_strange = False

    def arrived(self, data: bytes, t_us: int) -> None:
        is_effect = self._opened_us > self._last_us and t_us - self._opened_us < EFFECT_US
        if self._has_spoken and not is_effect:
            self._gap_us = max(self._gap_us, t_us - self._last_us)
        self._last_us = t_us
        self._tail += data
        del self._tail[:-TAIL_BYTES]

    def due(self, t_us: int) -> str:
        if t_us - self._checked_us < CHECK_US:
            return ""
        self._check(t_us)
        quiet_us = max(QUIET_US, USUAL_GAPS * self._gap_us)
        is_quiet = t_us - max(self._alive_us, self._opened_us) >= quiet_us
        if not is_quiet or t_us - self._opened_us < self._pause_us:
            return ""
        if self._is_strange:
            return "bytes came in which no frame holds"
        return "frames stopped" if self._has_spoken else ""

    def _check(self, t_us: int) -> None:
        """What the bytes since the last check are: frames, quiet answers, or something else."""
        self._checked_us = t_us
        self._gap_us *= FADE
        if not self._tail:
            return
        decoder = self._decoder(0)  # a new one: garbage without end is one bad stretch to a decoder
        decoder.feed(bytes(self._tail), t_us)
        is_good, is_bad = decoder.good > 0, decoder.bad > 0
        is_refusal = b"\a" in self._tail
        self._tail.clear()
        if is_good:
            self._has_spoken, self._is_strange, self._pause_us = True, False, FIRST_PAUSE_US
        elif is_bad:
            self._is_strange = True
        if is_good or not (is_bad or is_refusal):
            self._alive_us = t_us

    def opened(self, t_us: int) -> None:
        self._opened_us = t_us
        self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)
        self._tail.clear()


class ReceiverWatch:
    """A GPS receiver that is sent `init` lines."""

    def __init__(self, decoder: Decoder, began_us: int) -> None:
        self._decoder = decoder
        self._opened_us = self._cycle_us = began_us
        self._heard_us = 0
        self._gap_us = 0.0
        self._counts: Counter[bytes] = Counter()
        self._usual = self._previous = self._slow = self._tries = 0
        self._reason, self._due_us, self._echoes = "", 0, 0

    def arrived(self, data: bytes, t_us: int) -> None:
        batch = self._decoder.feed(data, t_us)
        texts = [sentence.text.encode() for sentence in batch.sentences]
        if texts:
            self._heard(t_us)
        for text in texts:
            if text[3:6] in _EPOCHS:
                self._counts[text[3:6]] += 1
        if any(map(_START_UP.match, (*texts, *(rejected.data for rejected in batch.rejected)))):
            self._sign("the receiver said its start-up sentences", t_us)

    def _heard(self, t_us: int) -> None:
        gap_us = t_us - self._heard_us if self._heard_us else 0
        self._heard_us = t_us
        if gap_us >= max(CYCLE_US + SETTLE_US, USUAL_GAPS * self._gap_us):
            self._sign("the receiver was silent", t_us)
        else:
            self._gap_us = max(self._gap_us, gap_us)

    def due(self, t_us: int) -> str:
        if t_us - self._cycle_us >= CYCLE_US:
            self._count(t_us)
        is_due = t_us >= max(self._due_us, self._opened_us + RECEIVER_PAUSE_US)
        return self._reason if is_due else ""

    def _count(self, t_us: int) -> None:
        """Compare the epochs of the cycle that is over with what is usual: what two cycles in a row had."""
        count = max(self._counts.values(), default=0)
        self._counts.clear()
        self._cycle_us = t_us
        self._gap_us *= FADE
        if not count:
            return
        if 3 * count <= 2 * self._usual:
            self._slow += 1
        else:
            self._slow = self._tries = 0
            self._usual = max(self._usual, min(count, self._previous))
        self._previous = count
        if self._slow >= SLOW_CYCLES:
            self._slow, self._tries = 0, self._tries + 1
            if self._tries > MOST_ECHOES:
                self._usual, self._tries = count, 0  # it is slower now, whatever it is sent
            else:
                self._sign("the receiver sends fewer epochs a second than before", t_us)

    def _sign(self, reason: str, t_us: int) -> None:
        if self._reason:  # its start-up sentences go on
            self._due_us = t_us + SETTLE_US
            return
        is_echo = t_us - self._opened_us < ECHO_US
        if is_echo:
            self._echoes += 1
            if self._echoes > MOST_ECHOES:
                return
        elif self._echoes <= MOST_ECHOES:
            self._echoes = 0
        self._reason, self._due_us = reason, t_us + SETTLE_US

    def opened(self, t_us: int) -> None:
        self._opened_us = self._cycle_us = t_us
        self._counts.clear()
        self._reason = ""
