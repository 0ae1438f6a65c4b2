"""Restart detection: notice when a device has lost its settings, so that its opening is sent again.

Sans-I/O: bytes and times come in, the reason comes out. A brown-out when the engine is cranked takes a second.
Afterwards an adapter is closed, or sends text instead of frames, while the bus is active; a receiver is back at its
factory rate. The signs:

    adapter     no frame for much longer than its usual gaps, or bytes without a valid frame
    receiver    start-up sentences, a silence longer than its cycle, fewer epochs per second than before

A superfluous opening does little harm, so every sign counts. Pauses and counts bound the repetition if the opening
itself is the cause, such as an `init` that restarts the receiver.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Protocol as Interface

from firmware_bridge.protocols import Decoder, Protocol, no_opening

CHECK_US = 200_000
"""Interval at which an adapter's latest bytes are decoded."""
TAIL_BYTES = 512
"""Number of those bytes: twenty frames, or three of the longest."""
NEWEST_BYTES = 96
"""Number of the newest of them, which are decoded first: one good frame suffices."""
QUIET_US = 800_000
"""Shortest time without a frame that is a sign; with an opening of half a second, frames are back within two."""
USUAL_GAPS = 3
"""A silence is a sign if it is this many times as long as the usual gap."""
FADE = 0.995
"""Factor on the usual gap at each check: a third remains after forty seconds."""
EFFECT_US = 500_000
"""Bytes this soon after an opening are its effect; the gap before them is that of a restart and does not count."""
FIRST_PAUSE_US = 1_000_000
"""Pause after an opening without effect; it doubles each time."""
LONGEST_PAUSE_US = 30_000_000
"""Longest pause: a sleeping bus is silent too, and its adapter is not opened more often."""

CYCLE_US = 2_000_000
"""Cycle of slow receivers: no shorter silence is a sign, and epochs are counted over this time."""
SETTLE_US = 500_000
"""Time after the last start-up sentence until a receiver accepts commands."""
RECEIVER_PAUSE_US = 2_000_000
"""Shortest interval between two sendings of `init`."""
ECHO_US = 10_000_000
"""A sign this soon after `init` may be an effect of `init` itself, an echo."""
MAX_ECHOES = 2
"""Echoes in a row that still cause an opening, because an engine may be cranked twice."""
SLOW_CYCLES = 2
"""Cycles in a row with fewer epochs that are a sign."""

_START_UP = re.compile(
    rb"\$(?:PMTK01[01],|PGKC01[01],|PSRF150,1|PSRFTXT,Version|PSTMVER,|PQTMVER|(?:SkyTraq|Kernel|ODM|Revision|OLinkStar),"
    rb"|..TXT,\d\d,\d\d,\d\d, ?(?:u-blox|HW |ROM |EXT |FWVER=|PROTVER|MOD=|MA=|IC=|SW=|TB=|MO=|\(C\)))"
)
"""MediaTek (and Quectel's, Globaltop's), Goke, SiRF, ST, Quectel, SkyTraq; u-blox and CASIC (AT6558 and the like)."""
_EPOCHS = (b"RMC", b"GGA", b"GNS", b"GLL")


class RestartWatch(Interface):
    """Watches one session for a restart of its device."""

    def arrived(self, data: bytes, t_us: int) -> None:
        """Process received bytes."""
        ...

    def due(self, t_us: int) -> str:
        """The reason to send the opening again at `t_us`; "" without one."""
        ...

    def opened(self, t_us: int) -> None:
        """Note that the opening was sent."""
        ...


def restart_watch(protocol: Protocol, *, has_init: bool, began_us: int) -> RestartWatch:
    """The watch for a device; `NoWatch` for one without commands, or whose opening has its own restart detection."""
    if protocol.is_mixed and has_init:
        return ReceiverWatch(protocol.decoder(0), began_us)
    if protocol.is_mixed or protocol.opening is no_opening or protocol.asker is not None:
        return NoWatch()
    return AdapterWatch(protocol, began_us)


class NoWatch:
    """Watch of a device that has no settings to lose."""

    def arrived(self, data: bytes, t_us: int) -> None:
        pass

    def due(self, t_us: int) -> str:
        return ""

    def opened(self, t_us: int) -> None:
        pass


class AdapterWatch:
    """Watch of a CAN adapter. One that has never sent a frame gives no sign of silence: its bus may be asleep."""

    def __init__(self, protocol: Protocol, began_us: int) -> None:
        self._protocol, self._decoder = protocol, protocol.decoder(0)
        self._tail = bytearray()
        self._checked_us = self._alive_us = self._opened_us = began_us
        self._last_us = began_us
        self._gap_us = self._new_gap_us = 0.0
        self._pause_us = FIRST_PAUSE_US
        self._has_spoken = self._has_garbage = False

    def arrived(self, data: bytes, t_us: int) -> None:
        is_effect = self._opened_us > self._last_us and t_us - self._opened_us < EFFECT_US
        if self._has_spoken and not is_effect:
            self._new_gap_us = max(self._new_gap_us, t_us - self._last_us)
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
        if self._has_garbage:
            return "bytes arrive without a valid frame"
        return "frames stopped" if self._has_spoken else ""

    def _check(self, t_us: int) -> None:
        """Classify the bytes since the last check: frames, harmless answers, or something else."""
        self._checked_us = t_us
        self._gap_us *= FADE
        if not self._tail:
            return
        good, bad, tail = self._decoder.good, self._decoder.bad, bytes(self._tail)
        for sample in (tail[-NEWEST_BYTES:], tail):
            self._decoder.feed(self._protocol.whole_lines(sample), t_us)
            if self._decoder.good > good:
                break
        is_good, is_bad = self._decoder.good > good, self._decoder.bad > bad
        # A decoder counts endless garbage as one bad stretch. While frames come, it is kept: it knows them already.
        if not is_good:
            self._decoder = self._protocol.decoder(0)
        is_refusal = b"\a" in self._tail
        self._tail.clear()
        # A gap before garbage is that of a restart.
        gap_us, self._new_gap_us = self._new_gap_us, 0.0
        if is_good:
            self._gap_us = max(self._gap_us, gap_us)
            self._has_spoken, self._has_garbage, self._pause_us = True, False, FIRST_PAUSE_US
        elif is_bad:
            self._has_garbage = True
        if is_good or not (is_bad or is_refusal):
            self._alive_us = t_us

    def opened(self, t_us: int) -> None:
        self._opened_us = t_us
        self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)
        self._tail.clear()


class ReceiverWatch:
    """Watch of a GPS receiver with `init` lines."""

    def __init__(self, decoder: Decoder, began_us: int) -> None:
        self._decoder = decoder
        self._opened_us = self._cycle_us = began_us
        self._heard_us = 0
        self._gap_us = 0.0
        self._counts: Counter[bytes] = Counter()
        self._usual_epochs = self._previous_epochs = self._slow = self._tries = 0
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
            self._add_sign("the receiver sent its start-up sentences", t_us)

    def _heard(self, t_us: int) -> None:
        gap_us = t_us - self._heard_us if self._heard_us else 0
        self._heard_us = t_us
        if gap_us >= max(CYCLE_US + SETTLE_US, USUAL_GAPS * self._gap_us):
            self._add_sign("the receiver was silent", t_us)
        else:
            self._gap_us = max(self._gap_us, gap_us)

    def due(self, t_us: int) -> str:
        if t_us - self._cycle_us >= CYCLE_US:
            self._count_epochs(t_us)
        is_due = t_us >= max(self._due_us, self._opened_us + RECEIVER_PAUSE_US)
        return self._reason if is_due else ""

    def _count_epochs(self, t_us: int) -> None:
        """Compare the epochs of the last cycle with the usual number, which is one that two cycles in a row had."""
        count = max(self._counts.values(), default=0)
        self._counts.clear()
        self._cycle_us = t_us
        self._gap_us *= FADE
        if not count:
            return
        if 3 * count <= 2 * self._usual_epochs:
            self._slow += 1
        else:
            self._slow = self._tries = 0
            self._usual_epochs = max(self._usual_epochs, min(count, self._previous_epochs))
        self._previous_epochs = count
        if self._slow >= SLOW_CYCLES:
            self._slow, self._tries = 0, self._tries + 1
            if self._tries > MAX_ECHOES:
                self._usual_epochs, self._tries = count, 0  # it stays slower, `init` does not change that
            else:
                self._add_sign("the receiver sends fewer epochs per second than before", t_us)

    def _add_sign(self, reason: str, t_us: int) -> None:
        if self._reason:  # further start-up sentences
            self._due_us = t_us + SETTLE_US
            return
        is_echo = t_us - self._opened_us < ECHO_US
        if is_echo:
            self._echoes += 1
            if self._echoes > MAX_ECHOES:
                return
        elif self._echoes <= MAX_ECHOES:
            self._echoes = 0
        self._reason, self._due_us = reason, t_us + SETTLE_US

    def opened(self, t_us: int) -> None:
        self._opened_us = self._cycle_us = t_us
        self._counts.clear()
        self._reason = ""
