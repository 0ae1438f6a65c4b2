"""Time an NMEA text by the times of day in its sentences.

Only a sentence with a valid checksum, or without one, advances time: a damaged digit must not. The sentences of a fix
take precedence; ZDA is ahead of them in some receivers and counts only in a text without other times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from firmware_bridge.gps.assembly import BREAK_US
from firmware_bridge.gps.nmea_fields import DAY_US
from firmware_bridge.protocols.nmea import checksum

_TIMED = re.compile(
    rb"\$([A-Z]{2}(?:(RMC|GGA|GNS|ZDA),|GLL,[^,*]*,[^,*]*,[^,*]*,[^,*]*,)(\d\d)(\d\d)(\d\d(?:\.\d{1,6})?)\d*[,*]?"
    rb"[^*$\r\n]*)(?:\*([0-9A-Fa-f]{2}))?",
    re.ASCII,
)
SENTENCE = re.compile(rb"[$!][A-Z]{2}[A-Z0-9]{2,4},[^$!*\r\n]{0,1000}(?:\*[0-9A-Fa-f]{2}|[\r\n])")
"""Recognises NMEA text: anything may precede a sentence on its line, such as a time stamp or a tag block."""

MOST_HELD = 64
"""Bound on the lines held until the next stamp: more than an epoch has."""


class NmeaTimes:
    """Times of day in a text. `has_fixes`: sentences of fixes carry times in it."""

    def __init__(self, *, has_fixes: bool) -> None:
        self._has_fixes = has_fixes

    def stamp_us(self, line: bytes) -> int | None:
        """The time of day of the last timed sentence on a line, in microseconds; None without one."""
        stamp_us = None
        for match in _TIMED.finditer(line):
            body, formatter, hours, minutes, seconds, digits = match.groups()
            if digits is not None and int(digits, 16) != checksum(body):
                continue
            if formatter == b"ZDA" and self._has_fixes:
                continue
            stamp_us = (int(hours) * 3600 + int(minutes) * 60) * 1_000_000 + round(float(seconds) * 1e6)
        return stamp_us if stamp_us is None or stamp_us < DAY_US else None


def confirmed(stamped: Iterable[tuple[bytes, int | None]]) -> Iterator[tuple[bytes, int | None]]:
    """Yield lines and stamps, without those stamps that the next one contradicts.

    A checksum lets one damaged line in 256 through. A stamp far from the last one is damage if the next one follows the
    last, and a pause, or a clock that was set, if it follows the stamp itself.
    """
    held: list[tuple[bytes, int | None]] = []
    last_us: int | None = None
    far_us: int | None = None
    for line, stamp_us in stamped:
        if stamp_us is None or last_us is None:
            last_us = last_us if stamp_us is None else stamp_us
        elif _follows(stamp_us, last_us):
            last_us = stamp_us
            if far_us is not None:
                held = [(text, None) for text, _ in held]
                far_us = None
        elif far_us is not None:
            last_us, far_us = stamp_us, None
        else:
            far_us = stamp_us
        held.append((line, stamp_us))
        if far_us is None or len(held) > MOST_HELD:
            yield from held
            held = []
    yield from held


def _follows(stamp_us: int, last_us: int) -> bool:
    return abs((stamp_us - last_us + DAY_US // 2) % DAY_US - DAY_US // 2) <= BREAK_US


def times_of(head: Iterable[bytes]) -> NmeaTimes:
    """The timing of a text that begins with these lines."""
    fixes_only = NmeaTimes(has_fixes=True)
    return NmeaTimes(has_fixes=any(fixes_only.stamp_us(line) is not None for line in head))
