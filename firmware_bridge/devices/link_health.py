"""Is the right device at the other end? Silence, a wrong baud rate and swapped cables, told apart.

Sans-I/O and of no thread: what arrived and the time come in, a finding goes out. The idea: every few seconds
the latest bytes are decoded a second time, here. If hardly a frame holds in them, they are not what the
configuration says; whether another protocol's decoder is happy with them tells a wrong cable from a wrong
rate. It costs the decoding of one sample in three seconds, and depends on no other thread's being up to date.

A receiver that sends another protocol between its sentences is no fault, but is said: a crew that wonders about a
full line, or about few positions, sees why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from firmware_bridge.devices.baud_trial import GARBAGE_BYTES, SAMPLE_BYTES
from firmware_bridge.devices.evidence import NOTHING, Counts, Tally, holds
from firmware_bridge.protocols import PROTOCOL_NAMES, Decoder, protocol

SILENT_US = 5_000_000
"""A GPS receiver speaks every second; an adapter on a bus that is awake, all the time."""
STRETCH_US = 3_000_000
"""Bytes are judged over no less: at 1 Hz, three epochs."""
BAD_A_GOOD = 10
"""Bad pieces a good one from which on the good ones are chance. A damaged cable is far from this."""
MIXED_BYTES = 262_144
"""As much of a stretch is judged where sentences may stand far apart: nearly three seconds at 921600 baud."""
MIN_PROOF = 2
"""Sentences in two stretches from which on foreign bytes are no evidence against the rate: one alone may be chance."""
FOREIGN_SHARE = 0.10
"""A share of foreign bytes that is worth a word: prefixes of sentences and torn ones stay below."""
FOREIGN_BYTES = 4096
"""No share is taken of fewer bytes: sentences torn at their ends would count for too much."""
FOREIGN_STEP = 0.10
"""The share said is corrected when it is wrong by more."""
FOREIGN_US = 60_000_000
"""How often the share said is compared: some messages come in bursts."""


class Finding(NamedTuple):
    """`state` is "open" when all is well, else "silent", "wrong_baud" or "no_protocol"; `detail` says it in
    words."""

    state: str
    detail: str


class Expected(NamedTuple):
    """What the configuration says is at the port called `name`. `neighbours` are the other ports, by
    protocol."""

    name: str
    protocol: str
    neighbours: Mapping[str, str]


class LinkHealth:
    """Watches one session. `baud` is None where the port has no rate of its own (a socket); `setting` is
    what is reported of such a port while all is well. `decoder` makes the decoder of the port, where it is not simply
    its protocol's."""

    def __init__(
        self,
        expected: Expected,
        baud: int | None,
        began_us: int,
        setting: str = "",
        decoder: Callable[[int], Decoder] | None = None,
    ) -> None:
        self._expected = expected
        self._baud = baud
        self._setting = f"{baud} baud" if baud else setting
        chosen = protocol(expected.protocol)
        self._decoder, self._is_mixed = decoder or chosen.decoder, chosen.is_mixed
        self._tally = self._new_tally()
        self._before = NOTHING
        self._mixture = _Mixture(began_us)
        self._finding = self._well()
        self._heard_us = self._stretch_us = began_us
        self._bytes, self._sample = 0, bytearray()
        self._good = 0
        self._has_held = False

    def arrived(self, data: bytes, t_us: int) -> None:
        """Bytes came; the latest of the stretch are kept."""
        self._heard_us = t_us
        self._bytes += len(data)
        self._sample += data
        del self._sample[: -(MIXED_BYTES if self._is_mixed else SAMPLE_BYTES)]

    def finding(self, t_us: int) -> Finding:
        """What is to be said at `t_us`."""
        if t_us - self._heard_us >= SILENT_US:
            self._finding = silence([self._baud])
            self._sample.clear()
        elif self._finding.state == "silent":
            self._finding = self._well()
        elif t_us - self._stretch_us < STRETCH_US or self._bytes < GARBAGE_BYTES:
            return self._finding  # too early to say
        else:
            self._finding = self._judged(t_us)
        self._stretch_us, self._bytes = t_us, 0
        return self._finding

    def _judged(self, t_us: int) -> Finding:
        sample, counts = self._counted()
        is_proven = counts.good > 0 and counts.good + self._good >= MIN_PROOF
        against = counts.damaged if is_proven else counts.rejected
        self._good = counts.good
        if against > 0 and against >= BAD_A_GOOD * counts.good:
            return mismatch(self._expected, [(self._baud, sample[-SAMPLE_BYTES:])], has_held=self._has_held)
        self._has_held = self._has_held or counts.good > 0
        self._mixture.add(counts, t_us)
        return self._well()

    def _counted(self) -> tuple[bytes, Counts]:
        """The stretch and what it came to. Of a mixed one every byte is counted once, lest a sentence on the seam of
        two stretches count as foreign in both; of another only a sample is decoded."""
        sample = bytes(self._sample)
        self._sample.clear()
        if not self._is_mixed:
            self._tally, self._before = self._new_tally(), NOTHING
        self._tally.feed(sample, 0)
        now = self._tally.counts
        counts, self._before = now.since(self._before), now
        return sample, counts

    def _new_tally(self) -> Tally:
        return Tally(self._decoder(0), is_mixed=self._is_mixed)

    def _well(self) -> Finding:
        words = [
            self._setting,
            self._mixture.words(_word(self._expected.protocol)),
        ]
        return Finding("open", "; ".join(filter(None, words)))


class _Mixture:
    """The share of foreign bytes that is said: that of the first bytes, then of a minute if it is another one."""

    def __init__(self, began_us: int) -> None:
        self._compared_us = began_us
        self._bytes = self._foreign_bytes = 0
        self._share: float | None = None

    def add(self, counts: Counts, t_us: int) -> None:
        """One more stretch of bytes in which the protocol holds."""
        self._bytes += counts.bytes
        self._foreign_bytes += counts.foreign_bytes
        is_early = self._share is not None and t_us - self._compared_us < FOREIGN_US
        if is_early or self._bytes < FOREIGN_BYTES:
            return
        share = self._foreign_bytes / self._bytes
        if self._share is None or abs(share - self._share) > FOREIGN_STEP:
            self._share = share
        self._compared_us, self._bytes, self._foreign_bytes = t_us, 0, 0

    def words(self, protocol_word: str) -> str:
        """Nothing where there is no share worth a word."""
        return foreign(protocol_word, self._share or 0.0)


def foreign(protocol_word: str, share: float) -> str:
    """What is said of a `share` of bytes, from 0 to 1, of another protocol; nothing of a small one."""
    if share < FOREIGN_SHARE:
        return ""
    if share == 1:
        return f"all bytes are another protocol: switch {protocol_word} on in the receiver"
    return f"{protocol_word} holds, {min(99, round(100 * share))} % of the bytes are another protocol"


def silence(bauds: Sequence[int | None]) -> Finding:
    """Open, and nothing comes."""
    return Finding("silent", f"open, but no bytes{_at(bauds)}: check power and wiring, or the bus is asleep")


def mismatch(
    expected: Expected, samples: Sequence[tuple[int | None, bytes]], *, has_held: bool = False
) -> Finding:
    """Bytes come, at one rate or at each of several that were tried, and are not of the expected protocol.

    `has_held`: they were, earlier in the session.
    """
    wanted = _word(expected.protocol)
    for baud, sample in samples:
        if found := _resembles(sample, but_not=expected.protocol):
            neighbour = expected.neighbours.get(found)
            cables = f"the cables of {neighbour} and {expected.name} may be swapped"
            what = f"this looks like {_word(found)}{_at([baud])}, not {wanted}"
            return Finding("no_protocol", f"{what}: {cables if neighbour else _another(expected, found)}")
        if expected.protocol == "nmea" and _has_no_checksums(sample):
            what = f"NMEA sentences come{_at([baud])} without checksums"
            return Finding("no_protocol", f'{what}: set checksum = "optional" in [gps]')
    bauds = [baud for baud, _ in samples]
    proof = "NMEA checksum" if expected.protocol == "nmea" else f"{wanted} frame"
    what = f"bytes arrive but no {proof} holds{_at(bauds)}"
    if bauds == [None]:
        key = "port" if expected.protocol == "nmea" else "protocol"
        return Finding("no_protocol", f"{what}: correct `{key}`, or check which device this is")
    if has_held:
        what = f"{what} any more"
        return Finding("wrong_baud", f'{what}: the device has restarted at another rate; set baud = "auto"')
    hint = 'try baud = "auto"' if len(bauds) == 1 else "check which device this is, its ground and its levels"
    return Finding("wrong_baud", f"{what}: {hint}")


def _another(expected: Expected, found: str) -> str:
    """The mend where a device of protocol `found` is nobody's neighbour. A GPS receiver's protocol cannot be set."""
    if found == "nmea":
        return "that is a GPS receiver: correct `port`"
    if expected.protocol == "nmea":
        return "that is a CAN adapter: correct `port`"
    return "correct `protocol`, or check which device this is"


def _resembles(sample: bytes, but_not: str) -> str | None:
    """The protocol whose decoder is happy with `sample`."""
    others = (name for name in PROTOCOL_NAMES if name != but_not)
    return next((name for name in others if _is(name, sample)), None)


def _is(protocol_name: str, sample: bytes) -> bool:
    """Whether `sample` is of a protocol and nothing else."""
    decoder = protocol(protocol_name).decoder(0)
    decoder.feed(sample, 0)
    return holds(decoder.good, decoder.bad)


def _at(bauds: Sequence[int | None]) -> str:
    """` at 4800, 9600 or 38400 baud`; nothing where there is no rate."""
    *others, last = [str(baud) for baud in bauds if baud] or [""]
    return f" at {', '.join(others)}{' or ' if others else ''}{last} baud" if last else ""


def _has_no_checksums(sample: bytes) -> bool:
    """Whether `sample` is of a receiver that sends its sentences without checksums."""
    from firmware_bridge.protocols import nmea  # noqa: PLC0415 - for a link in trouble only

    decoder = nmea.LenientDecoder()
    decoder.feed(sample, 0)
    return holds(decoder.good, decoder.bad)


def _word(protocol_name: str) -> str:
    """As people write it; the names of the CAN protocols are those of the configuration."""
    return "NMEA" if protocol_name == "nmea" else protocol_name
