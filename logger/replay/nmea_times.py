"""Time a text of NMEA sentences by the times of day within them.

Only a sentence whose checksum holds, or that has none, moves time: a damaged digit may not. The sentences of a fix
count first; ZDA runs ahead of them in some receivers and counts only in a text that has no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from firmware_bridge.gps.nmea_fields import DAY_US
from firmware_bridge.protocols.nmea import checksum

_TIMED = re.compile(
    rb"\$([A-Z]{2}(?:(RMC|GGA|GNS|ZDA),|GLL,[^,*]*,[^,*]*,[^,*]*,[^,*]*,)(\d\d)(\d\d)(\d\d(?:\.\d{1,6})?)\d*[,*]?"
    rb"[^*$\r\n]*)(?:\*([0-9A-Fa-f]{2}))?",
    re.ASCII,
)
SENTENCE = re.compile(rb"[$!][A-Z]{2}[A-Z0-9]{2,4},[^$!*\r\n]{0,1000}(?:\*[0-9A-Fa-f]{2}|[\r\n])")
"""What makes a text one of NMEA: anything may stand before it on its line, such as a time stamp or a tag block."""


class NmeaTimes:
    """Times of day in a text. `has_fixes` says whether sentences of fixes carry times in it."""

    def __init__(self, *, has_fixes: bool) -> None:
        self._has_fixes = has_fixes

    def stamp_us(self, line: bytes) -> int | None:
        """The time of day of the last sentence on a line that has one, in microseconds; None without."""
        stamp_us = None
        for found in _TIMED.finditer(line):
            body, formatter, hours, minutes, seconds, digits = found.groups()
            if digits is not None and int(digits, 16) != checksum(body):
                continue
            if formatter == b"ZDA" and self._has_fixes:
                continue
            stamp_us = (int(hours) * 3600 + int(minutes) * 60) * 1_000_000 + round(float(seconds) * 1e6)
        return stamp_us if stamp_us is None or stamp_us < DAY_US else None


def times_of(head: Iterable[bytes]) -> NmeaTimes:
    """How a text that begins with these lines is timed."""
    fixes_only = NmeaTimes(has_fixes=True)
    return NmeaTimes(has_fixes=any(fixes_only.stamp_us(line) is not None for line in head))
