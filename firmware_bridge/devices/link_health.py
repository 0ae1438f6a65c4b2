"""Link health: detect silence, a wrong baud rate, swapped cables and foreign protocols.

Sans-I/O, no thread: received bytes and times come in, a finding goes out. Every few seconds the latest bytes are
decoded a second time, here. If hardly a frame is valid, the device is not the configured one. If another protocol's
decoder accepts the bytes, the cable is wrong, otherwise the rate. The cost is decoding one sample every three seconds;
the result does not depend on the state of another thread.

A receiver that sends another protocol between its sentences is not a fault, but is reported: it explains a busy line
or few positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from firmware_bridge.devices.baud_trial import GARBAGE_BYTES, SAMPLE_BYTES
from firmware_bridge.devices.evidence import NOTHING, Counts, Tally, holds
from firmware_bridge.protocols import PROTOCOL_NAMES, Decoder, protocol

SILENT_US = 5_000_000
"""Longest healthy silence: a GPS receiver sends every second, an adapter on an active bus all the time."""
STRETCH_US = 3_000_000
"""Shortest stretch of bytes that is judged: at 1 Hz, three epochs."""
MAX_BAD_PER_GOOD = 10
"""Bad pieces per good one from which on the good ones are chance. A damaged cable stays far below."""
MIXED_BYTES = 262_144
"""Bytes judged of a stretch if sentences may be far apart: nearly three seconds at 921600 baud."""
MIN_PROOF = 2
"""Sentences in two stretches with which foreign bytes are no evidence against the rate; a single one may be chance."""
FOREIGN_SHARE = 0.10
"""Smallest share of foreign bytes that is reported; sentence prefixes and incomplete sentences stay below."""
FOREIGN_BYTES = 4096
"""Fewest bytes for which a share is computed; with fewer, incomplete sentences at the ends count too much."""
FOREIGN_STEP = 0.10
"""Change of the share that is reported."""
FOREIGN_US = 60_000_000
"""Interval at which the share is compared with the reported one; some messages come in bursts."""


class Finding(NamedTuple):
    """`state` is "open" for a healthy link, else "silent", "wrong_baud" or "no_protocol"; `detail` is one line with
    the reason and how to fix it."""

    state: str
    detail: str


class Expected(NamedTuple):
    """The configured device of the port `name`. `neighbours` are the names of the other ports, by protocol."""

    name: str
    protocol: str
    neighbours: Mapping[str, str]


class LinkHealth:
    """Monitors one session. `baud` is None for a port without a rate (a socket); `setting` is the detail reported for
    such a port while it is healthy. `decoder` makes the port's decoder if it differs from the protocol's."""

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
        self._finding = self._healthy()
        self._heard_us = self._stretch_us = began_us
        self._bytes, self._sample = 0, bytearray()
        self._good = 0
        self._has_held = self._is_doubtful = False

    def arrived(self, data: bytes, t_us: int) -> None:
        """Add received bytes; the latest of the stretch are kept."""
        self._heard_us = t_us
        self._bytes += len(data)
        self._sample += data
        del self._sample[: -(MIXED_BYTES if self._is_mixed else SAMPLE_BYTES)]

    def finding(self, t_us: int) -> Finding:
        """The state of the link at `t_us`."""
        if t_us - self._heard_us >= SILENT_US:
            self._finding = silence([self._baud])
            self._sample.clear()
        elif self._finding.state == "silent":
            self._finding = self._healthy()
        elif t_us - self._stretch_us < STRETCH_US or self._bytes < GARBAGE_BYTES:
            return self._finding  # too early to judge
        else:
            self._finding = self._judge(t_us)
        self._stretch_us, self._bytes = t_us, 0
        return self._finding

    def _judge(self, t_us: int) -> Finding:
        sample, counts = self._count_stretch()
        is_proven = counts.good > 0 and counts.good + self._good >= MIN_PROOF
        against = counts.damaged if is_proven else counts.rejected
        self._good = counts.good
        if against > 0 and against >= MAX_BAD_PER_GOOD * counts.good:
            # An adapter that has restarted sends text until it is opened again (restart.py), within one stretch.
            is_first, self._is_doubtful = not self._is_doubtful, True
            if is_first and self._has_held and not self._is_mixed:
                return self._finding
            return mismatch(self._expected, [(self._baud, sample[-SAMPLE_BYTES:])], has_held=self._has_held)
        self._is_doubtful = False
        self._has_held = self._has_held or counts.good > 0
        self._mixture.add(counts, t_us)
        return self._healthy()

    def _count_stretch(self) -> tuple[bytes, Counts]:
        """The sample of the stretch and its counts. In a mixed stream every byte is counted once, so that a sentence
        across two stretches does not count as foreign in both; otherwise only a sample is decoded."""
        sample = bytes(self._sample)
        self._sample.clear()
        if not (self._is_mixed or self._good):  # a decoder counts endless garbage as one bad piece
            self._tally, self._before = self._new_tally(), NOTHING
        self._tally.feed(sample, 0)
        now = self._tally.counts
        counts, self._before = now.since(self._before), now
        return sample, counts

    def _new_tally(self) -> Tally:
        return Tally(self._decoder(0), is_mixed=self._is_mixed)

    def _healthy(self) -> Finding:
        details = [
            self._setting,
            self._mixture.detail(_display_name(self._expected.protocol)),
        ]
        return Finding("open", "; ".join(filter(None, details)))


class _Mixture:
    """The reported share of foreign bytes: that of the first bytes, updated each minute if it has changed."""

    def __init__(self, began_us: int) -> None:
        self._compared_us = began_us
        self._bytes = self._foreign_bytes = 0
        self._share: float | None = None

    def add(self, counts: Counts, t_us: int) -> None:
        """Add the counts of a stretch with the right protocol."""
        self._bytes += counts.bytes
        self._foreign_bytes += counts.foreign_bytes
        is_early = self._share is not None and t_us - self._compared_us < FOREIGN_US
        if is_early or self._bytes < FOREIGN_BYTES:
            return
        share = self._foreign_bytes / self._bytes
        if self._share is None or abs(share - self._share) > FOREIGN_STEP:
            self._share = share
        self._compared_us, self._bytes, self._foreign_bytes = t_us, 0, 0

    def detail(self, protocol_name: str) -> str:
        """The text for the finding; "" if the share is small."""
        return foreign(protocol_name, self._share or 0.0)


def foreign(protocol_name: str, share: float) -> str:
    """Text about the `share` of foreign bytes, from 0 to 1; "" for a small share."""
    if share < FOREIGN_SHARE:
        return ""
    if share == 1:
        return f"all bytes are another protocol: switch {protocol_name} on in the receiver"
    return f"{protocol_name} holds, {min(99, round(100 * share))} % of the bytes are another protocol"


def silence(bauds: Sequence[int | None]) -> Finding:
    """The finding for an open port without data."""
    return Finding("silent", f"open, but no bytes{_at(bauds)}: check power and wiring, or the bus is asleep")


def mismatch(
    expected: Expected, samples: Sequence[tuple[int | None, bytes]], *, has_held: bool = False
) -> Finding:
    """The finding for bytes that do not have the expected protocol, with the sample of each rate tried.

    `has_held`: they had it earlier in the session.
    """
    expected_name = _display_name(expected.protocol)
    for baud, sample in samples:
        if other := _recognised_protocol(sample, but_not=expected.protocol):
            neighbour = expected.neighbours.get(other)
            cables = f"the cables of {neighbour} and {expected.name} may be swapped"
            what = f"this looks like {_display_name(other)}{_at([baud])}, not {expected_name}"
            return Finding(
                "no_protocol", f"{what}: {cables if neighbour else _wrong_device_hint(expected, other)}"
            )
        if expected.protocol == "nmea" and _has_no_checksums(sample):
            what = f"NMEA sentences come{_at([baud])} without checksums"
            return Finding("no_protocol", f'{what}: set checksum = "optional" in [gps]')
    bauds = [baud for baud, _ in samples]
    proof = "NMEA checksum" if expected.protocol == "nmea" else f"{expected_name} frame"
    what = f"bytes arrive but no {proof} holds{_at(bauds)}"
    if bauds == [None]:
        key = "port" if expected.protocol == "nmea" else "protocol"
        return Finding("no_protocol", f"{what}: correct `{key}`, or check which device this is")
    if has_held:
        what = f"{what} any more"
        return Finding("wrong_baud", f'{what}: the device has restarted at another rate; set baud = "auto"')
    hint = 'try baud = "auto"' if len(bauds) == 1 else "check which device this is, its ground and its levels"
    return Finding("wrong_baud", f"{what}: {hint}")


def _wrong_device_hint(expected: Expected, other: str) -> str:
    """How to fix a device that speaks protocol `other`, which no other port has. [gps] has no key `protocol`."""
    if other == "nmea":
        return "that is a GPS receiver: correct `port`"
    if expected.protocol == "nmea":
        return "that is a CAN adapter: correct `port`"
    return "correct `protocol`, or check which device this is"


def _recognised_protocol(sample: bytes, but_not: str) -> str | None:
    """The protocol whose decoder accepts `sample`; None without one."""
    others = (name for name in PROTOCOL_NAMES if name != but_not)
    return next((name for name in others if _has_protocol(name, sample)), None)


def _has_protocol(protocol_name: str, sample: bytes) -> bool:
    """Whether `sample` has a protocol and nothing else."""
    decoder = protocol(protocol_name).decoder(0)
    decoder.feed(sample, 0)
    return holds(decoder.good, decoder.bad)


def _at(bauds: Sequence[int | None]) -> str:
    """` at 4800, 9600 or 38400 baud`; "" without a rate."""
    *others, last = [str(baud) for baud in bauds if baud] or [""]
    return f" at {', '.join(others)}{' or ' if others else ''}{last} baud" if last else ""


def _has_no_checksums(sample: bytes) -> bool:
    """Whether `sample` comes from a receiver that sends sentences without checksums."""
    from firmware_bridge.protocols import nmea  # noqa: PLC0415 - only for a faulty link

    decoder = nmea.LenientDecoder()
    decoder.feed(sample, 0)
    return holds(decoder.good, decoder.bad)


def _display_name(protocol_name: str) -> str:
    """The protocol's name in messages; CAN protocols have the names of the configuration."""
    return "NMEA" if protocol_name == "nmea" else protocol_name
