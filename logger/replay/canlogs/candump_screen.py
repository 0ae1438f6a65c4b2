"""Read the screen output of candump, the form in which most people keep a bus capture.

    [(stamp)]  can0  [RX B -]  18FEF100   [3]  01 02 03        FD: two digits in the brackets, [08]
               interface  -x   identifier [length]  data | remote request

Colours (`-c`) are removed; `-i` prints bytes as binary digits, `-S` prints them last byte first, joined by "`".

The stamps of `-t a` (seconds since 1970) and `-t A` (date and time) are absolute, those of `-t z` count from the first
frame and those of `-t d` from the previous frame. The last two look alike, but only times between frames decrease and
do not grow. Without stamps, frames count as one millisecond apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Final

from firmware_bridge.records import ERR_FLAG, can_id_of
from logger.replay.canlogs.entry import CLASSIC_BYTES, MAX_BYTES, Entry, micros, octets

STEP_US: Final = 1000
"""Between frames without stamps: a busy 500 kbit/s bus carries a few frames a millisecond, an idle one fewer."""

PATTERN = re.compile(
    rb"^ *(?:\((?:(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):)?(\d{1,12}\.\d{1,9})\) +)?"
    rb"([A-Za-z][\w.:-]{0,15}) +(?:(?:RX|TX)(?: +[BE-])? +[BE-]? *)?"
    rb"([0-9A-Fa-f]{8}|[0-9A-Fa-f]{3}) +\[(\d{1,2})\](.*)$",
    re.ASCII,
)
_ASCII_COLUMN = re.compile(rb"\s+'.*$", re.DOTALL)
_COLOUR = re.compile(rb"\x1b\[[\d;]*m")
_BINARY = re.compile(rb"(?:[01]{8}[ `]*)+")
_NO_FRAME = re.compile(rb"#|\t|DROPCOUNT|\s*$")
"""Comments, the meaning of an error frame (`-e`), frames that the kernel dropped (`-d`)."""
_ENOUGH_TO_GROW: Final = 8
"""Minimum number of stamps to judge growth: with fewer, a decrease alone decides."""
_LARGEST_RELATIVE_US: Final = 1_000_000 * 1_000_000
"""Eleven days; stamps since 1970 are larger."""


def recognise(head: Sequence[bytes]) -> CandumpScreen | None:
    """A reader, if one of the first lines has this format."""
    matches = [match for line in head if (match := PATTERN.match(_COLOUR.sub(b"", line)))]
    if not matches:
        return None
    return CandumpScreen(
        is_delta=_are_deltas([micros(match[6]) for match in matches if match[6] and not match[1]])
    )


def _are_deltas(stamps: Sequence[int]) -> bool:
    """Whether stamps count from frame to frame. Frames of two interfaces may be slightly out of order too, but their
    stamps grow."""
    if not stamps or max(stamps) > _LARGEST_RELATIVE_US:
        return False
    if len(stamps) >= _ENOUGH_TO_GROW:
        half = len(stamps) // 2
        if median(stamps[half:]) > max(stamps[:half]):
            return False
    elif stamps[0] != 0:
        return False
    return any(later <= earlier for earlier, later in pairwise(stamps[1:]))


class CandumpScreen:
    """Reads one line after another. `is_delta`: each stamp counts from the line before."""

    def __init__(self, *, is_delta: bool = False) -> None:
        self._is_delta = is_delta
        self._last_us = 0

    def read(self, line: bytes) -> Entry | str | None:
        """A line's entry; "candump" for a damaged line, "length" where data and length differ."""
        match = PATTERN.match(_COLOUR.sub(b"", line).rstrip(b"\r\n"))
        if match is None:
            return None if _NO_FRAME.match(line) else "candump"
        interface, digits, length_text, rest = match[7], match[8], match[9], match[10]
        length, is_fd = int(length_text), len(length_text) == 2
        number = int(digits, 16)
        is_extended = len(digits) == 8
        is_remote = rest.strip().startswith(b"remote request")
        if is_remote:
            data: bytes | None = bytes(min(length, CLASSIC_BYTES))
        else:
            data = _data(_ASCII_COLUMN.sub(b"", rest.replace(b"ERRORFRAME", b"")).strip())
        if data is None or length > MAX_BYTES:
            return "candump"
        if len(data) != length:
            return "length"
        if is_extended and number & ERR_FLAG:
            return Entry(self._stamp_us(match), interface, number, data)
        flagged = can_id_of(number, is_extended=is_extended, is_remote=is_remote, is_fd=is_fd)
        return Entry(self._stamp_us(match), interface, flagged, data)

    def _stamp_us(self, match: re.Match[bytes]) -> int:
        """The time of a frame's line; the next relative stamp counts from it."""
        if match[6] is None:
            self._last_us += STEP_US
        elif match[1] is not None:
            self._last_us = _date_us(match)
        elif self._is_delta:
            self._last_us += micros(match[6])
        else:
            self._last_us = micros(match[6])
        return self._last_us


def _data(text: bytes) -> bytes | None:
    """The bytes of a frame as printed; None if one is not a byte."""
    data = octets(text.replace(b"`", b" "), 2 if _BINARY.fullmatch(text) else 16)
    return data[::-1] if data and b"`" in text else data


def _date_us(match: re.Match[bytes]) -> int:
    """A date and time of day in an unknown zone: only differences matter."""
    year, month, day, hour, minute = (int(match[group]) for group in range(1, 6))
    try:
        at = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return micros(match[6])
    return int(at.timestamp()) * 1_000_000 + micros(match[6])
