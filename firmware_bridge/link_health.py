"""Is the right device at the other end? Silence, a wrong baud rate and swapped cables, told apart in words.

Sans-I/O and of no thread: what arrived and the time come in, a finding goes out. The idea: every few seconds
the latest bytes are decoded once more, aside. If hardly a frame holds in them, they are not what the
configuration says; whether another protocol's decoder is happy with them tells a wrong cable from a wrong
rate. It costs the decoding of one sample in three seconds, and depends on no other thread's being up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from firmware_bridge.baud import GARBAGE_BYTES, SAMPLE_BYTES, holds
from firmware_bridge.protocols import PROTOCOL_NAMES, protocol

SILENT_US = 5_000_000
"""A GPS receiver speaks every second; an adapter on a bus that is awake, all the time."""
STRETCH_US = 3_000_000
"""Bytes are judged over no less: at 1 Hz, three epochs."""
BAD_A_GOOD = 10
"""Bad pieces a good one from which on the good ones are chance. A damaged cable is far from this."""


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
    what is reported of such a port while all is well."""

    def __init__(self, expected: Expected, baud: int | None, began_us: int, setting: str = "") -> None:
        self._expected = expected
        self._baud = baud
        self._well = Finding("open", f"{baud} baud" if baud else setting)
        self._finding = self._well
        self._heard_us = self._stretch_us = began_us
        self._bytes, self._sample = 0, b""

    def arrived(self, data: bytes, t_us: int) -> None:
        """Bytes came; the latest of the stretch are kept."""
        self._heard_us = t_us
        self._bytes += len(data)
        self._sample = (self._sample + data)[-SAMPLE_BYTES:]

    def finding(self, t_us: int) -> Finding:
        """What is to be said at `t_us`."""
        if t_us - self._heard_us >= SILENT_US:
            self._finding = silence([self._baud])
        elif self._finding.state == "silent":
            self._finding = self._well
        elif t_us - self._stretch_us < STRETCH_US or self._bytes < GARBAGE_BYTES:
            return self._finding  # too early to say
        else:
            good, bad = _count(self._expected.protocol, self._sample)
            chance = bad > 0 and bad >= BAD_A_GOOD * good
            self._finding = mismatch(self._expected, [(self._baud, self._sample)]) if chance else self._well
        self._stretch_us, self._bytes, self._sample = t_us, 0, b""
        return self._finding


def silence(bauds: Sequence[int | None]) -> Finding:
    """Open, and nothing comes."""
    return Finding("silent", f"open, but no bytes{_at(bauds)}: check power and wiring, or the bus is asleep")


def mismatch(expected: Expected, samples: Sequence[tuple[int | None, bytes]]) -> Finding:
    """Bytes come, at one rate or at each of several that were tried, and are not of the expected protocol."""
    wanted = _word(expected.protocol)
    for baud, sample in samples:
        if found := _resembles(sample, but_not=expected.protocol):
            neighbour = expected.neighbours.get(found)
            cables = f"the cables of {neighbour} and {expected.name} may be swapped"
            what = f"this looks like {_word(found)}{_at([baud])}, not {wanted}"
            return Finding("no_protocol", f"{what}: {cables if neighbour else _another(expected, found)}")
    bauds = [baud for baud, _ in samples]
    proof = "NMEA checksum" if expected.protocol == "nmea" else f"{wanted} frame"
    what = f"bytes arrive but no {proof} holds{_at(bauds)}"
    if bauds == [None]:
        key = "port" if expected.protocol == "nmea" else "protocol"
        return Finding("no_protocol", f"{what}: correct `{key}`, or check which device this is")
    mend = 'try baud = "auto"' if len(bauds) == 1 else "check which device this is, its ground and its levels"
    return Finding("wrong_baud", f"{what}: {mend}")


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
    return next((name for name in others if holds(*_count(name, sample))), None)


def _count(protocol_name: str, sample: bytes) -> tuple[int, int]:
    """How many good frames and bad pieces of a protocol are in `sample`."""
    decoder = protocol(protocol_name).decoder(0)
    decoder.feed(sample, 0)
    return decoder.good, decoder.bad


def _at(bauds: Sequence[int | None]) -> str:
    """` at 4800, 9600 or 38400 baud`; nothing where there is no rate."""
    *others, last = [str(baud) for baud in bauds if baud] or [""]
    return f" at {', '.join(others)}{' or ' if others else ''}{last} baud" if last else ""


def _word(protocol_name: str) -> str:
    """As people write it; the names of the CAN protocols are those of the configuration."""
    return "NMEA" if protocol_name == "nmea" else protocol_name
